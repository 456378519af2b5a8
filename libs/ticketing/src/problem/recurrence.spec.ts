import { deterministicId, instantFrom } from '#eventsourcing';
import { scenariosOf, type Sent } from '../../../eventsourcing/src/testing/given.js';
import { completeHandOff } from '../testing/random-commands.js';
import { at, Life, pin } from '../testing/ticket-life.js';
import { DAY, HOUR } from '../contract/contract.js';
import { recurrence, recurrenceId } from './recurrence.js';

const fingerprint = { client: 'northwind', service: 'printing', category: 'hardware/printer' };
const terms = { tickets: 3, within: 7 * DAY };
const given = scenariosOf(recurrence, { id: recurrenceId(fingerprint), actor: { id: 'policy:p', kind: 'system' }, start: 0, step: HOUR });
const day = (days: number) => instantFrom(days * DAY);
const count = (ticketId: string, days: number, more: object = {}) =>
  ['CountTicket', { fingerprint, ticketId, openedAt: day(days), terms: { ...terms, ...more } }] as const;
const fixed = (tier: 'L2' | 'L3', days: number) =>
  ['RememberFix', { fingerprint, fix: { ticketId: 'x', tier, fixedAt: day(days), rootCause: tier === 'L3' } }] as const;
const problemId = deterministicId('problem', 'command');

describe('a recurrence', () => {
  it('is of one client, service, component and category', () => {
    const others = [{ client: 'contoso' }, { service: 'mail' }, { component: 'FIN-2' }, { category: 'hardware' }];
    expect(new Set([{}, ...others].map((other) => recurrenceId({ ...fingerprint, ...other }))).size).toBe(5);
  });

  it("is detected with the ticket that reaches the contract's number within its window", () => {
    const [, detected] = given(count('a', 1), count('b', 3))
      .when(...count('c', 8))
      .events();
    const title = 'Recurring: hardware/printer (printing)';
    expect(detected).toEqual({ type: 'RecurrenceDetected', data: { problemId, tickets: ['a', 'b', 'c'], within: 7 * DAY, title } });
  });

  it.each([
    ['too few', [count('a', 1)], count('b', 2)],
    ['some too long ago', [count('a', 1), count('b', 3)], count('c', 9)],
    ['one counted twice', [count('a', 1), count('b', 1)], count('b', 1)],
    ['one discounted', [count('a', 1), count('b', 1), ['DiscountTicket', { ticketId: 'b' }]], count('c', 1)],
    ['a problem that is followed already', [count('a', 1), count('b', 1), ['FollowProblem', { fingerprint, problemId }]], count('c', 1)],
  ] as const)('is not detected in %s', (_, before, last) => {
    const sent: readonly Sent<typeof recurrence>[] = before;
    const types = given(...sent)
      .when(...last)
      .events()
      .map(({ type }) => type);
    expect(types).not.toContain('RecurrenceDetected');
  });

  it('is detected in whatever order tickets are reported', () => {
    const [, detected] = given(count('c', 8), count('d', 16), count('b', 3))
      .when(...count('a', 1))
      .events();
    expect(detected?.data).toMatchObject({ tickets: ['a', 'b', 'c'] });
  });

  it('refers to the latest fix before it, for as long as the contract says', () => {
    const recursFrom = (days: number, more?: object) =>
      given(fixed('L3', 1), fixed('L2', 2))
        .when(...count('a', days, more))
        .events()[0]?.data;
    expect(recursFrom(3)).toMatchObject({ recursFrom: { ticketId: 'x', tier: 'L2', fixedAt: day(2), rootCause: false } });
    expect(recursFrom(1.5)).toMatchObject({ recursFrom: { tier: 'L3', rootCause: true } });
    for (const nothing of [recursFrom(0.5), recursFrom(100), recursFrom(4, { recursWithin: DAY })])
      expect(nothing).not.toHaveProperty('recursFrom');
  });

  it('keeps the latest fix of a tier, and the first problem', () => {
    const followed = given(fixed('L2', 2), ['FollowProblem', { fingerprint, problemId }]);
    expect(followed.when(...fixed('L2', 1)).events()).toEqual([]);
    expect(followed.when('FollowProblem', { fingerprint, problemId: 'another' }).events()).toEqual([]);
    expect(followed.when('DiscountTicket', { ticketId: 'never' }).events()).toEqual([]);
  });
});

