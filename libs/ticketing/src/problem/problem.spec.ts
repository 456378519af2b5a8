import { type Instant, instantFrom } from '#eventsourcing';
import { scenariosOf, type Sent } from '../../../eventsourcing/src/testing/given.js';
import type { TicketState } from '../events/ticket.js';
import { problem, type RecordRecurrence } from './problem.js';

const id = '00000000-0000-4000-8000-0000000000b1';
const given = scenariosOf(problem, { id, actor: { id: 'ada', kind: 'agent' }, start: 0, step: 60_000 });
const opened = ['OpenProblem', { client: 'northwind', title: 'Printers stop', category: 'hardware/printer' }] as const;
const link = (ticketId: string) => ['LinkTicketToProblem', { ticketId }] as const;
const workaround = ['RecordWorkaround', { workaround: 'Restart the spooler' }] as const;
const rootCause = ['RecordRootCause', { rootCause: 'The driver leaks handles' }] as const;
const change = { description: 'Driver 4.2', change: 'CHG-1042', before: 'Driver 4.1', after: 'Driver 4.2' };
const fix = ['RecordFix', change] as const;
const closed: readonly Sent<typeof problem>[] = [opened, link('a'), link('b'), link('c'), rootCause, fix, ['CloseProblem', {}]];
const reason = 'The same fault under driver 4.2';
const ofClient = (client: string) => ({ client }) as NonNullable<TicketState>;

