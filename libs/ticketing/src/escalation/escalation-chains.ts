import { epochMillis, type EventMetadata, type EventOf, type Instant, instantFrom } from '#eventsourcing';
import { addOpenTime, openTimeBetween } from '../contract/business-calendar.js';
import { calendarFor, type Contract } from '../contract/contract.js';
import {
  type EscalationPolicy,
  escalationPolicySchema,
  type EscalationStep,
  type EscalationTarget,
  escalationTargetSchema,
  type EscalationTrigger,
  notificationSchema,
  passedOverSchema,
  UNDELIVERED,
} from '../contract/escalation-policy.js';
import { omitUndefined, same, without, withOneMore } from '../plain-json.js';
import type { ClockIdentity } from '../events/sla.js';
import { ticketEvents, type TicketEvents } from '../events/ticket-events.js';
import { ended, type SlaClocks } from '../sla/sla-clock.js';
import { CLOCK_VERDICTS, type Person, personSchema, type Priority } from '../vocabulary.js';
import { about, count, instant, listOf, literal, oneOf, oneOfKinds, open, optional, refer, type Static, text } from '../schema.js';

export const stepPlaceSchema = open({ round: about(count, 'From 0'), step: about(count, 'From 0') });

/** Position in a chain: round and step, both from 0. */
export type StepPlace = Static<typeof stepPlaceSchema>;

const outcome = {
  ...stepPlaceSchema.entries,
  at: about(instant, 'When it was due'),
  revision: about(count, 'Revision of the event'),
  onBelief: optional(about(literal(true), 'Due by what was known then; a late fact showed that it was not. What was done is not undone')),
};
export const passedOver = optional(about(listOf(passedOverSchema), 'Targets for which nobody was found'));

const notifiedSchema = open({
  ...notificationSchema.entries,
  state: about(oneOf(['on-its-way', 'delivered', 'failed']), 'What became of it'),
  at: optional(about(instant, 'When this was recorded')),
  because: optional(about(oneOf(UNDELIVERED), 'Why it could not be delivered')),
});

/** A message of a step, and its outcome. */
export type Notified = Static<typeof notifiedSchema>;

export const notifications = optional(about(listOf(notifiedSchema), 'Messages sent, and their outcomes'));

const stepOutcomeSchema = oneOfKinds('outcome', [
  open({
    ...outcome,
    outcome: about(literal('dispatched'), 'Its targets were notified'),
    targets: about(listOf(escalationTargetSchema), 'Targets notified'),
    passedOver,
    toldAt: about(instant, 'When they were notified; later than due if the timekeeper was late'),
    notifications,
  }),
  open({
    ...outcome,
    outcome: about(literal('skipped'), 'Nobody could be notified'),
    because: about(text, 'Why'),
    passedOver,
  }),
]);

/** Outcome of a step. */
export type StepOutcome = Static<typeof stepOutcomeSchema>;

/** Why a chain ended. */
export const CHAIN_ENDS = [
  'acknowledged',
  'responded',
  'accepted',
  'returned',
  'clock-ended',
  'stood-down',
  'resolved',
  'cancelled',
  'merged',
  'priority-changed',
  'exhausted',
  'restated',
] as const;
export type ChainEnd = (typeof CHAIN_ENDS)[number];

