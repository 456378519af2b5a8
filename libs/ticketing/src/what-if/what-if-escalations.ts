import { type EventOf, type Instant, isRefusal } from '#eventsourcing';
import { nextStepAt, stepPlaceSchema } from '../escalation/escalation-chains.js';
import { omitUndefined } from '../plain-json.js';
import { evolvePromises, type TicketPromises } from '../escalation/promises.js';
import { termsOf } from '../contract/contract.js';
import { toldMoment, untoldMoments } from '../sla/sla-terms.js';
import { ticket as aggregate } from '../ticket/ticket.js';
import { type Person, tierSchema } from '../vocabulary.js';
import type { TicketEvents } from '../events/ticket-events.js';
import type { Ticket } from '../events/ticket.js';
import { firedBy } from '../ticket/rule-policies.js';
import { about, count, instant, oneOf, open, optional, refer, type Static, text } from '../schema.js';

const firedEscalation = {
  policy: about(text, 'Name of the policy'),
  time: about(count, 'Run of the policy on the ticket, counted from 1'),
  ...stepPlaceSchema.entries,
  kind: about(oneOf(['hierarchical', 'functional']), '`hierarchical`: somebody was notified; `functional`: the work was handed on'),
  to: optional(about(refer(tierSchema), 'Tier the work was handed to')),
};
export const firedEscalationSchema = open({ ...firedEscalation, at: about(instant, 'When it fired') });

/** A step of an escalation policy that notified someone (`hierarchical`), or that handed the work on by itself (`functional`). */
export type FiredEscalation = Static<typeof firedEscalationSchema>;

export const firedRuleSchema = open({
  rule: about(text, 'Name of the rule'),
  on: about(text, 'Event that would have triggered it'),
  at: about(instant, 'When'),
});

/** A rule of the contract that would have fired. */
export type FiredRule = Static<typeof firedRuleSchema>;

/** A ticket's life under one contract, with escalation policies that act on time. */
export interface SimulatedLife {
  readonly promises: TicketPromises;
  /** Numbers the triggers of policies, as revisions do in a real life. */
  readonly heard: number;
  /** What the policies did. */
  readonly fired: readonly FiredEscalation[];
  readonly rules: readonly FiredRule[];
}

type TicketEvent = EventOf<TicketEvents>;

/**
 * The life after one more event, under the contract that its opening pins; null before it. Actions of the timekeeper are skipped: `onTime`
 * does what it would have done, on time.
 */
export function evolveSimulated(life: SimulatedLife | null, event: TicketEvent, at: Instant): SimulatedLife | null {
  switch (event.type) {
    case 'SlaThresholdReached':
    case 'SlaBreached':
    case 'SlaRestated':
    case 'EscalationStepDispatched':
    case 'EscalationStepSkipped':
    case 'EscalationAcknowledgementLapsed':
      return life;
    case 'EscalationAcknowledged':
      return life && promisesAfter(life, { type: event.type, data: { ...event.data, chains: acknowledged(life, event.data.chains) } }, at);
    default:
      return promisesAfter(life, event, at);
  }
}

/**
 * The life at an instant, with everything that the timekeeper would have done before it. The ticket has been the same since the last event.
 */
export function onTime(life: SimulatedLife, ticket: Ticket, until: Instant): SimulatedLife {
  for (let now = life; ;) {
    const { promises } = now;
    const { escalationPolicies, rules } = termsOf(promises);
    const waits = escalationPolicies !== undefined || rules?.some(({ on }) => on === 'SlaThresholdReached' || on === 'SlaBreached');
    if (!waits && promises.chains.length === 0) return now;
    const [untold] = untoldMoments(promises, until);
    const stepAt = nextStepAt(promises.chains);
    let next: SimulatedLife | null = null;
    if (untold !== undefined && untold.moment.effectiveAt < until && (stepAt === undefined || untold.moment.effectiveAt <= stepAt)) {
      const told = toldMoment(untold);
      next = withRules(promisesAfter(now, told, told.effectiveAt), told, ticket, told.effectiveAt);
    } else if (stepAt !== undefined && stepAt < until) {
      next = withStepsAt(now, ticket, stepAt);
    }
    if (next === null) return now;
    now = next;
  }
}

