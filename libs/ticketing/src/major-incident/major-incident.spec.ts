import { instantFrom, type RecordedEvent } from '#eventsourcing';
import { scenariosOf, type Sent } from '../../../eventsourcing/src/testing/given.js';
import { DAY, HOUR, MINUTE } from '../contract/contract.js';
import { majorIncident, majorIncidentId, REVIEW_WITHIN } from './major-incident.js';
import { majorIncidentsToTickets, outagesToMajorIncidents } from './major-incident-policies.js';
import { outage, outageId } from './outage.js';

const service = { client: 'northwind', service: 'printing' };
const [a, b, c, d] = ['a', 'b', 'c', 'd'] as const;
const id = majorIncidentId(a);
const counting = scenariosOf(outage, { id: outageId(service), actor: { id: 'policy:p', kind: 'system' }, start: 0, step: MINUTE });
const given = scenariosOf(majorIncident, { id, actor: { id: 'ada', kind: 'agent' }, start: 0, step: MINUTE });
const minute = (minutes: number) => instantFrom(minutes * MINUTE);
const rule = { tickets: 3, within: HOUR, then: 'propose' } as const;
const count = (ticketId: string, at: number, then: 'declare' | 'propose' = 'propose') =>
  ['CountServiceTicket', { ...service, ticketId, openedAt: minute(at), rule: { ...rule, then } }] as const;
const begin = { ...service, parent: a, tickets: [b, c], reason: '3 tickets' };
const proposed = ['BeginMajorIncident', { ...begin, proposed: true }] as const;
const declared = ['BeginMajorIncident', begin] as const;
const ended = ['EndMajorIncident', { reason: 'Works again' }] as const;

const happened = { stream: 'x', metadata: { effectiveAt: minute(0) } };

describe('a rule for major incidents', () => {
  it('proposes or declares one when the number of tickets about a service is reached, in whatever order they are reported', () => {
    const detected = (last: ReturnType<typeof count>) =>
      counting(count(b, 10), count(c, 50))
        .when(...last)
        .events()
        .at(-1);
    const data = { majorIncident: id, tickets: [a, b, c], within: HOUR };
    expect(detected(count(a, 5))).toEqual({ type: 'OutageDetected', data: { ...data, proposed: true } });
    expect(detected(count(a, 5, 'declare'))).toEqual({ type: 'OutageDetected', data });
  });

  it.each([
    ['come too far apart', [count(a, 0), count(b, 10)], count(c, 61)],
    ['are one counted twice', [count(a, 0), count(b, 1)], count(b, 1)],
    ['turned out to be about something else', [count(a, 0), count(b, 1), ['DiscountServiceTicket', { ticketId: a }]], count(c, 2)],
    ['come while one goes on', [['FollowMajorIncident', { ...service, majorIncident: 'x' }], count(a, 0), count(b, 1)], count(c, 2)],
    ['were dismissed', [count(a, 0), count(b, 1), count(c, 2), ['LeaveMajorIncident', { majorIncident: id }]], count(d, 3)],
  ] as const)('does nothing when tickets %s', (_, before, last) => {
    const types = counting(...(before as readonly Sent<typeof outage>[]))
      .when(...last)
      .events()
      .map(({ type }) => type);
    expect(types).not.toContain('OutageDetected');
  });

  it('lets tickets that come later join', () => {
    const react = outagesToMajorIncidents.react.ServiceTicketCounted;
    const { state } = counting(count(a, 0), count(b, 1), count(c, 2), count(d, 3));
    const event = { ...happened, data: { ticketId: d } } as RecordedEvent<never> & never;
    expect(react?.(event, state)).toMatchObject([{ id, name: 'JoinMajorIncident', body: { ticketId: d } }]);
  });
});

