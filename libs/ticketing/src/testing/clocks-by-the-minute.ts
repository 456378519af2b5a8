import type { EventOf } from '#eventsourcing';
import fc from 'fast-check';
import { type Contract, defaultContract, type Target } from '../contract/contract.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { HOLD_REASONS, type HoldReason, PRIORITIES, type Priority, type Tier } from '../vocabulary.js';
import { type CalendarAndTime, isOpen, randomCalendar, wallClock } from './random-calendars.js';

/** Random lives of tickets under random contracts, with the clocks as someone with a stopwatch for each would keep them. */

const MINUTE = 60_000;
const TIERS = ['L1', 'L2', 'L3'] as const;
type DeskTier = (typeof TIERS)[number];

export type Happened = readonly [at: number, event: EventOf<TicketEvents>];

export interface Life {
  readonly contract: Contract;
  readonly happened: readonly Happened[];
  /** When the stopwatches are read. */
  readonly end: number;
}

const target: fc.Arbitrary<Target> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 1500 }).map((minutes) => minutes * MINUTE) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 90_000_000 }) },
  { weight: 1, arbitrary: fc.record({ businessDays: fc.integer({ min: 1, max: 2 }) }) },
);
const forEach = <Key extends string, Value>(keys: readonly Key[], value: fc.Arbitrary<Value>): fc.Arbitrary<Record<Key, Value>> =>
  fc
    .tuple(...keys.map(() => value))
    .map((values) => Object.fromEntries(keys.map((key, index) => [key, values[index]])) as Record<Key, Value>);
const tierTarget = fc.record({ accept: target, work: target }, { requiredKeys: [] });

const randomContract = ({ calendar }: CalendarAndTime): fc.Arbitrary<Contract> =>
  fc
    .record({
      targets: forEach(PRIORITIES, fc.record({ response: target, resolution: target })),
      tierTargets: fc.option(
        forEach(
          TIERS,
          // A tier has the same kinds of promise for every priority: acceptance, work, or both.
          forEach(PRIORITIES, tierTarget),
        ),
        { nil: undefined },
      ),
      vendorTargets: fc.option(fc.record({ contoso: target, '*': target }, { requiredKeys: [] }), { nil: undefined }),
      thresholds: fc.constantFrom([50, 75, 90], [33, 80], []),
      pausedBy: fc.subarray([...HOLD_REASONS]),
      reopen: fc.constantFrom('new-cycle' as const, 'continue' as const),
    })
    .map((terms) => ({ ...defaultContract, ...terms, calendar }) as Contract);

interface Step {
  readonly after: number;
  readonly what: number;
  readonly detail: number;
}

/** A ticket's life as the decider would allow it, with times on whole minutes. */
function lifeOf(start: number, steps: readonly Step[]): readonly Happened[] {
  const happened: Happened[] = [];
  let at = start;
  const tell = <Type extends keyof TicketEvents>(type: Type, data: object) =>
    happened.push([at, { type, data } as unknown as EventOf<TicketEvents>]);
  let tier: DeskTier = 'L1';
  let sender: DeskTier = 'L1';
  let status = 'active' as 'active' | 'escalated' | 'resolved' | 'over';
  let hold: HoldReason | undefined;
  let cycle = 1;
  const up = () => TIERS[TIERS.indexOf(tier) + 1];
  const down = () => TIERS[TIERS.indexOf(tier) - 1];
  tell('TicketOpened', { priority: PRIORITIES[(steps[0]?.detail ?? 0) % 4], tier });
  for (const { after, what, detail } of steps) {
    at += after * MINUTE;
    const priority = PRIORITIES[detail % 4];
    const triage = () => tell('TicketTriaged', { priority });
    const resume = () => {
      tell('TicketResumed', { after: hold });
      hold = undefined;
    };
    const resolve = () => {
      // Imported histories resolve tickets on hold without resuming them; the product resumes them in the same append.
      if (hold !== undefined && detail % 2 === 0) resume();
      hold = undefined;
      tell(detail % 3 === 0 ? 'TicketResolvedWithRootCause' : 'TicketResolved', { tier });
      status = 'resolved';
    };
    const putOnHold = () => {
      hold = HOLD_REASONS[detail % 4];
      tell('TicketPutOnHold', { reason: hold, note: '' });
    };
    const work = () => tell('WorkStarted', { tier, agent: { id: 'ada' } });
    const escalate = () => {
      const to = up();
      if (to === undefined) return;
      tell('TicketEscalated', {
        from: tier,
        to,
        handOff: detail % 2 === 0 ? { vendor: { vendor: detail % 4 === 0 ? 'contoso' : 'acme' } } : {},
      });
      sender = tier;
      tier = to;
      status = 'escalated';
    };
    const deescalate = () => {
      const to = down();
      if (to === undefined) return;
      tell('TicketDeescalated', { from: tier, to });
      tier = to;
    };
    const accept = () => {
      tell('EscalationAccepted', { tier, agent: { id: 'bob' } });
      status = 'active';
    };
    const giveBack = () => {
      tell('EscalationReturned', { from: tier, to: sender });
      tier = sender;
      status = 'active';
    };
    const reopen = () => {
      cycle += 1;
      tell('TicketReopened', { tier, cycle });
      status = 'active';
    };
    const note = () => tell('DiagnosticStepRecorded', { tier });
    const cancel = () => {
      tell('TicketCancelled', {});
      status = 'over';
      hold = undefined;
    };
    const choices: (() => unknown)[] =
      status === 'over'
        ? [note]
        : status === 'resolved'
          ? [reopen, reopen, note]
          : hold !== undefined
            ? [resume, resume, triage, ...(status === 'escalated' ? [] : [resolve])]
            : status === 'escalated'
              ? [accept, accept, giveBack, triage, putOnHold]
              : [work, work, escalate, escalate, deescalate, putOnHold, putOnHold, triage, resolve, note];
    if (what === 0 && status !== 'over' && status !== 'resolved') cancel();
    else choices[what % choices.length]?.();
  }
  return happened;
}