/** Performs what is due at an instant. The work stays where it is: nobody knows what people would have made of a hand-off. */
function withStepsAt(life: SimulatedLife, ticket: Ticket, at: Instant): SimulatedLife | null {
  const { promises } = life;
  const state = omitUndefined({ ...ticket, contract: promises.contract, sla: promises });
  const context = { commandId: 'what-if', actor: { id: 'what-if', kind: 'system' as const }, effectiveAt: at };
  const decision = aggregate.commands.RunEscalations.decide({}, state, context, { onCall: anyoneOnCall(promises) });
  let now: SimulatedLife | null = null;
  let step: Omit<FiredEscalation, 'kind' | 'at'> | undefined;
  for (const event of isRefusal(decision) ? [] : decision) {
    now ??= life;
    if (event.type === 'EscalationStepDispatched') {
      const { policy, chain, round, step: place, targets } = event.data;
      step = { policy, time: timeOf(now, policy, chain), round, step: place };
      if (targets.length > 0) now = { ...now, fired: [...now.fired, { ...step, kind: 'hierarchical', at }] };
    }
    if (event.type !== 'TicketEscalated') now = promisesAfter(now, event, at) ?? now;
    else if (step !== undefined) now = { ...now, fired: [...now.fired, { ...step, kind: 'functional', at, to: event.data.to }] };
  }
  return now;
}

function promisesAfter(life: SimulatedLife | null, event: TicketEvent, at: Instant): SimulatedLife | null {
  const heard = life?.heard ?? 0;
  const promises = evolvePromises(life?.promises ?? null, event, { effectiveAt: at, recordedAt: at }, heard);
  return promises && { promises, heard: heard + 1, fired: life?.fired ?? [], rules: life?.rules ?? [] };
}

/** The life after an event, with the rules of its contract that fire then. The priority is the one that the contract gives. */
export function withRules<Life extends SimulatedLife | null>(life: Life, event: TicketEvent, ticket: Ticket, at: Instant): Life {
  if (life === null) return life;
  const { contract, priority } = life.promises;
  const fired = firedBy(event, omitUndefined({ ...ticket, contract, priority }));
  return fired.length === 0 ? life : { ...life, rules: [...life.rules, ...fired.map(({ name, on }) => ({ rule: name, on, at }))] };
}

/** The chains that an acknowledgement covers: those of the same policies; if the contract has none of them, every chain at work. */
function acknowledged({ promises }: SimulatedLife, chains: readonly string[]): readonly string[] {
  const named = new Set(chains.map((chain) => chain.slice(0, chain.lastIndexOf('/'))));
  const atWork = promises.chains.filter((chain) => chain.ended === undefined && chain.acknowledged === undefined);
  const same = atWork.filter(({ policy }) => named.has(policy.name));
  return (same.length > 0 ? same : atWork).map(({ id }) => id);
}

function timeOf({ promises }: SimulatedLife, policy: string, id: string): number {
  return 1 + promises.chains.filter((chain) => chain.policy.name === policy).findIndex((chain) => chain.id === id);
}

/** Assumes that someone was on call. */
function anyoneOnCall(promises: TicketPromises): Readonly<Record<string, Person>> {
  const targets = promises.chains.flatMap(({ policy }) => policy.steps.flatMap((step) => step.targets));
  return Object.fromEntries(targets.flatMap((target) => (target.kind === 'on-call' ? [[target.schedule, { id: target.schedule }]] : [])));
}

export const escalationComparisonSchema = open({
  ...firedEscalation,
  actual: optional(about(instant, 'When it fired')),
  proposed: optional(about(instant, 'When it would have fired')),
  escalation: optional(
    about(oneOf(['gained', 'lost']), '`gained`: fires only under the proposed contract; `lost`: only under the actual one'),
  ),
});

/** A fired step under both contracts. Absent under a contract where it did not, or would not have, fired. */
export type EscalationComparison = Static<typeof escalationComparisonSchema>;

export function compareEscalations(
  actual: readonly FiredEscalation[],
  proposed: readonly FiredEscalation[],
): readonly EscalationComparison[] {
  const pairs = new Map<string, EscalationComparison>();
  for (const [side, fired] of [['actual', actual] as const, ['proposed', proposed] as const]) {
    for (const { at, ...place } of fired) {
      const key = JSON.stringify([place.policy, place.time, place.round, place.step, place.kind]);
      pairs.set(key, { ...(pairs.get(key) ?? place), [side]: at });
    }
  }
  return [...pairs.values()].map((pair) =>
    pair.actual !== undefined && pair.proposed !== undefined
      ? pair
      : { ...pair, escalation: pair.actual === undefined ? ('gained' as const) : ('lost' as const) },
  );
}