describe('a major incident', () => {
  it('that is proposed is confirmed or dismissed by a person', () => {
    expect(given(proposed).state).toMatchObject({ majorIncident: id, status: 'proposed', parent: a, tickets: [b, c] });
    expect(given(proposed).when('ConfirmMajorIncident', { reason: 'So it is' }).events()).toEqual([
      { type: 'MajorIncidentConfirmed', data: { reason: 'So it is' } },
    ]);
    expect(
      given(proposed)
        .when(...declared)
        .events(),
    ).toMatchObject([{ type: 'MajorIncidentConfirmed' }]);
    const dismissed = ['DismissMajorIncident', { reason: 'Three causes' }] as const;
    expect(given(proposed, dismissed).state).toMatchObject({ status: 'dismissed', reason: 'Three causes' });
    expect(given(proposed, dismissed).when('ConfirmMajorIncident', { reason: 'r' }).refusal().refused).toBe('major-incident-over');
    expect(
      given(declared)
        .when(...dismissed)
        .refusal().refused,
    ).toBe('major-incident-declared');
  });

  it('takes tickets that join, each once, and no more when it is over', () => {
    const join = (ticketId: string) => ['JoinMajorIncident', { ticketId }] as const;
    expect(
      given(declared)
        .when(...join(d))
        .events(),
    ).toEqual([{ type: 'TicketJoinedMajorIncident', data: { ticketId: d } }]);
    for (const known of [a, b])
      expect(
        given(declared)
          .when(...join(known))
          .events(),
      ).toEqual([]);
    expect(
      given(declared, ended)
        .when(...join(d))
        .refusal().refused,
    ).toBe('major-incident-over');
  });

  it('tells all requesters what is broadcast, also those who come later', () => {
    const update = ['BroadcastUpdate', { text: 'Back within the hour' }] as const;
    const incident = given(declared, update, ['JoinMajorIncident', { ticketId: d }]);
    expect(incident.state?.updates).toEqual([{ text: 'Back within the hour', at: minute(2), by: { id: 'ada', kind: 'agent' } }]);
    const { UpdateBroadcast, TicketJoinedMajorIncident, MajorIncidentOpened } = majorIncidentsToTickets.react;
    expect(UpdateBroadcast?.({ ...happened, data: update[1] } as never, incident.state)).toMatchObject([
      { id: a, name: 'SendPublicReply', body: update[1] },
    ]);
    expect(TicketJoinedMajorIncident?.({ ...happened, data: { ticketId: d } } as never, incident.state)).toMatchObject([
      { id: d, name: 'LinkTicket', body: { ticketId: a, relation: 'child-of' } },
      { id: d, name: 'SendPublicReply', body: update[1] },
    ]);
    expect(MajorIncidentOpened?.({ ...happened, data: begin } as never, given(declared).state)?.map(({ id, name }) => [id, name])).toEqual([
      [a, 'DeclareMajorIncident'],
      [b, 'LinkTicket'],
      [c, 'LinkTicket'],
      [outageId(service), 'FollowMajorIncident'],
    ]);
    expect(
      given(proposed)
        .when(...update)
        .refusal().refused,
    ).toBe('major-incident-proposed');
    expect(
      given(declared, ended)
        .when(...update)
        .refusal().refused,
    ).toBe('major-incident-over');
  });

  it('is stood down, and starts again when its ticket becomes one again', () => {
    const reviewDueAt = (terms?: { readonly reviewWithin: number }) =>
      given(declared)
        .when(...ended, 0, terms)
        .events()[0]?.data;
    expect(reviewDueAt()).toEqual({ reason: 'Works again', reviewDueAt: instantFrom(REVIEW_WITHIN) });
    expect(reviewDueAt({ reviewWithin: DAY })).toMatchObject({ reviewDueAt: instantFrom(DAY) });
    expect(
      given(declared, ended)
        .when(...ended)
        .events(),
    ).toEqual([]);
    expect(
      given(proposed)
        .when(...ended)
        .refusal().refused,
    ).toBe('major-incident-proposed');
    const again = given(declared, ended, declared).state;
    expect(again?.status).toBe('declared');
    expect(again).not.toHaveProperty('review');
  });

  it('is reviewed by its due date, or a person is reminded once', () => {
    const dueAt = instantFrom(2 * MINUTE + REVIEW_WITHIN);
    const after = given(declared, ended);
    expect(after.state?.review).toEqual({ status: 'due', dueAt });
    const remind = ['RemindOfIncidentReview', {}, 2 * MINUTE + REVIEW_WITHIN] as const;
    expect(after.when(...remind).events()).toEqual([{ type: 'IncidentReviewOverdue', data: { dueAt } }]);
    expect(after.when('RemindOfIncidentReview', {}).events()).toEqual([]);
    const { IncidentReviewOverdue } = majorIncidentsToTickets.react;
    expect(IncidentReviewOverdue?.({ ...happened, data: { dueAt } } as never, after.state)).toMatchObject([
      { id: a, name: 'AddInternalNote' },
    ]);
    expect(given(declared, ended, remind).when('RemindOfIncidentReview', {}).events()).toEqual([]);
    const plan = ['PlanIncidentReview', { owner: { id: 'bob' }, dueAt: minute(99) }] as const;
    const planned = given(declared, ended, remind, plan);
    expect(planned.state?.review).toMatchObject({ status: 'due', dueAt: minute(99), owner: { id: 'bob' } });
    expect(planned.when(...plan).events()).toEqual([]);
    const review = ['RecordIncidentReview', { summary: 'One disk', actions: ['Mirror it'] }] as const;
    expect(given(declared, ended, plan, review).state?.review).toMatchObject({ status: 'done', ...review[1], owner: { id: 'bob' } });
    expect(
      given(declared, ended, review)
        .when(...review)
        .events(),
    ).toEqual([]);
    const parted = { summary: 'One disk', actions: ['Mirror it', 'watch it'] };
    expect(
      given(declared, ended, ['RecordIncidentReview', { ...parted, actions: ['Mirror it,watch it'] }])
        .when('RecordIncidentReview', parted)
        .events(),
    ).toEqual([{ type: 'IncidentReviewed', data: parted }]);
    for (const command of [plan, review])
      expect(
        given(declared)
          .when(...(command as typeof plan))
          .refusal().refused,
      ).toBe('no-review-due');
  });

  it('reminds the owner of a review that is overdue by every means, once, and says what became of each message', () => {
    const owner = { id: 'bob' };
    const planned = [declared, ended, ['PlanIncidentReview', { owner, dueAt: minute(99) }]] as const;
    const reach = [{ by: 'email' as const }, { by: 'chat' as const, channel: 'noc' }];
    const [reminded] = given(...planned)
      .when('RemindOfIncidentReview', {}, 99 * MINUTE, reach)
      .events();
    const target = { kind: 'person', person: owner };
    expect(reminded).toMatchObject({
      type: 'IncidentReviewOverdue',
      data: {
        owner,
        notifications: [
          { target, by: 'email' },
          { target, by: 'chat', channel: 'noc' },
        ],
        message: { subject: '[overdue] Review of a major incident: printing', text: expect.stringContaining(minute(99)) },
      },
    });
    const again = given(...planned).when('RemindOfIncidentReview', {}, 100 * MINUTE, reach);
    expect(again.events()).toEqual([reminded]);
    for (const nobody of ['not-of-client' as const, []])
      expect(
        given(...planned)
          .when('RemindOfIncidentReview', {}, 99 * MINUTE, nobody)
          .events(),
      ).toEqual([{ type: 'IncidentReviewOverdue', data: { dueAt: minute(99), owner } }]);

    const told = given(...planned, ['RemindOfIncidentReview', {}, 99 * MINUTE, reach]);
    const [mail, chat] = told.state?.review?.reminded?.messages ?? [];
    const delivered = ['RecordReviewReminder', { notification: mail?.id ?? '', attempts: 1 }] as const;
    const failed = { because: 'refused' as const, detail: 'no such channel' };
    expect(told.when(...delivered).events()).toMatchObject([{ type: 'IncidentReminderDelivered', data: { id: mail?.id, attempts: 1 } }]);
    const after = given(...planned, ['RemindOfIncidentReview', {}, 99 * MINUTE, reach], delivered, [
      'RecordReviewReminder',
      { notification: chat?.id ?? '', attempts: 3, failed },
    ]);
    expect(after.state?.review?.reminded?.messages).toMatchObject([{ state: 'delivered' }, { state: 'failed', because: 'refused' }]);
    expect(after.when(...delivered).events()).toEqual([]);
    expect(after.when('RemindOfIncidentReview', {}, 200 * MINUTE, reach).events()).toEqual([]);
  });

  it.each([
    'ConfirmMajorIncident',
    'DismissMajorIncident',
    'BroadcastUpdate',
    'EndMajorIncident',
    'PlanIncidentReview',
    'RecordIncidentReview',
  ] as const)('that never was takes no %s', (name) => {
    expect(
      given()
        .when(name as 'EndMajorIncident', { reason: 'r', owner: { id: 'x' } } as never)
        .refusal().refused,
    ).toBe('major-incident-not-found');
  });
});
