import { epochMillis, instantFrom } from '#eventsourcing';
import fc from 'fast-check';
import { scenariosOf, type Sent } from '../../../eventsourcing/src/testing/given.js';
import { DAY, HOUR } from '../contract/contract.js';
import { nextReminder } from './preventive-actions.js';
import { problem } from './problem.js';

const id = '00000000-0000-4000-8000-0000000000b1';
const given = scenariosOf(problem, { id, actor: { id: 'ada', kind: 'agent' }, start: 0, step: HOUR });
const opened = ['OpenProblem', { client: 'northwind', title: 'Printers stop' }] as const;
const day = (days: number) => instantFrom(days * DAY);
const owner = { id: 'grace' };
const plan = (action: string, days: number, more: object = {}) =>
  ['PlanPreventiveAction', { action, description: 'Stage updates', owner, dueAt: day(days), ...more }] as const;
const done = ['CompletePreventiveAction', { action: 'PA-1', outcome: 'Staged' }] as const;
const cancelled = ['CancelPreventiveAction', { action: 'PA-1', reason: 'Replaced' }] as const;
const remind = (atDay: number) => ['RemindOfActions', {}, atDay * DAY] as const;
const before: readonly Sent<typeof problem>[] = [opened, plan('PA-1', 10)];

describe('a preventive action', () => {
  it('is planned, and planned anew under its name, also of a problem that is closed', () => {
    expect(
      given(opened)
        .when(...plan('PA-1', 10))
        .events(),
    ).toEqual([{ type: 'ProblemActionPlanned', data: plan('PA-1', 10)[1] }]);
    expect(
      given(...before)
        .when(...plan('PA-1', 10))
        .events(),
    ).toEqual([]);
    const later = given(...before, plan('PA-2', 5), plan('PA-1', 20, { owner: { id: 'ada' } })).state;
    expect(later).toMatchObject({
      actions: [{ action: 'PA-1', dueAt: day(20), owner: { id: 'ada' } }, { action: 'PA-2' }],
      nextActionDueAt: day(5),
    });
    const closed: readonly Sent<typeof problem>[] = [
      opened,
      ['RecordRootCause', { rootCause: 'r' }],
      ['RecordFix', { description: 'd', change: 'c' }],
      ['CloseProblem', {}],
      plan('PA-1', 10),
    ];
    expect(given(...closed).state).toMatchObject({ status: 'closed', actions: [{ state: 'planned' }] });
  });

  it('ends once, as done with its change or as cancelled; what has ended is due no more', () => {
    const change = { change: 'CHG-1', before: 'All at once', after: 'Three rings' };
    const staged = ['CompletePreventiveAction', { action: 'PA-1', outcome: 'Staged', ...change }] as const;
    expect(
      given(...before)
        .when(...staged)
        .events(),
    ).toEqual([{ type: 'ProblemActionDone', data: { action: 'PA-1', outcome: 'Staged', change: { description: 'Staged', ...change } } }]);
    const ended = given(...before, staged);
    expect(ended.state).toMatchObject({ actions: [{ state: 'done', outcome: 'Staged', endedAt: expect.any(String) }] });
    for (const gone of ['nextActionDueAt', 'nextReminderAt']) expect(ended.state).not.toHaveProperty(gone);
    expect(ended.when(...done).events()).toEqual([]);
    expect(ended.when(...cancelled).refusal().refused).toBe('action-ended');
    expect(ended.when(...plan('PA-1', 12)).refusal().refused).toBe('action-ended');
    expect(
      given(...before, cancelled)
        .when(...cancelled)
        .events(),
    ).toEqual([]);
    expect(given(...before, cancelled).state?.actions).toMatchObject([{ state: 'cancelled', outcome: 'Replaced' }]);
  });

  it('that is not there, or a change that has no name, is refused', () => {
    expect(
      given(opened)
        .when(...done)
        .refusal().refused,
    ).toBe('action-not-found');
    const nameless = { action: 'PA-1', outcome: 'Staged', before: 'All at once' };
    expect(
      given(...before)
        .when('CompletePreventiveAction', nameless)
        .refusal(),
    ).toMatchObject({ refused: 'change-missing', faults: [{ field: 'change' }] });
    const many = Array.from({ length: 100 }, (_, n) => plan(`PA-${n}`, 1));
    expect(
      given(opened, ...many)
        .when(...plan('PA-100', 1))
        .refusal().refused,
    ).toBe('too-many-actions');
  });

  it('reminds of an action a day before it is due, when it is due, and weekly from then on; once after downtime', () => {
    const overdueAt = (...days: readonly number[]) => {
      const sent: Sent<typeof problem>[] = [...before];
      return days.flatMap((atDay) => {
        const events = given(...sent)
          .when(...remind(atDay))
          .events();
        sent.push(remind(atDay));
        return events.map(({ data }) => [atDay, (data as { overdue: boolean }).overdue]);
      });
    };
    expect(overdueAt(1, 8.9, 9, 9.5, 10, 11, 16.9, 17, 40, 41, 45)).toEqual([
      [9, false],
      [10, true],
      [17, true],
      [40, true],
      [45, true],
    ]);
    expect(
      given(...before, done)
        .when(...remind(40))
        .events(),
    ).toEqual([]);
    expect(
      given(opened, plan('PA-1', -1))
        .when(...remind(1))
        .events(),
    ).toMatchObject([{ data: { overdue: true } }]);
  });

  it('has the next reminder always ahead, never more than a week away once it is nearly due', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 * DAY }), fc.integer({ min: 0, max: 200 * DAY }), (due, after) => {
        const next = epochMillis(nextReminder(instantFrom(due), instantFrom(after)));
        const reminders = [due - DAY, ...Array.from({ length: 40 }, (_, week) => due + week * 7 * DAY)];
        expect(next).toBe(reminders.find((at) => at > after));
      }),
    );
  });

  it('tells its owner where they are reached, and keeps what became of each message', () => {
    const reach = { grace: [{ by: 'email' as const }, { by: 'chat' as const, channel: 'noc' }] };
    const sent = [...before, ['RemindOfActions', {}, 9 * DAY, reach] as const];
    const { messages = [] } = given(...sent).state?.actions[0]?.reminded ?? {};
    expect(messages).toMatchObject([
      { by: 'email', state: 'on-its-way', target: { kind: 'person', person: owner } },
      { by: 'chat', channel: 'noc', state: 'on-its-way' },
    ]);
    const told = (notification: string, failed?: { readonly because: 'refused'; readonly detail: string }) =>
      ['RecordReminder', { notification, attempts: 2, ...(failed && { failed }) }] as const;
    const [email = '', chat = ''] = messages.map((one) => one.id);
    const settled = given(...sent, told(email), told(chat, { because: 'refused', detail: '404' }));
    expect(settled.state?.actions[0]?.reminded?.messages).toMatchObject([{ state: 'delivered' }, { state: 'failed', because: 'refused' }]);
    expect(settled.when(...told(email)).events()).toEqual([]);
    const walled = given(...before).when('RemindOfActions', {}, 9 * DAY, { grace: 'not-of-client' });
    expect(walled.events()).toEqual([{ type: 'ProblemActionReminded', data: { action: 'PA-1', owner, dueAt: day(10), overdue: false } }]);
  });
});
