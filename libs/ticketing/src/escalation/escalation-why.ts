import type { Instant } from '#eventsourcing';
import { type Contract, termsOf } from '../contract/contract.js';
import {
  type EscalationChain,
  escalationChainSchema,
  nextOf,
  type Notified,
  notifications,
  passedOver,
  type StepPlace,
  stepPlaceSchema,
} from './escalation-chains.js';
import { type EscalationPolicy, type EscalationTarget, escalationTargetSchema, type PassedOver } from '../contract/escalation-policy.js';
import { omitUndefined, without } from '../plain-json.js';
import type { Person } from '../vocabulary.js';
import type { TicketPromises } from './promises.js';
import { about, count, instant, listOf, literal, oneOfKinds, open, optional, parts, type Static, text } from '../schema.js';

const answered = { ...stepPlaceSchema.entries, answer: about(text, 'In a sentence') };
const stepAnswerSchema = oneOfKinds('fired', [
  open({
    ...answered,
    fired: about(literal(true), 'It was dispatched'),
    at: about(instant, 'When it was due'),
    revision: about(count, 'Revision of the event'),
    targets: about(listOf(escalationTargetSchema), 'Who was told'),
    passedOver,
    toldAt: about(instant, 'When they were notified'),
    notifications,
    onBelief: optional(about(literal(true), 'Due only by what was known then')),
  }),
  open({
    ...answered,
    fired: about(literal(false), 'It was not dispatched'),
    because: about(text, 'Why'),
    passedOver,
    revision: optional(about(count, 'Revision of the event that proves it')),
    dueAt: optional(about(instant, 'When it is due')),
  }),
]);

/** Outcome of a step, past or expected, with the reason. Revisions are those of the ticket's events that prove it. */
export type StepAnswer = Static<typeof stepAnswerSchema>;

export const escalationAnswerSchema = open({
  policy: about(text, 'Name of the policy'),
  cause: optional(escalationChainSchema.entries.cause),
  chain: optional(about(text, 'Id of the chain; absent, like everything that depends on it, if nothing started it')),
  startedAt: optional(escalationChainSchema.entries.startedAt),
  ...parts(escalationChainSchema, 'acknowledged', 'takenOver', 'restated', 'ended'),
  steps: about(listOf(stepAnswerSchema), 'Its steps, in order'),
  answer: about(text, 'In a sentence'),
});

/** Why a policy did or did not escalate a ticket. */
export type EscalationAnswer = Static<typeof escalationAnswerSchema>;

/** Why each escalation policy of a ticket acted or did not: from its events alone. */
export function whyEscalated(promises: TicketPromises, asOf: Instant): readonly EscalationAnswer[] {
  const idle = (termsOf(promises).escalationPolicies ?? []).filter(
    ({ name }) => !promises.chains.some(({ policy }) => policy.name === name),
  );
  return [...promises.chains.map((chain) => ofChain(chain, asOf)), ...idle.map((policy) => ofIdle(policy, termsOf(promises)))];
}

function ofChain(chain: EscalationChain, asOf: Instant): EscalationAnswer {
  const { id, policy, cause, startedAt, acknowledged, takenOver, restated, ended } = chain;
  const steps = places(policy).map((place): StepAnswer => {
    const outcome = chain.steps.find(({ round, step }) => round === place.round && step === place.step);
    if (outcome?.outcome === 'dispatched') {
      const { at, revision, targets, passedOver, toldAt, onBelief, notifications } = outcome;
      return omitUndefined({
        ...place,
        fired: true as const,
        at,
        revision,
        targets,
        passedOver,
        toldAt,
        onBelief,
        notifications,
        answer: `It was due at ${at}, and at ${toldAt} told ${targets.map(inWords).join(', ') || 'nobody'}${passedOverInWords(passedOver)}${undelivered(notifications)}${onBelief ? ', on what was believed then' : ''}`,
      });
    }
    if (outcome?.outcome === 'skipped') {
      const { at, because, revision, passedOver } = outcome;
      return omitUndefined({
        ...place,
        fired: false as const,
        because,
        passedOver,
        revision,
        answer: `It was due at ${at}, but: ${because}${passedOverInWords(passedOver)}`,
      });
    }
    const isNext = chain.next?.round === place.round && chain.next.step === place.step;
    if (ended !== undefined) {
      const wasDue = isNext ? nextOf(without(chain, 'ended', 'acknowledged')) : undefined;
      return {
        ...place,
        fired: false,
        because: ended.because,
        revision: ended.revision,
        answer:
          wasDue === undefined || wasDue > ended.at || acknowledged !== undefined
            ? `It was not due before the policy ended at ${ended.at}: ${ended.because}`
            : `It was due at ${wasDue}, but nobody was told before the policy ended at ${ended.at}: ${ended.because}`,
      };
    }
    const due = isNext ? nextOf(chain) : undefined;
    if (isNext && acknowledged !== undefined) {
      return omitUndefined({
        ...place,
        fired: false as const,
        because: 'acknowledged',
        revision: acknowledged.revision,
        dueAt: due,
        answer: `${acknowledgedBy(chain)} until ${due}`,
      });
    }
    return omitUndefined({
      ...place,
      fired: false as const,
      because: due !== undefined && due <= asOf ? 'overdue' : 'not-due-yet',
      dueAt: due,
      answer: due === undefined ? 'Steps before it are still ahead' : `It is due at ${due}`,
    });
  });
  const fired = steps.filter((step) => step.fired).length;
  const end =
    ended === undefined
      ? chain.next === undefined
        ? 'all its steps are done'
        : 'it is still active'
      : `it ended at ${ended.at}: ${ended.because === 'acknowledged' ? acknowledgedBy(chain) : ended.because}`;
  return omitUndefined({
    policy: policy.name,
    chain: id,
    cause,
    startedAt,
    acknowledged,
    takenOver,
    restated,
    ended,
    steps,
    answer: `Triggered by ${cause.type} (revision ${cause.revision}); ${fired} of ${steps.length} steps fired; ${end}${restatedInWords(restated)}`,
  });
}