describe('a problem', () => {
  it('is opened once', () => {
    expect(
      given()
        .when(...opened)
        .events(),
    ).toEqual([
      { type: 'ProblemOpened', data: { problemId: id, client: 'northwind', title: 'Printers stop', category: 'hardware/printer' } },
    ]);
    expect(
      given(opened)
        .when(...opened)
        .refusal().refused,
    ).toBe('problem-exists');
    expect(given(opened).state).toMatchObject({ status: 'open', tickets: [], openedBy: { id: 'ada' }, openedAt: instantFrom(60_000) });
  });

  it('takes tickets of its own client, each once', () => {
    const linking = (ticket: TicketState) => given(opened).when('LinkTicketToProblem', { ticketId: 'a' }, 0, ticket);
    expect(linking(ofClient('northwind')).events()).toEqual([{ type: 'TicketLinkedToProblem', data: { ticketId: 'a' } }]);
    expect(linking(ofClient('contoso')).refusal()).toMatchObject({ refused: 'other-client', faults: [{ field: 'ticketId' }] });
    expect(linking(null).refusal()).toMatchObject({ refused: 'other-ticket-not-found', faults: [{ field: 'ticketId' }] });
    expect(
      given(opened, link('a'))
        .when(...link('a'))
        .events(),
    ).toEqual([]);
  });

  it('lets go of a ticket that it did not cause, and stays quiet about one that it does not have', () => {
    const unlink = ['UnlinkTicketFromProblem', { ticketId: 'a', reason: 'The cable was cut' }] as const;
    expect(given(opened, link('a'), link('b'), unlink).state?.tickets).toEqual(['b']);
    expect(
      given(opened)
        .when(...unlink)
        .events(),
    ).toEqual([]);
  });

  it('is a known error once there is a workaround, which can be recorded again', () => {
    expect(given(opened, workaround).state).toMatchObject({ status: 'known-error', workaround: 'Restart the spooler' });
    expect(
      given(opened, workaround)
        .when(...workaround)
        .events(),
    ).toEqual([]);
    const better = { workaround: 'Print from the web' };
    expect(given(opened, workaround).when('RecordWorkaround', better).events()).toEqual([
      { type: 'ProblemWorkaroundRecorded', data: better },
    ]);
  });

  it('keeps questions and answers in order, until they are recorded anew', () => {
    const whys = [
      { why: 'Why?', because: 'Handles', evidence: ['spooler.log'] },
      { why: 'Why handles?', because: 'Driver' },
    ];
    const recorded = ['RecordFiveWhys', { whys }] as const;
    expect(
      given(opened)
        .when(...recorded)
        .events(),
    ).toEqual([{ type: 'ProblemFiveWhysRecorded', data: { whys } }]);
    expect(
      given(opened, recorded)
        .when(...recorded)
        .events(),
    ).toEqual([]);
    expect(given(opened, recorded, ['RecordFiveWhys', { whys: whys.slice(1) }]).state?.whys).toEqual(whys.slice(1));
    const faults = [{ field: 'whys[0].evidence[0]', message: 'must name a ticket' }];
    expect(given(opened).when('RecordFiveWhys', { whys }, 0, faults).refusal()).toMatchObject({ refused: 'evidence-not-found', faults });
  });

  it('is fixed by a change that removes a recorded root cause', () => {
    const refused = { refused: 'problem-incomplete', faults: [{ field: 'rootCause', message: 'must be recorded first' }] };
    expect(
      given(opened)
        .when(...fix)
        .refusal(),
    ).toMatchObject(refused);
    expect(
      given(opened, rootCause)
        .when(...rootCause)
        .events(),
    ).toEqual([]);
    expect(
      given(opened, rootCause)
        .when(...fix)
        .events(),
    ).toEqual([{ type: 'ProblemFixRecorded', data: change }]);
    expect(
      given(opened, rootCause, fix)
        .when(...fix)
        .events(),
    ).toEqual([]);
    expect(given(opened, rootCause, fix, workaround).state?.status).toBe('fixed');
  });

  it('says when it is closed how many tickets the fix would have prevented, and how they were counted', () => {
    const prevented = (...tickets: readonly string[]) =>
      given(opened, ...tickets.map(link), rootCause, fix)
        .when('CloseProblem', { note: 'Done' })
        .events();
    const closing = (tickets: number) => [
      { type: 'ProblemClosed', data: { prevented: { tickets, countedAs: 'linked-after-the-first' }, note: 'Done' } },
    ];
    expect(prevented()).toEqual(closing(0));
    expect(prevented('a')).toEqual(closing(0));
    expect(prevented('a', 'b', 'c')).toEqual(closing(2));
    expect(
      given(...closed)
        .when('CloseProblem', {})
        .events(),
    ).toEqual([]);
  });

  it('is closed only with a root cause and a fix', () => {
    const missing = (...commands: readonly Sent<typeof problem>[]) =>
      given(opened, ...commands)
        .when('CloseProblem', {})
        .refusal()
        .faults?.map(({ field }) => field);
    expect(missing()).toEqual(['rootCause', 'fix']);
    expect(missing(rootCause)).toEqual(['fix']);
  });

  it.each([
    ['LinkTicketToProblem', { ticketId: 'd' }],
    ['UnlinkTicketFromProblem', { ticketId: 'a' }],
    ['RecordWorkaround', { workaround: 'x' }],
    ['RecordRootCause', { rootCause: 'x' }],
    ['RecordFiveWhys', { whys: [{ why: 'x', because: 'x' }] }],
    ['RecordFix', { description: 'x', change: 'x' }],
  ] as const)('takes no %s once it is closed, until it is reopened', (name, command) => {
    expect(
      given(...closed)
        .when(name, command as never)
        .refusal().refused,
    ).toBe('problem-closed');
    expect(
      given(...closed, ['ReopenProblem', { reason }])
        .when(name, command as never)
        .events(),
    ).toHaveLength(1);
  });

  it('is reopened when its fix did not hold: the fix is kept as one that failed', () => {
    const reopened = given(...closed, ['ReopenProblem', { reason }]);
    expect(reopened.state).toMatchObject({ status: 'open', failedFixes: [change], rootCause: 'The driver leaks handles' });
    for (const gone of ['fix', 'prevented', 'closedAt']) expect(reopened.state).not.toHaveProperty(gone);
    expect(reopened.when('ReopenProblem', { reason }).events()).toEqual([]);
    expect(given(opened, workaround, rootCause, fix, ['ReopenProblem', { reason }]).state?.status).toBe('known-error');
  });

  it('accepts a similar ticket; one opened after its fix shows that the fix did not hold', () => {
    const [before, after] = [instantFrom(0), instantFrom(3_600_000)];
    const recurs = (ticketId: string, openedAt: Instant) => ['RecordRecurrence', { ticketId, openedAt }] as const;
    const linked = [{ type: 'TicketLinkedToProblem', data: { ticketId: 'd' } }];
    const events = (...[sent, last]: [readonly Sent<typeof problem>[], readonly ['RecordRecurrence', RecordRecurrence]]) =>
      given(...sent)
        .when(...last)
        .events();
    expect(events([opened], recurs('d', before))).toEqual(linked);
    expect(events([opened, link('d')], recurs('d', after))).toEqual([]);
    expect(events([opened, rootCause, fix], recurs('d', before))).toEqual(linked);
    const reopened = { reason: 'A similar ticket was opened after the fix', ticketId: 'd' };
    expect(events(closed, recurs('d', after))).toEqual([{ type: 'ProblemReopened', data: reopened }, ...linked]);
    expect(
      given(...closed)
        .when(...recurs('d', before))
        .refusal().refused,
    ).toBe('problem-closed');
    expect(given(...closed, recurs('d', after)).state).toMatchObject({
      status: 'open',
      failedFixes: [change],
      tickets: ['a', 'b', 'c', 'd'],
    });
  });

  it.each(
    Object.keys(problem.commands).filter((name) => problem.commands[name as 'OpenProblem'].route !== undefined && name !== 'OpenProblem'),
  )('that never was takes no %s', (name) => {
    expect(
      given()
        .when(name as 'CloseProblem', {})
        .refusal().refused,
    ).toBe('problem-not-found');
  });
});