export const escalationChainSchema = about(
  open({
    id: about(text, '`<policy>/<revision of the event that started it>`, unique within the ticket'),
    policy: about(refer(escalationPolicySchema), 'The policy as it was then; later changes do not affect it'),
    cause: about(
      open({ type: about(text, 'Type of the event'), revision: about(count, 'Revision of the event') }),
      'The event that started it',
    ),
    startedAt: about(instant, 'When it started'),
    about: optional(about(text, 'The hand-off or clock its end depends on')),
    next: optional(about(stepPlaceSchema, 'Next step; absent once all have been dispatched')),
    atOnce: optional(about(literal(true), 'The previous step found nobody: the next one is due at `from`, whatever its delay')),
    from: about(instant, 'When the next delay starts: the start, the last step, or the lapse of an acknowledgement'),
    acknowledged: optional(
      about(
        open({
          by: about(refer(personSchema), 'Who acknowledged it'),
          at: about(instant, 'When'),
          revision: about(count, 'Revision of the event'),
          until: optional(about(instant, 'When it lapses; absent if never')),
        }),
        'The acknowledgement in force',
      ),
    ),
    takenOver: optional(
      about(
        listOf(
          open({
            by: about(refer(personSchema), 'Who had acknowledged it'),
            at: about(instant, 'When'),
            revision: about(count, 'Revision of the event'),
          }),
        ),
        'Acknowledgements taken over by somebody else, oldest first',
      ),
    ),
    steps: about(listOf(stepOutcomeSchema), 'Outcomes of its steps, oldest first'),
    restated: optional(
      about(
        open({
          verdict: optional(about(oneOf(CLOCK_VERDICTS), 'Absent if no such clock would have run')),
          never: optional(about(literal(true), 'The warning or breach that started it did not happen')),
          at: about(instant, 'When it was restated'),
          revision: about(count, 'Revision of the event'),
        }),
        'The warning or breach that started it, or the verdict on its clock, was restated later',
      ),
    ),
    ended: optional(
      about(
        open({
          because: about(oneOf(CHAIN_ENDS), 'Why'),
          at: about(instant, 'When'),
          revision: about(count, 'Revision of the event that ended it'),
        }),
        'Why it ended',
      ),
    ),
  }),
  'An escalation policy at work on a ticket',
);

/** An escalation policy at work on a ticket: a fold over the ticket's events. */
export type EscalationChain = Static<typeof escalationChainSchema>;

type TicketEvent = EventOf<TicketEvents>;
type Facts = Pick<EventMetadata, 'effectiveAt' | 'recordedAt' | 'imported'>;

/**
 * The chains after one more event of the ticket. Imported facts start nothing.
 * @param sla the clocks after the event
 * @param revision of the event
 * @param priority of the ticket before the event, if it was open
 */
export function evolveChains(
  terms: Contract,
  chains: readonly EscalationChain[],
  event: TicketEvent,
  facts: Facts,
  sla: SlaClocks | null,
  revision: number,
  priority: Priority | undefined = sla?.priority,
): readonly EscalationChain[] {
  const at = facts.effectiveAt;
  const policies = terms.escalationPolicies ?? [];
  if (chains.length === 0 && policies.length === 0) return chains;
  const moved = chains.map((chain) => evolveChain(chain, event, facts, sla, revision));
  const followers = moved.flatMap((chain, index) => {
    const { then } = chain.policy;
    const exhaustedNow = chain.next === undefined && chains[index]?.next !== undefined && chain.ended === undefined;
    const policy = then === undefined || !exhaustedNow ? undefined : policies.find(({ name }) => name === then);
    return policy === undefined ? [] : [started(policy, chain.cause.type, chain.cause.revision, chain.from, chain.about)];
  });
  const fresh =
    facts.imported !== undefined
      ? []
      : policies.flatMap((policy) => {
          const about = triggeredBy(policy.trigger, event, priority);
          return about === undefined ? [] : [started(policy, event.type, revision, at, about === '' ? undefined : about)];
        });
  return followers.length + fresh.length === 0 && moved.every((chain, index) => chain === chains[index])
    ? chains
    : [...moved, ...followers, ...fresh];
}

function started(policy: EscalationPolicy, type: string, revision: number, at: Instant, about: string | undefined): EscalationChain {
  return omitUndefined({
    id: `${policy.name}/${revision}`,
    policy,
    cause: { type, revision },
    startedAt: at,
    about,
    next: { round: 0, step: 0 },
    from: at,
    steps: [],
  });
}

/** What a chain that the event starts is about, '' for nothing in particular; undefined if the event starts nothing. */
function triggeredBy(trigger: EscalationTrigger, event: TicketEvent, before: Priority | undefined): string | undefined {
  switch (trigger.on) {
    case 'threshold':
      return event.type === 'SlaThresholdReached' && event.data.clock === trigger.clock && event.data.percent === trigger.percent
        ? clockKey(event.data)
        : undefined;
    case 'breach':
      return event.type === 'SlaBreached' && event.data.clock === trigger.clock ? clockKey(event.data) : undefined;
    case 'opened':
      if (event.type === 'TicketOpened') return isOf(trigger, event.data.priority) ? '' : undefined;
      // The event that sets the priority, unless the ticket opened with it.
      return event.type === 'TicketTriaged' && isOf(trigger, event.data.priority) && !isOf(trigger, before) ? '' : undefined;
    case 'handed-over':
      return event.type === 'TicketEscalated' && (trigger.to ?? event.data.to) === event.data.to ? event.data.escalationId : undefined;
    case 'returned':
      return (event.type === 'EscalationReturned' || event.type === 'TicketDeescalated') && event.data.pingPong === trigger.times
        ? ''
        : undefined;
    case 'reopened':
      return event.type === 'TicketReopened' && event.data.cycle === trigger.times + 1 ? '' : undefined;
    case 'major-incident':
      return event.type === 'MajorIncidentDeclared' ? '' : undefined;
  }
}