const minutes = fc.oneof({ weight: 5, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(4000) });

/** A ticket's life under a contract, at a time when something happens in its calendar. */
export const randomLifeOfClocks: fc.Arbitrary<Life> = randomCalendar.chain((calendarAndTime) =>
  fc
    .record({
      contract: randomContract(calendarAndTime),
      first: fc.nat(2000),
      steps: fc.array(fc.record({ after: minutes, what: fc.nat(59), detail: fc.nat(11) }), { minLength: 1, maxLength: 14 }),
      last: minutes,
    })
    .map(({ contract, first, steps, last }) => {
      const happened = lifeOf(calendarAndTime.start + first * MINUTE, steps);
      return { contract, happened, end: (happened.at(-1)?.[0] ?? 0) + last * MINUTE };
    }),
);

/** One stopwatch. Times in milliseconds. */
export interface Stopwatch {
  readonly name: string;
  readonly kind: string;
  readonly tier?: Tier;
  readonly startedAt: number;
  readonly cycle: number;
  target: number;
  terms: number;
  elapsed: number;
  state: 'live' | 'met' | 'breached' | 'cancelled';
  /** A tier's work that is handed over but not yet accepted. */
  handedOverAt?: number;
  breachedAt?: number;
  stoppedAt?: number;
  told: [what: number | 'breach', terms: number, at: number][];
}