/** Who answers for it, and from whom they took over. */
function acknowledgedBy({ acknowledged, takenOver = [] }: EscalationChain): string {
  const nameOf = ({ by }: { readonly by: Person }) => by.name ?? by.id;
  const from = takenOver.length === 0 ? '' : `, taking over from ${takenOver.map(nameOf).join(', ')}`;
  return acknowledged === undefined ? 'acknowledged' : `${nameOf(acknowledged)} has acknowledged it${from}`;
}

function restatedInWords(restated: EscalationChain['restated']): string {
  if (restated === undefined) return '';
  const { verdict = 'one that would not have run', never, at, revision } = restated;
  if (never) return `; what triggered it did not happen, as is known since ${at} (revision ${revision})`;
  return `; its clock was restated at ${at} (revision ${revision}) as ${verdict}`;
}

function ofIdle(policy: EscalationPolicy, { escalationPolicies = [] }: Contract): EscalationAnswer {
  const { trigger, name } = policy;
  const by = escalationPolicies.filter((other) => other.then === name).map((other) => other.name);
  const follows = by.length === 0 ? '' : `, nor was ${by.join(' or ')} exhausted`;
  return { policy: name, steps: [], answer: `Nothing has triggered it: ${notTriggered(trigger)}${follows}` };
}

function notTriggered(trigger: EscalationPolicy['trigger']): string {
  switch (trigger.on) {
    case 'threshold':
      return `no ${trigger.clock} clock was seen to use up ${trigger.percent} % of its target`;
    case 'breach':
      return `no ${trigger.clock} clock was seen to be breached`;
    case 'opened':
      return `it is for tickets of ${trigger.priorities === undefined ? 'any priority, from their opening' : `priority ${trigger.priorities.join(', ')}`}`;
    case 'handed-over':
      return `no work was handed up${trigger.to === undefined ? '' : ` to ${trigger.to}`}`;
    case 'returned':
      return `fewer than ${trigger.times} hand-offs were returned`;
    case 'reopened':
      return `it was reopened fewer than ${trigger.times} times`;
    case 'major-incident':
      return 'no major incident was declared';
  }
}

function places({ steps, rounds = 1 }: EscalationPolicy): readonly StepPlace[] {
  return Array.from({ length: rounds }, (_, round) => steps.map((_step, step) => ({ round, step }))).flat();
}

function passedOverInWords(passedOver: readonly PassedOver[] = []): string {
  return passedOver.map(({ target, because }) => `; not ${inWords(target)} (${because})`).join('');
}

function undelivered(notifications: readonly Notified[] = []): string {
  return notifications
    .map(({ target, by, state, because }) =>
      state === 'failed' ? `; the message to ${inWords(target)} by ${by} was not delivered (${because})` : '',
    )
    .join('');
}

function inWords(target: EscalationTarget): string {
  switch (target.kind) {
    case 'person':
      return target.person.name ?? target.person.id;
    case 'team':
      return `team ${target.team}`;
    case 'assignee':
      return 'the assignee';
    case 'on-call':
      return `whoever is on call in ${target.schedule}`;
  }
}