function isOf({ priorities }: Extract<EscalationTrigger, { readonly on: 'opened' }>, priority: Priority | undefined): boolean {
  return priorities === undefined || (priority !== undefined && priorities.includes(priority));
}

function clockKey({ clock, tier, vendor, cycle }: ClockIdentity): string {
  return JSON.stringify([clock, tier ?? vendor ?? '', cycle]);
}

function evolveChain(
  chain: EscalationChain,
  event: TicketEvent,
  { effectiveAt: at, recordedAt }: Facts,
  sla: SlaClocks | null,
  revision: number,
): EscalationChain {
  if (event.type === 'NotificationDelivered' || event.type === 'NotificationFailed')
    return event.data.chain === chain.id ? notified(chain, event, at) : chain;
  if (event.type === 'SlaRestated' && clockKey(event.data) === chain.about) return restated(chain, event.data, at, revision);
  // What is told late may have come before the end, and is an earlier one.
  const cameBefore = chain.ended !== undefined && at < chain.ended.at;
  const isTaken = chain.ended?.because === 'acknowledged' && event.type === 'EscalationAcknowledged';
  const because = endOf(chain, event, at, sla, cameBefore);
  if (chain.ended !== undefined && !isTaken && !(cameBefore && (because !== undefined || event.type === 'EscalationAcknowledged'))) {
    // Tickets from before policies ended with their priority may have later dispatched steps: these were sent all the same.
    const told = event.type === 'EscalationStepDispatched' && event.data.chain === chain.id;
    return told ? { ...chain, steps: [...chain.steps, dispatched(event.data, at, recordedAt, revision)] } : chain;
  }
  if (because !== undefined) return endedBy(chain, { because, at, revision });
  switch (event.type) {
    case 'EscalationStepDispatched': {
      if (event.data.chain !== chain.id) return chain;
      const { round, step } = event.data;
      // The next delay counts from when this step was recorded, so that a late step does not bring the next one along.
      const steps = [...chain.steps, dispatched(event.data, at, recordedAt, revision)];
      return advanced({ ...without(chain, 'atOnce'), from: recordedAt, steps }, { round, step });
    }
    case 'EscalationStepSkipped': {
      if (event.data.chain !== chain.id) return chain;
      const { round, step, because: why, passedOver } = event.data;
      const outcome = omitUndefined({ round, step, at, revision, outcome: 'skipped' as const, because: why, passedOver });
      const after = why === TOLD_ALREADY ? without(chain, 'atOnce') : { ...chain, atOnce: true as const };
      return advanced({ ...after, from: at, steps: [...chain.steps, outcome] }, { round, step });
    }
    case 'EscalationAcknowledged': {
      if (!event.data.chains.includes(chain.id)) return chain;
      const { acknowledgedFor } = chain.policy;
      const acknowledged = omitUndefined({
        by: event.data.by,
        at,
        revision,
        until: acknowledgedFor === undefined || chain.next === undefined ? undefined : instantFrom(epochMillis(at) + acknowledgedFor),
      });
      const all = withOneMore(acknowledgements(chain), acknowledged, 'at');
      const answered = { ...chain, ...acknowledgedBy(all), steps: onBeliefBetween(chain.steps, at, acknowledged.until) };
      const ends = acknowledged.until === undefined && (chain.ended === undefined || cameBefore);
      return ends ? { ...answered, ended: { because: 'acknowledged', at, revision } } : answered;
    }
    case 'EscalationAcknowledgementLapsed': {
      if (event.data.chain !== chain.id) return chain;
      const { acknowledged: _acknowledged, takenOver: _takenOver, ...rest } = chain;
      return { ...rest, from: at };
    }
    default:
      return chain;
  }
}