/** The stopwatches of a life, read in each of its minutes. */
export function stopwatches({ contract, happened, end }: Life): readonly Stopwatch[] {
  const { calendar, thresholds, pausedBy, reopen } = contract;
  const all: Stopwatch[] = [];
  let priority: Priority = 'low';
  let hold: HoldReason | undefined;
  let vendor: string | undefined;
  let now = happened[0]?.[0] ?? 0;

  const promised = (kind: string, tier?: Tier, of?: string): Target | undefined => {
    if (kind === 'response' || kind === 'resolution') return contract.targets[priority][kind];
    if (kind === 'vendor') return (of === undefined ? undefined : contract.vendorTargets?.[of]) ?? contract.vendorTargets?.['*'];
    return tier && contract.tierTargets?.[tier]?.[priority][kind === 'tier-accept' ? 'accept' : 'work'];
  };
  const inOpenTime = (target: Target, from: number): number => {
    if (typeof target === 'number') return target;
    const today = wallClock(calendar.zone, from).date;
    const seen = new Set<string>();
    let open = 0;
    let upToClosing = 0;
    for (let minute = from; minute < from + 40 * 1440 * MINUTE; minute += MINUTE) {
      const { date } = wallClock(calendar.zone, minute);
      if (!isOpen(calendar, minute)) continue;
      if (date > today) seen.add(date);
      if (seen.size > target.businessDays) break;
      open += MINUTE;
      if (date > today && seen.size === target.businessDays) upToClosing = open;
    }
    return upToClosing;
  };
  const live = (kind: string, tier?: Tier) =>
    all.find((one) => one.state === 'live' && one.kind === kind && (tier === undefined || one.tier === tier));
  const start = (kind: string, tier?: Tier, cycle?: number) => {
    const of = kind === 'vendor' ? vendor : undefined;
    const name = [kind, tier ?? of ?? ''].join(' ');
    const target = promised(kind, tier, of);
    if (target === undefined || all.some((one) => one.name === name && one.state === 'live')) return;
    const before = all.filter((one) => one.name === name);
    const earlier = before.at(-1);
    const goesOn = kind === 'resolution' && reopen === 'continue' ? earlier : undefined;
    all.push({
      name,
      kind,
      ...(tier === undefined ? {} : { tier }),
      startedAt: goesOn?.startedAt ?? now,
      cycle: cycle ?? before.length + 1,
      target: goesOn?.target ?? inOpenTime(target, now),
      terms: 1,
      elapsed: goesOn?.elapsed ?? 0,
      state: 'live',
      ...(goesOn?.breachedAt === undefined ? {} : { breachedAt: goesOn.breachedAt }),
      told: [],
    });
  };
  const stop = (one: Stopwatch | undefined) => {
    if (one === undefined) return;
    one.state = one.breachedAt === undefined ? 'met' : 'breached';
    one.stoppedAt = one.handedOverAt ?? now;
    delete one.handedOverAt;
  };
  const triaged = () => {
    for (const one of all) {
      const target = one.state === 'live' ? promised(one.kind, one.tier, one.name.split(' ')[1] || undefined) : undefined;
      const to = target === undefined ? one.target : inOpenTime(target, one.startedAt);
      if (to === one.target) continue;
      one.terms += 1;
      if (one.breachedAt === undefined) {
        const jumped = thresholds.filter((percent) => one.elapsed * 100 >= to * percent && one.elapsed * 100 < one.target * percent);
        if (one.elapsed > to) {
          one.breachedAt = now;
          one.told.push(['breach', one.terms, now]);
        } else if (jumped.length > 0) one.told.push([Math.max(...jumped), one.terms, now]);
      }
      one.target = to;
    }
  };

  const take = ([, event]: Happened) => {
    switch (event.type) {
      case 'TicketOpened':
        priority = event.data.priority;
        start('response');
        start('resolution', undefined, 1);
        return start('tier-accept', event.data.tier);
      case 'TicketTriaged':
        priority = event.data.priority;
        return triaged();
      case 'WorkStarted':
      case 'EscalationAccepted': {
        const { tier } = event.data;
        stop(live('response'));
        for (const one of all) if (one.state === 'live' && one.kind === 'tier-accept') stop(one);
        for (const one of all) if (one.state === 'live' && one.kind === 'tier-work' && one.tier !== tier) stop(one);
        return start('tier-work', tier);
      }
      case 'TicketEscalated': {
        const { from, to } = event.data;
        vendor = event.data.handOff.vendor?.vendor ?? vendor;
        stop(live('tier-accept'));
        const work = live('tier-work', from);
        if (work !== undefined) work.handedOverAt = now;
        return start('tier-accept', to);
      }
      case 'EscalationReturned': {
        const { to } = event.data;
        stop(live('tier-accept'));
        const work = live('tier-work', to);
        if (work === undefined) return start('tier-accept', to);
        delete work.handedOverAt;
        return;
      }
      case 'TicketDeescalated':
        stop(live('tier-accept'));
        stop(live('tier-work'));
        return start('tier-accept', event.data.to);
      case 'TicketPutOnHold':
        hold = event.data.reason;
        if (hold === 'vendor') start('vendor');
        return;
      case 'TicketResumed':
        hold = undefined;
        return stop(live('vendor'));
      case 'TicketResolved':
      case 'TicketResolvedWithRootCause':
        hold = undefined;
        for (const one of all) if (one.state === 'live') stop(one);
        return;
      case 'TicketReopened':
        start('resolution', undefined, event.data.cycle);
        triaged();
        return start('tier-accept', event.data.tier);
      case 'TicketCancelled':
        hold = undefined;
        for (const one of all) {
          if (one.state !== 'live') continue;
          one.state = one.breachedAt === undefined ? 'cancelled' : 'breached';
          one.stoppedAt = now;
          delete one.handedOverAt;
        }
        return;
      default:
        return;
    }
  };
  const runs = (one: Stopwatch): boolean => {
    if (one.state !== 'live') return false;
    if (one.kind === 'vendor') return true;
    if (one.handedOverAt !== undefined) return false;
    if (hold === undefined) return true;
    return !pausedBy.includes(hold) && !(hold === 'vendor' && one.kind.startsWith('tier-'));
  };

  let next = 0;
  for (; now <= end; now += MINUTE) {
    for (let due = happened[next]; due !== undefined && due[0] === now; due = happened[++next]) take(due);
    if (now === end) break;
    const open = isOpen(calendar, now);
    for (const one of all) {
      if (!runs(one)) continue;
      const counted = one.elapsed + (open ? MINUTE : 0);
      if (one.breachedAt === undefined) {
        for (const percent of thresholds) {
          const share = Math.ceil((one.target * percent) / 100);
          if (share > one.elapsed && share <= counted) one.told.push([percent, one.terms, now + share - one.elapsed]);
        }
        // At the end of this minute more than the target is used up.
        if (counted > one.target) {
          one.breachedAt = now + Math.max(0, one.target - one.elapsed);
          one.told.push(['breach', one.terms, one.breachedAt]);
        }
      }
      one.elapsed = counted;
    }
  }
  return all;
}
