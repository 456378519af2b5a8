import type { Fault } from '#eventsourcing';
import { type BusinessCalendar, calendarFaults } from './business-calendar.js';
import { fieldsOf, isFields, isWhole } from '../plain-json.js';
import { CLOCK_KINDS, type ClockKind, type Person, PRIORITIES, type Priority, TIERS, type Tier } from '../vocabulary.js';

/** What sets an escalation policy going. */
export type EscalationTrigger =
  /** A share of a clock's target is used up. The chain ends when the clock does. */
  | { readonly on: 'threshold'; readonly clock: ClockKind; readonly percent: number }
  /** A clock is breached. The chain ends when the clock does. */
  | { readonly on: 'breach'; readonly clock: ClockKind }
  /** A ticket is opened. The chain ends when somebody responds to it. */
  | { readonly on: 'opened'; readonly priorities?: readonly Priority[] }
  /** Work is handed up. The chain ends when the hand-off is accepted or returned. */
  | { readonly on: 'handed-over'; readonly to?: Tier }
  /** The n-th hand-off was returned. */
  | { readonly on: 'returned'; readonly times: number }
  /** It was reopened for the n-th time. */
  | { readonly on: 'reopened'; readonly times: number }
  /** A major incident was declared. The chain ends when it is stood down. */
  | { readonly on: 'major-incident' };

/** Whom a step tells. `assignee` is whoever has the ticket then; `on-call` whoever is on call in a schedule then. */
export type EscalationTarget =
  | { readonly kind: 'person'; readonly person: Person }
  | { readonly kind: 'team'; readonly team: string }
  | { readonly kind: 'assignee' }
  | { readonly kind: 'on-call'; readonly schedule: string };

/** One level of a policy. */
export interface EscalationStep {
  /** Milliseconds after the step before was dispatched; of the first one, after what set the policy going. */
  readonly after: number;
  /** Whom it tells. When nobody can be found, the chain falls through to the next step at once. */
  readonly targets: readonly EscalationTarget[];
  /** Hands the work to the next tier, with a hand-off made of what the ticket holds. */
  readonly escalateToNextTier?: boolean;
  /** When it may be dispatched. One that is due outside waits until the window opens. */
  readonly window?: BusinessCalendar;
}

/** What is done, step by step, while nobody sees to something. */
export interface EscalationPolicy {
  /** Names it within its contract. */
  readonly name: string;
  readonly trigger: EscalationTrigger;
  readonly steps: readonly EscalationStep[];
  /** How many times the steps are gone through (default 1). */
  readonly rounds?: number;
  /** Milliseconds after which an acknowledgement has lapsed and the chain goes on. Without it, an acknowledgement ends the chain. */
  readonly acknowledgedFor?: number;
  /** Name of the policy that is set going when this one's last step was dispatched. */
  readonly then?: string;
}

const MOST_POLICIES = 50;
const MOST_STEPS = 20;
const MOST_ROUNDS = 10;
const LONGEST = 366 * 86_400_000;

/** All that is wrong with the policies of a contract, each fault with its field. */
export function escalationPolicyFaults(policies: unknown, thresholds: unknown, field = 'escalationPolicies'): readonly Fault[] {
  if (!Array.isArray(policies) || policies.length > MOST_POLICIES)
    return [{ field, message: `must be a list of at most ${MOST_POLICIES} policies` }];
  const names = policies.map((policy: unknown) => fieldsOf(policy)['name']);
  return policies.flatMap((policy: unknown, index) => {
    const place = `${field}[${index}]`;
    if (!isFields(policy)) return [{ field: place, message: 'must be an object' }];
    const { name, trigger, steps, rounds, acknowledgedFor, then, ...unknown } = policy;
    return [
      ...unknownFaults(unknown, place),
      ...(isText(name) ? [] : [{ field: `${place}.name`, message: 'must be a name of at most 100 characters' }]),
      ...(names.indexOf(name) < index ? [{ field: `${place}.name`, message: 'must not be the name of another policy' }] : []),
      ...triggerFaults(trigger, thresholds, `${place}.trigger`),
      ...stepsFaults(steps, `${place}.steps`),
      ...(rounds === undefined || isWhole(rounds, 1, MOST_ROUNDS)
        ? []
        : [{ field: `${place}.rounds`, message: `must be a whole number from 1 to ${MOST_ROUNDS}: loops end` }]),
      ...(acknowledgedFor === undefined || isWhole(acknowledgedFor, 1, LONGEST)
        ? []
        : [{ field: `${place}.acknowledgedFor`, message: 'must be a whole number of milliseconds above 0, at most 366 days' }]),
      ...(then === undefined || names.includes(then) ? [] : [{ field: `${place}.then`, message: 'must be the name of a policy' }]),
      ...(then !== undefined && leadsBack(policies.map(fieldsOf), index)
        ? [{ field: `${place}.then`, message: 'must not lead back to this policy' }]
        : []),
    ];
  });
}