/** The steps, of which those within a time were due only by what was known then. */
function onBeliefBetween(steps: readonly StepOutcome[], from: Instant, to?: Instant): readonly StepOutcome[] {
  return steps.map((step) => (step.at > from && (to === undefined || step.at < to) ? { ...step, onBelief: true as const } : step));
}

/** The chain with an end. What came after it, of which more was known, had no effect. */
function endedBy(chain: EscalationChain, end: EscalationChain['ended'] & object): EscalationChain {
  const { acknowledged: _acknowledged, takenOver: _takenOver, ...rest } = chain;
  const known = acknowledgements(chain).filter((one) => one.at <= end.at);
  return { ...rest, ...acknowledgedBy(known), steps: onBeliefBetween(chain.steps, end.at), ended: end };
}

type Acknowledgement = NonNullable<EscalationChain['acknowledged']>;

/** All acknowledgements of a chain, oldest first. */
function acknowledgements({ acknowledged, takenOver = [] }: EscalationChain): readonly Acknowledgement[] {
  return [...takenOver, ...(acknowledged ? [acknowledged] : [])];
}

/** The last acknowledgement is in force. */
function acknowledgedBy(all: readonly Acknowledgement[]): Pick<EscalationChain, 'acknowledged' | 'takenOver'> {
  const acknowledged = all.at(-1);
  const takenOver = all.slice(0, -1).map(({ by, at, revision }) => ({ by, at, revision }));
  return { ...(acknowledged && { acknowledged }), ...(takenOver.length > 0 && { takenOver }) };
}

/** Who had acknowledged a chain at an instant. */
export function holderAt(chain: EscalationChain, at: Instant): Person | undefined {
  return acknowledgements(chain).findLast((one) => one.at <= at)?.by;
}

function dispatched(
  { round, step, targets, passedOver, notifications }: TicketEvents['EscalationStepDispatched'],
  at: Instant,
  toldAt: Instant,
  revision: number,
): StepOutcome {
  const sent = notifications?.map((notification) => ({ ...notification, state: 'on-its-way' as const }));
  return omitUndefined({ round, step, at, revision, outcome: 'dispatched' as const, targets, passedOver, toldAt, notifications: sent });
}

/** Records the outcome of a message. If a step reached nobody, the next one follows at once. */
function notified(
  chain: EscalationChain,
  { type, data }: Extract<TicketEvent, { readonly type: 'NotificationDelivered' | 'NotificationFailed' }>,
  at: Instant,
): EscalationChain {
  const outcome = type === 'NotificationFailed' ? { state: 'failed' as const, because: data.because } : { state: 'delivered' as const };
  const steps = chain.steps.map((step) =>
    step.outcome === 'dispatched' && step.notifications?.some(({ id }) => id === data.id)
      ? { ...step, notifications: step.notifications.map((one) => (one.id === data.id ? { ...one, ...outcome, at } : one)) }
      : step,
  );
  const last = steps.at(-1);
  const goesOn = chain.ended === undefined && chain.next !== undefined && chain.acknowledged === undefined;
  const reachedNobody =
    type === 'NotificationFailed' &&
    last?.outcome === 'dispatched' &&
    last.round === data.round &&
    last.step === data.step &&
    hasReachedNobody(last);
  return goesOn && reachedNobody ? { ...chain, steps, atOnce: true, from: at } : { ...chain, steps };
}

/** Whether messages went to every target of a step, and none was delivered. */
function hasReachedNobody({ targets, notifications = [] }: Extract<StepOutcome, { readonly outcome: 'dispatched' }>): boolean {
  return (
    notifications.every(({ state }) => state === 'failed') &&
    targets.every((target) => notifications.some((one) => same(one.target, target)))
  );
}

/** A chain whose warning or breach did not happen does nothing more. */
function restated(chain: EscalationChain, { is, moment }: TicketEvents['SlaRestated'], at: Instant, revision: number): EscalationChain {
  if (moment === undefined) return { ...chain, restated: omitUndefined({ verdict: is?.verdict, at, revision }) };
  const { trigger } = chain.policy;
  const percent = trigger.on === 'threshold' ? trigger.percent : undefined;
  if (moment.is !== undefined || moment.percent !== percent) return chain;
  const steps = chain.steps.map((step) => ({ ...step, onBelief: true as const }));
  return { ...chain, steps, restated: { never: true, at, revision }, ended: chain.ended ?? { because: 'restated', at, revision } };
}

