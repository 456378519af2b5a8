import type { EventOf } from '#eventsourcing';
import { instantFrom } from '#eventsourcing';
import fc from 'fast-check';
import { defaultContract, HOUR, MINUTE } from './contract.js';
import { clockAt, evolveClocks, type SlaClock, type SlaClocks } from './sla-clock.js';
import type { TicketEvents } from './ticket-events.js';
import type { HoldReason, Priority } from './vocabulary.js';

const start = Date.parse('2026-11-21T10:00:00.000Z');
const at = (offset: number) => instantFrom(start + offset);

type Happened = readonly [number, EventOf<TicketEvents>];

const opened = (priority: Priority = 'medium'): Happened => [
  0,
  { type: 'TicketOpened', data: { priority } as TicketEvents['TicketOpened'] },
];
const work = (when: number): Happened => [when, { type: 'WorkStarted', data: { tier: 'L1', agent: { id: 'ada' } } }];
const hold = (when: number, reason: HoldReason = 'customer'): Happened => [when, { type: 'TicketPutOnHold', data: { reason, note: '' } }];
const resume = (when: number): Happened => [when, { type: 'TicketResumed', data: { after: 'customer' } }];
const resolve = (when: number): Happened => [when, { type: 'TicketResolved', data: { tier: 'L1' } }];
const triage = (when: number, priority: Priority): Happened => [
  when,
  { type: 'TicketTriaged', data: { priority } as TicketEvents['TicketTriaged'] },
];
const reopen = (when: number): Happened => [when, { type: 'TicketReopened', data: { reason: '', tier: 'L1', cycle: 2 } }];
const cancel = (when: number): Happened => [when, { type: 'TicketCancelled', data: { reason: '' } }];
const escalate = (when: number): Happened => [when, { type: 'TicketEscalated', data: {} as TicketEvents['TicketEscalated'] }];

function clocks(...happened: readonly Happened[]): SlaClocks {
  let sla: SlaClocks | null = null;
  for (const [when, event] of happened) sla = evolveClocks(defaultContract, sla, { ...event, metadata: { effectiveAt: at(when) } });
  if (sla === null) throw new Error('no clocks');
  return sla;
}

function clock(kind: SlaClock['kind'], ...happened: readonly Happened[]): SlaClock {
  const found = clocks(...happened).clocks.findLast((one) => one.kind === kind);
  if (found === undefined) throw new Error(`no ${kind} clock`);
  return found;
}