describe('a ticket that recurs', () => {
  const fix = { ticketId: deterministicId('spec', 'fixed'), tier: 'L2', fixedAt: at(-100), rootCause: false } as const;

  it('says so once, and goes straight to L3 from L1 where L2 has fixed it before', () => {
    const life = new Life(pin(1, {})).open();
    const skip = () => life.do(2, 'EscalateToTier', { tier: 'L3', reason: 'r', handoff: completeHandOff });
    expect(skip).toThrow('tier-skipped');
    expect(life.do(1, 'RecognizeRecurrence', { fix })).toEqual([{ type: 'TicketRecurred', data: fix }]);
    expect(life.do(1, 'RecognizeRecurrence', { fix: { ...fix, tier: 'L3' } })).toEqual([]);
    expect(skip()).toMatchObject([{ type: 'TicketEscalated', data: { from: 'L1', to: 'L3', skipped: 'recurrence' } }]);
  });

  it.each([
    ['came after the fix of its problem', at(-1), true],
    ['was there before the fix of its problem', at(1), false],
    ['is of a problem that was never fixed', undefined, false],
  ])('%s: whether it goes straight to L3', (_, fixedAt, goes) => {
    const life = new Life(pin(1, {})).open();
    const problem = { problemId: fix.ticketId, title: 'Printers stop', status: 'open' as const, ...(fixedAt && { fixedAt }) };
    expect(life.do(2, 'TellOfProblem', { problem })).toEqual([{ type: 'TicketToldOfProblem', data: problem }]);
    const skip = () => life.do(3, 'EscalateToTier', { tier: 'L3', reason: 'r', handoff: completeHandOff });
    if (goes) expect(skip()).toMatchObject([{ data: { from: 'L1', to: 'L3', skipped: 'recurrence' } }]);
    else expect(skip).toThrow('tier-skipped');
  });

  it('is told of its problem: linked, how it goes on, unlinked; once done with only whether it is linked', () => {
    const life = new Life(pin(1, {})).open();
    const problem = { problemId: fix.ticketId, title: 'Printers stop', status: 'open' as const };
    const known = { ...problem, status: 'known-error' as const, workaround: 'Restart' };
    const told = (minutes: number, what: typeof problem | typeof known | { status: 'unlinked' }) =>
      life.do(minutes, 'TellOfProblem', { problem: { ...problem, ...what } }).length;
    expect([told(1, { status: 'unlinked' }), told(1, problem), told(2, problem), told(3, known)]).toEqual([0, 1, 0, 1]);
    expect(life.state?.problems).toEqual([known]);
    life.do(4, 'ResolveTicket', { category: 'hardware', article: 'KB-1' });
    expect([told(5, problem), told(6, { status: 'unlinked' })]).toEqual([0, 1]);
    expect(life.state).not.toHaveProperty('problems');
  });

  it('is told of with what it was about before, when triage finds another category', () => {
    const life = new Life(pin(1, {})).open('low', { category: 'mail', service: 'exchange' });
    expect(life.do(1, 'TriageTicket', { category: 'mail' })).toEqual([]);
    expect(life.do(2, 'TriageTicket', { category: 'network' })).toMatchObject([
      { data: { category: 'network', before: { category: 'mail', service: 'exchange' } } },
    ]);
    expect(life.do(3, 'TriageTicket', { category: 'network', urgency: 'high' })[0]?.data).not.toHaveProperty('before');
    expect(life.state).not.toHaveProperty('before');
  });
});
