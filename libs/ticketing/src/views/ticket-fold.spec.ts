import { instantFrom } from '#eventsourcing';
import { given } from '../../../eventsourcing/src/testing/given-projected.js';
import { ticketDetails } from './ticket-details.js';
import { ticketFacts } from './ticket-facts.js';
import { ticketList } from './ticket-list.js';
import { ticketViews } from './projections.js';

const at = (minute: number) => instantFrom(minute * 60_000);
const opening = {
  type: 'TicketOpened',
  at: at(0),
  data: {
    client: 'c',
    kind: 'incident',
    summary: 's',
    reporter: { id: 'joe' },
    channel: 'phone',
    impact: 'low',
    urgency: 'low',
    priority: 'low',
    tier: 'L1',
  },
  metadata: { recordedAt: at(10) },
};
const note = (effective: number, recorded: number) => ({
  type: 'InternalNoteAdded',
  at: at(effective),
  data: { author: { id: 'ada' }, text: 't' },
  metadata: { recordedAt: at(recorded) },
});

describe('when a ticket was last updated', () => {
  it('is in order of recording, not of happening, and never goes back', () => {
    expect(given(ticketViews, [opening, note(1, 20)]).document(ticketDetails)).toMatchObject({ openedAt: at(0), updatedAt: at(20) });
    // Of two machines one may be behind.
    expect(given(ticketViews, [opening, note(9, 9)]).document(ticketDetails)).toMatchObject({ updatedAt: at(10) });
  });
});

describe('when a ticket was resolved and closed, and by whom', () => {
  it('stays a fact of its day when it is reopened', () => {
    const by = (id: string) => ({ metadata: { recordedAt: at(10), actor: { id, kind: 'agent' as const } } });
    const resolved = (minute: number, id: string) => ({
      type: 'TicketResolved',
      at: at(minute),
      data: { tier: 'L1', category: 'network' },
      ...by(id),
    });
    const closed = { type: 'TicketClosed', at: at(2), data: {}, ...by('bob') };
    const reopened = { type: 'TicketReopened', at: at(3), data: { reason: 'again', tier: 'L1', cycle: 2 }, ...by('joe') };
    const life = [opening, resolved(1, 'ada'), closed, reopened, resolved(4, 'cyd')];
    expect(given(ticketViews, life).document(ticketFacts)).toMatchObject({
      resolutions: [
        { at: at(1), by: 'ada', closedAt: at(2), closedBy: 'bob', reopenedAt: at(3) },
        { at: at(4), by: 'cyd' },
      ],
    });
    const line = given(ticketViews, life).document(ticketList);
    expect(line).toMatchObject({ resolvedAt: at(4), resolvedTimes: [at(1), at(4)], closedTimes: [at(2)] });
    expect(line).not.toHaveProperty('closedAt');
  });
});

describe('what a policy did to a ticket that was over in truth', () => {
  const person = (minute: number, type: string, data: object, recorded: number) => ({
    type,
    at: at(minute),
    data,
    metadata: { recordedAt: at(recorded) },
  });
  const handedOn = {
    type: 'TicketEscalated',
    at: at(600),
    data: {
      escalationId: '7b0a5e0a-9d0b-5d58-8a3c-0c7a4e3d2f10',
      from: 'L1',
      to: 'L2',
      reason: 'r',
      handOff: { summary: 's', errorMessages: [], logs: [], stepsTried: [] },
      automatic: { policy: 'boss', missing: [] },
    },
    metadata: { recordedAt: at(600), actor: { id: 'policy:escalation', kind: 'system' as const } },
  };
  const told: readonly [number, string, object][] = [
    [5, 'WorkStarted', { tier: 'L1', agent: { id: 'ada' } }],
    [10, 'TicketPutOnHold', { reason: 'customer', note: 'n' }],
    [570, 'TicketResumed', {}],
    [575, 'TicketAssigned', { tier: 'L1', assignee: { id: 'bob' } }],
    [580, 'TicketResolved', { tier: 'L1', category: 'network' }],
  ];
  const onTime = told.map(([minute, type, data]) => person(minute, type, data, minute));
  const late = told.map(([minute, type, data], index) => person(minute, type, data, 601 + index));
  const ofRecord = ['updatedAt', 'position', 'revision', 'revisions'] as const;
  const factsOf = (...life: Parameters<typeof given>[1]) => {
    const { document } = given(ticketViews, [opening, ...life]);
    return [document(ticketFacts), document(ticketDetails)].map((shown) => ({
      ...shown,
      ...Object.fromEntries(ofRecord.map((key) => [key, undefined])),
    }));
  };

  it('is in no figure: stays, hand-offs, holds and times are those of a life recorded on time', () => {
    expect(factsOf(handedOn, ...late)).toEqual(factsOf(...onTime));
    const reopened = (recorded: number) => person(590, 'TicketReopened', { reason: 'again', tier: 'L1', cycle: 2 }, recorded);
    const again = (recorded: number) => person(595, 'TicketResolved', { tier: 'L1', category: 'network' }, recorded);
    expect(factsOf(handedOn, ...late, reopened(610), again(611))).toEqual(factsOf(...onTime, reopened(590), again(595)));
  });

  it('counts while it is open, with what was told late before it', () => {
    const [facts] = factsOf(handedOn, ...late.slice(0, 2), note(3, 605), ...late.slice(2, 4));
    expect(facts).toMatchObject({
      stays: [
        { tier: 'L1', from: at(0), to: at(600) },
        { tier: 'L2', from: at(600) },
      ],
      holds: [{ reason: 'customer', from: at(10), to: at(570) }],
      escalations: 1,
      times: [
        { tier: 'L1', state: 'waiting', millis: 30 * 60_000 },
        { tier: 'L1', state: 'working', millis: 10 * 60_000 },
        { tier: 'L1', state: 'on-hold', millis: 560 * 60_000 },
      ],
    });
  });
});