/** The chain after a step. */
function advanced(chain: EscalationChain, { round, step }: StepPlace): EscalationChain {
  const { next: _, ...rest } = chain;
  if (step + 1 < chain.policy.steps.length) return { ...rest, next: { round, step: step + 1 } };
  return round + 1 < (chain.policy.rounds ?? 1) ? { ...rest, next: { round: round + 1, step: 0 } } : rest;
}

/** Why an event ends a chain, if it does. @param cameBefore whether it came before the known end of the chain, and was told later */
function endOf(
  { policy, about, startedAt }: EscalationChain,
  event: TicketEvent,
  at: Instant,
  sla: SlaClocks | null,
  cameBefore: boolean,
): ChainEnd | undefined {
  const { endsChains, firstResponse } = ticketEvents[event.type];
  if (endsChains !== null) return endsChains;
  switch (policy.trigger.on) {
    case 'opened':
      if (event.type === 'TicketTriaged' && !isOf(policy.trigger, event.data.priority)) return 'priority-changed';
      return firstResponse && at >= startedAt ? 'responded' : undefined;
    case 'handed-over':
      if (event.type === 'EscalationAccepted' && event.data.escalationId === about) return 'accepted';
      return event.type === 'EscalationReturned' && event.data.escalationId === about ? 'returned' : undefined;
    case 'major-incident':
      return event.type === 'MajorIncidentStoodDown' ? 'stood-down' : undefined;
    case 'threshold':
    case 'breach': {
      const clock = sla?.clocks.find(({ kind, tier, vendor, cycle }) => JSON.stringify([kind, tier ?? vendor ?? '', cycle]) === about);
      return clock !== undefined && ended(clock) && !cameBefore ? 'clock-ended' : undefined;
    }
    default:
      return undefined;
  }
}

/** When the chain next does something by itself; undefined if it does not. */
export function nextOf(chain: EscalationChain): Instant | undefined {
  if (chain.ended !== undefined || chain.next === undefined) return undefined;
  if (chain.acknowledged !== undefined) return chain.acknowledged.until;
  const step = chain.policy.steps[chain.next.step];
  return step && dueAt(chain.atOnce ? { ...step, after: 0 } : step, chain.from);
}

/** When a step is due: after its delay, or when its window next opens after that. */
function dueAt({ after, window }: EscalationStep, from: Instant): Instant {
  const due = instantFrom(epochMillis(from) + after);
  // The first open millisecond from then on begins one before it ends.
  return window === undefined ? due : instantFrom(epochMillis(addOpenTime(calendarFor(window), due, 1)) - 1);
}

/** The earliest next action of the chains. */
export function nextStepAt(chains: readonly EscalationChain[]): Instant | undefined {
  return chains.flatMap((chain) => nextOf(chain) ?? []).sort()[0];
}

/** Why a step is skipped that an earlier chain of the policy has sent: the next step waits for its delay as if this one had been sent. */
export const TOLD_ALREADY = 'told-already';

/** Whether an earlier chain of the same policy has notified this level within the window at an instant; without a window, ever. */
export function toldAlready(chains: readonly EscalationChain[], chain: EscalationChain, { round, step }: StepPlace, at: Instant): boolean {
  const window = chain.policy.steps[step]?.window;
  return chains.some(
    (other) =>
      other.id !== chain.id &&
      other.policy.name === chain.policy.name &&
      other.policy.trigger.on === 'opened' &&
      other.steps.some(
        (told) =>
          told.outcome === 'dispatched' &&
          told.round === round &&
          told.step === step &&
          told.toldAt <= at &&
          (window === undefined || openTimeBetween(calendarFor(window), told.toldAt, at) === epochMillis(at) - epochMillis(told.toldAt)),
      ),
  );
}

/** Whom the steps due by then may notify, including steps that follow at once after one that finds nobody. */
export function targetsDue(chains: readonly EscalationChain[], until: Instant): readonly EscalationTarget[] {
  const due = chains.filter((chain) => {
    const at = nextOf(chain);
    return at !== undefined && at <= until;
  });
  return due.flatMap(({ policy }) => policy.steps.flatMap((step) => step.targets));
}