function triggerFaults(trigger: unknown, thresholds: unknown, field: string): readonly Fault[] {
  const { on, ...rest } = fieldsOf(trigger);
  const clockFaults = CLOCK_KINDS.includes(rest['clock'] as ClockKind)
    ? []
    : [{ field: `${field}.clock`, message: `must be one of ${CLOCK_KINDS.join(', ')}` }];
  const timesFaults = isWhole(rest['times'], 1, 100) ? [] : [{ field: `${field}.times`, message: 'must be a whole number from 1 to 100' }];
  switch (on) {
    case 'threshold': {
      const { clock: _, percent, ...unknown } = rest;
      const known = Array.isArray(thresholds) && thresholds.includes(percent);
      return [
        ...unknownFaults(unknown, field),
        ...clockFaults,
        ...(known ? [] : [{ field: `${field}.percent`, message: 'must be one of the thresholds of the contract' }]),
      ];
    }
    case 'breach': {
      const { clock: _, ...unknown } = rest;
      return [...unknownFaults(unknown, field), ...clockFaults];
    }
    case 'opened': {
      const { priorities, ...unknown } = rest;
      const sound =
        priorities === undefined || (Array.isArray(priorities) && priorities.every((one) => PRIORITIES.includes(one as Priority)));
      return [
        ...unknownFaults(unknown, field),
        ...(sound ? [] : [{ field: `${field}.priorities`, message: `must be some of ${PRIORITIES.join(', ')}` }]),
      ];
    }
    case 'handed-over': {
      const { to, ...unknown } = rest;
      const sound = to === undefined || TIERS.includes(to as Tier);
      return [
        ...unknownFaults(unknown, field),
        ...(sound ? [] : [{ field: `${field}.to`, message: `must be one of ${TIERS.join(', ')}` }]),
      ];
    }
    case 'returned':
    case 'reopened': {
      const { times: _, ...unknown } = rest;
      return [...unknownFaults(unknown, field), ...timesFaults];
    }
    case 'major-incident':
      return unknownFaults(rest, field);
    default:
      return [
        {
          field: `${field}.on`,
          message: 'must be one of threshold, breach, opened, handed-over, returned, reopened, major-incident',
        },
      ];
  }
}

function stepsFaults(steps: unknown, field: string): readonly Fault[] {
  if (!Array.isArray(steps) || steps.length === 0 || steps.length > MOST_STEPS)
    return [{ field, message: `must be a list of 1 to ${MOST_STEPS} steps` }];
  return steps.flatMap((step: unknown, index) => {
    const place = `${field}[${index}]`;
    if (!isFields(step)) return [{ field: place, message: 'must be an object' }];
    const { after, targets, escalateToNextTier, window, ...unknown } = step;
    const idle = Array.isArray(targets) && targets.length === 0 && escalateToNextTier !== true;
    return [
      ...unknownFaults(unknown, place),
      ...(isWhole(after, 0, LONGEST)
        ? []
        : [{ field: `${place}.after`, message: 'must be a whole number of milliseconds, at most 366 days' }]),
      ...(Array.isArray(targets) && targets.length <= 20
        ? targets.flatMap((target: unknown, at) => targetFaults(target, `${place}.targets[${at}]`))
        : [{ field: `${place}.targets`, message: 'must be a list of at most 20 targets' }]),
      ...(idle ? [{ field: `${place}.targets`, message: 'must tell somebody, or the step must hand the work on' }] : []),
      ...(escalateToNextTier === undefined || typeof escalateToNextTier === 'boolean'
        ? []
        : [{ field: `${place}.escalateToNextTier`, message: 'must be true or false' }]),
      ...(window === undefined ? [] : calendarFaults(window, `${place}.window`)),
    ];
  });
}

function targetFaults(target: unknown, field: string): readonly Fault[] {
  const { kind, person, team, schedule } = fieldsOf(target);
  switch (kind) {
    case 'person': {
      const { id, name } = fieldsOf(person);
      return [
        ...(isText(id) ? [] : [{ field: `${field}.person.id`, message: 'must be the id of a person' }]),
        ...(name === undefined || isText(name) ? [] : [{ field: `${field}.person.name`, message: 'must be a name' }]),
      ];
    }
    case 'team':
      return isText(team) ? [] : [{ field: `${field}.team`, message: 'must be the name of a team' }];
    case 'on-call':
      return isText(schedule) ? [] : [{ field: `${field}.schedule`, message: 'must be the name of a schedule' }];
    case 'assignee':
      return [];
    default:
      return [{ field: `${field}.kind`, message: 'must be one of person, team, assignee, on-call' }];
  }
}

/** Whether following `then` from a policy comes back to it. */
function leadsBack(policies: readonly Readonly<Record<string, unknown>>[], start: number): boolean {
  const byName = new Map(policies.map((policy) => [policy['name'], policy]));
  let next = policies[start]?.['then'];
  for (let hops = 0; next !== undefined && hops <= policies.length; hops++) {
    if (next === policies[start]?.['name']) return true;
    next = byName.get(next)?.['then'];
  }
  return false;
}

function unknownFaults(fields: object, place: string): readonly Fault[] {
  return Object.keys(fields).map((name) => ({ field: `${place}.${name}`, message: 'is not a known field' }));
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && /\S/.test(value) && value.length <= 100;
}
