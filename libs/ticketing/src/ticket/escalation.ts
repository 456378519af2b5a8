import { type Decided, type DecisionContext, deterministicId, type Instant, isRefusal, type Refusal, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Name, Part, PersonRef, Text } from '../command-fields.js';
import { type Contract, nextTier } from '../contract/contract.js';
import { escalationMessage, type Message } from '../contract/escalation-message.js';
import type {
  EscalationStep,
  EscalationTarget,
  NobodyToTell,
  Notification,
  PassedOver,
  Undelivered,
} from '../contract/escalation-policy.js';
import { missingFromHandOff } from '../contract/hand-off.js';
import { type EscalationChain, evolveChains, holderAt, nextOf, TOLD_ALREADY, toldAlready } from '../escalation/escalation-chains.js';
import { isLate } from '../events/automatic.js';
import type { ChainStep } from '../events/escalation.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { omitUndefined } from '../plain-json.js';
import type { Person } from '../vocabulary.js';
import type { ClockedTicket } from './clocked-ticket.js';
import { command, internal, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { event, namedOrActor } from './decisions.js';
import { unlessActive, unlessWorkable } from './guards.js';
import { completeHandOff } from './hand-off.js';

/** Performs the steps of escalation policies that are due by now. Sent by the timekeeper. */
export class RunEscalations extends TicketCommand {}

/** Whom targets lead to now: looked up for commands that need `who-is-there`. People and teams not listed are assumed to be there. */
export interface WhoIsThere {
  /** Who is on call in each schedule; empty or unknown ones are left out. */
  readonly onCall?: Readonly<Record<string, Person>>;
  /** People who are away, by id; an absent one may have a deputy who is there. */
  readonly away?: Readonly<Record<string, { readonly because: Extract<NobodyToTell, 'left' | 'absent'>; readonly deputy?: Person }>>;
  /** Teams with nobody to notify, by id. */
  readonly empty?: Readonly<Record<string, Extract<NobodyToTell, 'no-members' | 'all-absent'>>>;
  /** How messages reach people and teams, by target name. Targets not listed are notified by the event alone. */
  readonly reach?: Readonly<Record<string, Reach>>;
}

/** How someone is reached, or that they may not see the client's tickets. */
export type Reach = readonly Pick<Notification, 'by' | 'channel'>[] | 'not-of-client';

/** The key of a target in `reach`. */
export function targetName(target: EscalationTarget): string {
  return target.kind === 'person' ? `person/${target.person.id}` : JSON.stringify(target);
}

/** The id of the message that a step of a ticket sends to a target: the same whoever dispatches it. */
export function notificationId(
  ticket = '',
  { chain, round, step }: Pick<ChainStep, 'chain' | 'round' | 'step'>,
  target: EscalationTarget,
  by: Notification['by'],
): string {
  return deterministicId('notification', ticket, chain, String(round), String(step), targetName(target), by);
}

/** Records the outcome of a message of a step. Sent by the deliverer. */
export class RecordNotification extends TicketCommand {
  /** Id of the message. */
  notification!: string;
  attempts!: number;
  /** Why it could not be delivered; absent if it was. */
  failed?: { readonly because: Undelivered; readonly detail?: string };
}

@JSONSchema({
  description:
    "Acknowledges an escalation: its policy stops, or pauses until the acknowledgement lapses. A second person's acknowledgement takes it over.",
  examples: [{ note: 'On my way' }],
})
export class AcknowledgeEscalation extends TicketCommand {
  @Name({ description: "Id of the chain, as shown in the ticket's `why`; default: all active chains", optional: true })
  chain?: string;

  @Part(() => PersonRef, { description: 'Who acknowledges; default: the actor', optional: true })
  by?: PersonRef;

  @Text({ description: 'What is being done about it', max: 2000, optional: true })
  note?: string;
}

export const escalationCommands = {
  RunEscalations: internal({
    refuses: [],
    late: true,
    needs: 'who-is-there',
    decide(_command: RunEscalations, ticket, context, contract, there: WhoIsThere = {}) {
      const events: Decided<TicketEvents>[] = [];
      for (const chain of ticket.sla?.chains ?? []) {
        events.push(...runChain(chain, ticket, contract, there, context));
        // The other chains must see where the ticket is afterwards.
        if (events.at(-1)?.type === 'TicketEscalated') break;
      }
      return events;
    },
  }),

  RecordNotification: internal({
    refuses: [],
    late: true,
    decide({ notification, attempts, failed }: RecordNotification, ticket) {
      for (const { id: chain, policy, steps } of ticket.sla?.chains ?? []) {
        for (const step of steps) {
          const sent = step.outcome === 'dispatched' ? step.notifications?.find(({ id }) => id === notification) : undefined;
          if (sent?.state !== 'on-its-way') continue;
          const { id, target, by, channel } = sent;
          const about = omitUndefined({
            chain,
            policy: policy.name,
            round: step.round,
            step: step.step,
            id,
            target,
            by,
            channel,
            attempts,
          });
          return [
            failed === undefined
              ? event('NotificationDelivered', about)
              : event('NotificationFailed', omitUndefined({ ...about, ...failed })),
          ];
        }
      }
      return [];
    },
  }),

  AcknowledgeEscalation: command({
    body: AcknowledgeEscalation,
    route: 'POST /v1/tickets/{id}/escalation-acknowledgements',
    refuses: ['no-escalation-at-work'],
    late: true,
    decide({ chain, by, note }, ticket, context) {
      const who = namedOrActor(by, context);
      const named = (ticket.sla?.chains ?? []).filter(({ id }) => chain === undefined || id === chain);
      // Where an acknowledgement is told late: as the chains were then.
      const then = isLate(context) ? context.effectiveAt : undefined;
      const isOpen = ({ ended }: EscalationChain) => ended === undefined || (then !== undefined && ended.at > then);
      const holder = (one: EscalationChain) => (then === undefined ? one.acknowledged?.by : holderAt(one, then))?.id;
      const acknowledgeable = named.filter(
        (one) => (then === undefined || one.startedAt <= then) && (isOpen(one) || one.ended?.because === 'acknowledged'),
      );
      // Another acknowledgement takes over a chain, while there is work on the ticket.
      const active = unlessActive(ticket) === undefined;
      const open = acknowledgeable.filter((one) => (active || isOpen(one)) && holder(one) !== who.id).map(({ id }) => id);
      if (open.length > 0) return [event('EscalationAcknowledged', omitUndefined({ chains: open, by: who, note }))];
      return acknowledgeable.some((one) => holder(one) === who.id)
        ? []
        : refuse('no-escalation-at-work', 'The ticket has no active escalation policy to acknowledge');
    },
  }),
} satisfies TicketCommandDefinitions;

/**
 * What a chain does by an instant: at most one level, after steps that found nobody. A pending hand-off, a hold, or a tier without a higher
 * one prevents the hand-off of the work; the targets of the step are notified all the same.
 */
function runChain(
  chain: EscalationChain,
  ticket: ClockedTicket,
  contract: Contract,
  there: WhoIsThere,
  context: DecisionContext,
): readonly Decided<TicketEvents>[] {
  const { effectiveAt: now } = context;
  const due = nextOf(chain);
  if (due === undefined || due > now || chain.next === undefined) return [];
  const { id: chainId, policy } = chain;
  if (chain.acknowledged !== undefined) {
    return [{ ...event('EscalationAcknowledgementLapsed', { chain: chainId, policy: policy.name }), effectiveAt: due }];
  }
  const place = { chain: chainId, policy: policy.name, ...chain.next };
  const step = policy.steps[chain.next.step] as EscalationStep;
  const skip = (because: string, passedOver?: readonly PassedOver[]) => {
    const skipped = event('EscalationStepSkipped', omitUndefined({ ...place, because, passedOver }));
    const facts = { effectiveAt: due, recordedAt: now };
    const [after] = evolveChains(contract, [chain], skipped, facts, ticket.sla ?? null, ticket.revisions);
    return [{ ...skipped, effectiveAt: due }, ...(after ? runChain(after, ticket, contract, there, context) : [])];
  };
  if (toldAlready(ticket.sla?.chains ?? [], chain, chain.next, due)) return skip(TOLD_ALREADY);
  const found = step.targets.map((target) => resolved(target, ticket, there));
  const leadTo = distinct(found.flatMap(({ told = [] }) => told));
  const targets = leadTo.filter((target) => own(there.reach ?? {}, targetName(target)) !== 'not-of-client');
  const nobody = [
    ...found.flatMap(({ passedOver = [] }) => passedOver),
    ...leadTo.filter((target) => !targets.includes(target)).map((target): PassedOver => ({ target, because: 'not-of-client' })),
  ];
  const passedOver = nobody.length === 0 ? undefined : nobody;
  const handOn = step.escalateToNextTier ? handOffAutomatically(ticket, contract, chain, context) : undefined;
  if (targets.length === 0 && (handOn === undefined || isRefusal(handOn))) return skip(handOn?.refused ?? 'nobody-to-tell', passedOver);
  const notHandedOn = isRefusal(handOn) ? handOn.refused : undefined;
  const notifications = targets.flatMap((target) =>
    reachOf(target, there).map((means): Notification => ({ id: notificationId(context.id, place, target, means.by), target, ...means })),
  );
  const told = notifications.length === 0 ? {} : { notifications, message: messageOf(ticket, contract, place, due, context) };
  return [
    { ...event('EscalationStepDispatched', omitUndefined({ ...place, targets, passedOver, notHandedOn, ...told })), effectiveAt: due },
    ...(handOn === undefined || isRefusal(handOn) ? [] : [handOn]),
  ];
}

/** Whom a target leads to now, or why it leads to nobody. Both, for an absent person with a deputy. */
function resolved(
  target: EscalationTarget,
  { assignee }: ClockedTicket,
  { onCall = {}, away = {}, empty = {} }: WhoIsThere,
): { readonly told?: readonly EscalationTarget[]; readonly passedOver?: readonly PassedOver[] } {
  const nobody = (because: NobodyToTell) => ({ passedOver: [{ target, because }] });
  switch (target.kind) {
    case 'team': {
      const because = own(empty, target.team);
      return because === undefined ? { told: [target] } : nobody(because);
    }
    case 'on-call': {
      const person = own(onCall, target.schedule);
      return person === undefined ? nobody('nobody-on-call') : { told: [{ kind: 'person', person }] };
    }
    case 'assignee':
    case 'person': {
      const person = target.kind === 'person' ? target.person : assignee;
      if (person === undefined) return nobody('no-assignee');
      const gone = own(away, person.id);
      if (gone === undefined) return { told: [{ kind: 'person', person }] };
      const { because, deputy } = gone;
      return { ...nobody(because), ...(deputy === undefined ? {} : { told: [{ kind: 'person', person: deputy }] }) };
    }
  }
}

function own<Value>(record: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** No one is notified twice by one step. */
function distinct(targets: readonly EscalationTarget[]): readonly EscalationTarget[] {
  return [...new Map(targets.map((target) => [targetName(target), target])).values()];
}

function reachOf(target: EscalationTarget, { reach = {} }: WhoIsThere): Exclude<Reach, string> {
  const found = own(reach, targetName(target)) ?? [];
  return found === 'not-of-client' ? [] : found;
}

/** The message of a step, as things are when it is dispatched. */
function messageOf(
  { summary, client, priority, tier }: ClockedTicket,
  { escalationMessage: template }: Contract,
  { policy, step }: ChainStep,
  due: Instant,
  { id: ticket = '' }: DecisionContext,
): Message {
  return escalationMessage(template, { summary, ticket, client, priority, tier, policy, step: String(step + 1), due });
}

/** The hand-off that a policy makes from the content of the ticket, with what it lacks. */
function handOffAutomatically(
  ticket: ClockedTicket,
  contract: Contract,
  { id, policy }: EscalationChain,
  context: DecisionContext,
): Decided<TicketEvents> | Refusal {
  const barred = unlessWorkable(ticket);
  if (barred) return barred;
  const to = nextTier(contract, ticket.tier);
  if (to === undefined) return refuse('tier-not-in-contract', `The contract has no tier above ${ticket.tier}`);
  const handOff = completeHandOff(
    omitUndefined({ summary: ticket.summary, vendor: to === 'L4' ? ticket.vendorCase : undefined }),
    ticket,
    context,
  );
  if (to === 'L4' && handOff.vendor === undefined) return refuse('no-vendor-case', 'The vendor that would take it is not known');
  const lacks = missingFromHandOff(ticket.tier, to, handOff, contract.handOffs).map(({ field }) => field.replace('handoff.', ''));
  return event(
    'TicketEscalated',
    omitUndefined({
      escalationId: deterministicId('escalation', context.commandId, id),
      from: ticket.tier,
      fromTeam: ticket.team,
      to,
      reason: `Policy ${policy.name}: nobody saw to it in time`,
      handOff,
      automatic: { policy: policy.name, chain: id, lacks },
    }),
  );
}