describe('the clocks of a ticket', () => {
  it('start when it is opened, with the targets of its priority', () => {
    expect(clocks(opened('high')).clocks).toMatchObject([
      { kind: 'response', state: 'running', target: 15 * MINUTE, dueAt: at(15 * MINUTE) },
      { kind: 'resolution', state: 'running', target: 8 * HOUR, dueAt: at(8 * HOUR) },
    ]);
  });

  it('answer the response by the first work, once in a life', () => {
    expect(clock('response', opened(), work(10 * MINUTE))).toMatchObject({
      state: 'met',
      elapsed: 10 * MINUTE,
      stoppedAt: at(10 * MINUTE),
    });
    expect(clocks(opened(), work(MINUTE), resolve(HOUR), reopen(2 * HOUR)).clocks.filter(({ kind }) => kind === 'response')).toHaveLength(
      1,
    );
  });

  it('are met at the very due instant, and breached a millisecond later', () => {
    expect(clock('resolution', opened(), resolve(24 * HOUR)).state).toBe('met');
    expect(clock('resolution', opened(), resolve(24 * HOUR + 1))).toMatchObject({ state: 'breached', breachedAt: at(24 * HOUR) });
  });

  it('stand still on hold for the customer, and are due later by as much', () => {
    expect(clock('resolution', opened(), hold(HOUR))).toMatchObject({ state: 'paused', elapsed: HOUR });
    expect(clock('resolution', opened(), hold(HOUR)).dueAt).toBeUndefined();
    expect(clock('resolution', opened(), hold(HOUR), resume(4 * HOUR))).toMatchObject({
      state: 'running',
      dueAt: at(27 * HOUR),
      pauses: [{ from: at(HOUR), to: at(4 * HOUR) }],
    });
  });

  it('run on while a vendor is waited for', () => {
    expect(clock('resolution', opened(), hold(HOUR, 'vendor'))).toMatchObject({ state: 'running', dueAt: at(24 * HOUR) });
  });

  it('do not restart a pause by a second one', () => {
    expect(clock('resolution', opened(), hold(HOUR), hold(2 * HOUR), resume(3 * HOUR))).toMatchObject({
      dueAt: at(26 * HOUR),
      pauses: [{ from: at(HOUR), to: at(3 * HOUR) }],
    });
  });

  it('carry elapsed time over when the priority changes', () => {
    // critical 4 h made high 8 h after 1 h: due 8 h after the start, as if it had always been high.
    expect(clock('resolution', opened('critical'), triage(HOUR, 'high'))).toMatchObject({
      target: 8 * HOUR,
      elapsed: HOUR,
      dueAt: at(8 * HOUR),
    });
  });

  it('keep a pause when the priority changes', () => {
    const changed = clock('resolution', opened(), hold(HOUR), triage(2 * HOUR, 'critical'));
    expect(changed).toMatchObject({ state: 'paused', target: 4 * HOUR, elapsed: HOUR });
    expect(clock('resolution', opened(), hold(HOUR), triage(2 * HOUR, 'critical'), resume(3 * HOUR))).toMatchObject({
      state: 'running',
      dueAt: at(6 * HOUR),
    });
  });

  it('are breached by reclassification at the instant of it, and never unbreached', () => {
    expect(clock('resolution', opened(), triage(5 * HOUR, 'critical')).breachedAt).toBe(at(5 * HOUR));
    expect(clock('resolution', opened(), triage(5 * HOUR, 'critical'), triage(6 * HOUR, 'low'), resolve(7 * HOUR))).toMatchObject({
      state: 'breached',
      breachedAt: at(5 * HOUR),
    });
  });

  it('keep a breach that happened before a pause', () => {
    expect(clock('resolution', opened('critical'), hold(5 * HOUR), resolve(6 * HOUR))).toMatchObject({
      state: 'breached',
      breachedAt: at(4 * HOUR),
      elapsed: 5 * HOUR,
    });
  });

  it('run on over a change of tier', () => {
    expect(clock('resolution', opened(), escalate(HOUR))).toMatchObject({ state: 'running', dueAt: at(24 * HOUR) });
  });

  it('begin a new cycle on reopening, not overdue, and keep the earlier verdict', () => {
    expect(
      clocks(opened('critical'), resolve(5 * HOUR), reopen(100 * HOUR)).clocks.filter(({ kind }) => kind === 'resolution'),
    ).toMatchObject([
      { cycle: 1, state: 'breached' },
      { cycle: 2, state: 'running', elapsed: 0, dueAt: at(104 * HOUR) },
    ]);
  });

  it('are cancelled with the ticket', () => {
    expect(clocks(opened(), cancel(HOUR)).clocks.map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
  });

  it('are seen as breached once overdue, before any event says so', () => {
    const running = clock('resolution', opened());
    expect(clockAt(running, at(24 * HOUR)).breachedAt).toBeUndefined();
    expect(clockAt(running, at(24 * HOUR + 1)).breachedAt).toBe(at(24 * HOUR));
  });
});

describe('the resolution clock, against a model that counts each minute', () => {
  const step = fc.record({
    after: fc.integer({ min: 1, max: 600 }),
    what: fc.constantFrom('hold', 'vendor-hold', 'resume', 'critical', 'high', 'medium', 'low'),
  });

  it('has the same elapsed time and the same verdict', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), fc.integer({ min: 1, max: 3000 }), (steps, last) => {
        const happened: Happened[] = [opened()];
        const minutes: { minute: number; what: string }[] = [];
        let minute = 0;
        for (const { after, what } of steps) {
          minute += after;
          minutes.push({ minute, what });
          const when = minute * MINUTE;
          happened.push(
            what === 'hold'
              ? hold(when)
              : what === 'vendor-hold'
                ? hold(when, 'vendor')
                : what === 'resume'
                  ? resume(when)
                  : triage(when, what as Priority),
          );
        }
        const end = minute + last;
        happened.push(resolve(end * MINUTE));

        let elapsed = 0;
        let paused = false;
        let breached = false;
        let target = defaultContract.targets.medium.resolution / MINUTE;
        for (let now = 0; now < end; now++) {
          for (const { minute: when, what } of minutes) {
            if (when !== now) continue;
            if (what === 'hold') paused = true;
            else if (what === 'resume') paused = false;
            else if (what !== 'vendor-hold') target = defaultContract.targets[what as Priority].resolution / MINUTE;
          }
          if (elapsed > target) breached = true;
          if (!paused) elapsed++;
          if (elapsed > target) breached = true;
        }
        const result = clock('resolution', ...happened);
        expect(result.elapsed).toBe(elapsed * MINUTE);
        expect(result.state).toBe(breached ? 'breached' : 'met');
      }),
    );
  });
});
