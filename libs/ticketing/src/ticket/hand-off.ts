import { type DecisionContext, deterministicId, type EventOf, type Instant, isRefusal, type Refusal, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Name, OneOf, Part, PartList, PersonRef, Text, TextList, Uuid } from '../command-fields.js';
import { type Contract, nextTier } from '../contract/contract.js';
import { type HandOff, missingFromHandOff } from '../contract/hand-off.js';
import { isLate } from '../events/automatic.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { activeWork, handedOver, type HandedOver, isOver, type Ticket } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import { rank, type SkipReason, type Tier, TIERS } from '../vocabulary.js';
import { type ClockedTicket, openedAtOf } from './clocked-ticket.js';
import { command, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { asPerson, event, namedOrActor } from './decisions.js';
import {
  type AgentAtWork,
  HELD,
  INACTIVE,
  LEFT,
  OVER,
  TIER_MISSING,
  ticketsLeftFor,
  unlessActive,
  unlessHeld,
  unlessLeft,
  unlessOver,
  unlessTierExists,
  unlessNamed,
  unlessWorkable,
  UNNAMED,
  UNWORKABLE,
} from './guards.js';

export class DiagnosticStepBody {
  @Text({ description: 'What was tried', max: 2000 })
  action!: string;

  @Text({ description: 'What came of it', max: 2000 })
  outcome!: string;
}

export class VendorCaseBody {
  @Name({ description: 'Vendor', example: 'Contoso Printing' })
  vendor!: string;

  @Name({ description: "The vendor's case reference", example: 'CP-77123' })
  caseReference!: string;

  @Name({ description: 'Contract that covers the case', example: 'UC-2026-04' })
  contract!: string;
}

/**
 * The content of a hand-off. All fields are optional here: what the step requires and neither this nor the ticket has is refused with a
 * list of the missing items.
 */
export class HandOffBody {
  @Text({ description: 'Summary for the receiver', max: 2000, optional: true })
  summary?: string;

  @TextList({ description: 'Error messages, as shown', optional: true })
  errorMessages?: string[];

  @TextList({ description: 'Logs: URLs or names of evidence; attached logs count too', optional: true })
  logs?: string[];

  @PartList(() => DiagnosticStepBody, { description: 'Steps tried; steps recorded on the ticket count too', optional: true })
  stepsTried?: DiagnosticStepBody[];

  @TextList({ description: 'Steps that reproduce the fault', optional: true })
  stepsToReproduce?: string[];

  @Text({ description: "Why the fault can't be reproduced", max: 2000, optional: true })
  notReproducibleBecause?: string;

  @TextList({ description: 'Diagnostic data: URLs or names of evidence; attached diagnostic data counts too', optional: true })
  diagnosticData?: string[];

  @Text({ description: 'Environment: versions, hosts, configuration', max: 5000, optional: true })
  environment?: string;

  @Part(() => VendorCaseBody, { description: "Vendor's case, for L4", optional: true })
  vendor?: VendorCaseBody;
}

export class SolutionBody {
  @OneOf(['solution', 'procedure'], {
    description: 'A solution for this ticket, or a procedure for all similar ones',
    example: 'procedure',
  })
  kind!: 'solution' | 'procedure';

  @Text({ description: 'Instructions', max: 10_000 })
  text!: string;

  @Name({ description: 'Knowledge article that contains it', example: 'KB-0107', optional: true })
  article?: string;
}

@JSONSchema({
  description: 'Hands the work up to a tier, with what the hand-off contract requires. The tier then accepts or returns it.',
  examples: [
    {
      tier: 'L2',
      team: 'print-and-scan',
      reason: 'Needs access to the print server',
      handoff: {
        summary: 'Invoices stay in the queue of printer FIN-2; other printers work',
        errorMessages: ['0x00000709: Operation could not be completed'],
        logs: ['https://files.example.com/spooler.log'],
        stepsTried: [{ action: 'Restarted the print spooler', outcome: 'Jobs still stay in the queue' }],
      },
    },
  ],
})
export class EscalateToTier extends TicketCommand {
  @OneOf(TIERS, { description: 'Tier that receives it', example: 'L2' })
  tier!: Tier;

  @Name({ description: 'Team that receives it', example: 'print-and-scan', optional: true })
  team?: string;

  @Text({ description: 'Why', max: 2000 })
  reason!: string;

  @Part(() => HandOffBody, { description: 'What the receiver needs to continue', optional: true })
  handoff?: HandOffBody;
}

@JSONSchema({ description: 'The receiving tier accepts the hand-off.', examples: [{ agent: { id: 'grace', name: 'Grace Hopper' } }] })
export class AcceptEscalation extends TicketCommand {
  @Part(() => PersonRef, { description: 'Who takes it; default: the actor', optional: true })
  agent?: PersonRef;
}

@JSONSchema({
  description: 'The receiving tier gives the work back to the sender, with a reason.',
  examples: [{ reason: 'The log does not cover the time of the fault' }],
})
export class ReturnEscalation extends TicketCommand {
  @Text({ description: 'Reason, and what is needed', max: 2000 })
  reason!: string;
}

@JSONSchema({
  description: 'Hands the work down to a lower tier, with the solution or procedure, so that the tier can do it alone next time.',
  examples: [
    {
      tier: 'L1',
      reason: 'The fix is a procedure',
      solution: { kind: 'procedure', text: 'Clear the queue, then re-add the printer with driver 4.2.', article: 'KB-0107' },
    },
  ],
})
export class DeescalateToTier extends TicketCommand {
  @OneOf(TIERS, { description: 'Tier that receives it', example: 'L1' })
  tier!: Tier;

  @Name({ description: 'Team that receives it', optional: true })
  team?: string;

  @Text({ description: 'Why', max: 2000 })
  reason!: string;

  @Part(() => SolutionBody, { description: 'What the lower tier should do' })
  solution!: SolutionBody;
}

@JSONSchema({
  description: 'Notifies someone higher up about the ticket; the work does not move.',
  examples: [{ to: 'service-delivery-manager', reason: 'The client has called the board' }],
})
export class EscalateHierarchically extends TicketCommand {
  @Name({ description: 'Role or person to notify', example: 'service-delivery-manager' })
  to!: string;

  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({
  description: 'Asks another tier for guidance without handing the work over: owner and clocks stay.',
  examples: [{ tier: 'L3', team: 'print-platform', question: 'May we restart the spooler cluster during the day?' }],
})
export class RequestConsultation extends TicketCommand {
  @OneOf(TIERS, { description: 'Tier to ask', example: 'L3' })
  tier!: Tier;

  @Name({ description: 'Team to ask', optional: true })
  team?: string;

  @Text({ description: 'The question', max: 5000 })
  question!: string;
}

@JSONSchema({
  description: 'Answers the open consultation, or the named one. The answer can become a knowledge article.',
  examples: [{ answer: 'Yes, one node after the other.', article: 'KB-0110' }],
})
export class AnswerConsultation extends TicketCommand {
  @Uuid('a consultation', {
    description: 'Id of the consultation; needed when several are open',
    optional: true,
  })
  consultationId?: string;

  @Text({ description: 'The answer', max: 10_000 })
  answer!: string;

  @Name({ description: 'Knowledge article it became', example: 'KB-0110', optional: true })
  article?: string;
}

/** Codes of `pending`. */
const NOT_PENDING = [...INACTIVE, 'no-escalation-pending'] as const;

export const handOffCommands = {
  EscalateToTier: command({
    body: EscalateToTier,
    route: 'POST /v1/tickets/{id}/escalations',
    refuses: [...UNWORKABLE, 'not-an-escalation', ...TIER_MISSING, 'tier-skipped', 'hand-off-incomplete'],
    late: false,
    decide({ tier, team, reason, handoff = {} }, ticket, context, contract) {
      const barred = unlessWorkable(ticket);
      if (barred) return barred;
      if (rank(tier) <= rank(ticket.tier))
        return refuse('not-an-escalation', `The ticket is at ${ticket.tier}: ${tier} is not higher. Use a de-escalation or an assignment`, [
          { field: 'tier', message: `must be above ${ticket.tier}` },
        ]);
      const noTier = unlessTierExists(tier, contract);
      if (noTier) return noTier;
      const next = nextTier(contract, ticket.tier);
      const skipped = tier === next ? undefined : skipReason(ticket, tier);
      if (tier !== next && skipped === undefined) {
        return refuse(
          'tier-skipped',
          `From ${ticket.tier} the work goes to ${next}. Only a major incident, a security incident or the recurrence of a fixed fault goes straight to L3`,
          [{ field: 'tier', message: `must be ${next}` }],
        );
      }
      const handOff = completeHandOff(handoff, ticket, context);
      const missing = missingFromHandOff(ticket.tier, tier, handOff, contract.handOffs);
      if (missing.length > 0)
        return refuse(
          'hand-off-incomplete',
          `The hand-off from ${ticket.tier} to ${tier} lacks ${missing.length === 1 ? 'an item' : `${missing.length} items`}`,
          missing,
        );
      return [
        event(
          'TicketEscalated',
          omitUndefined({
            escalationId: deterministicId('escalation', context.commandId),
            from: ticket.tier,
            fromTeam: ticket.team,
            to: tier,
            toTeam: team,
            reason,
            skipped,
            handOff,
          }),
        ),
      ];
    },
  }),

  AcceptEscalation: command({
    body: AcceptEscalation,
    route: 'POST /v1/tickets/{id}/escalations/accept',
    refuses: [...NOT_PENDING, ...LEFT, ...HELD],
    late: false,
    needs: 'agent-at-work',
    decide({ agent }, ticket, context, contract, known: AgentAtWork = {}) {
      const who = namedOrActor(agent, context);
      const work = activeWork(ticket.work);
      if (work.status === 'in-progress' && ticket.settledEscalation?.how === 'accepted' && work.agent.id === who.id) return [];
      const waiting = pending(ticket);
      if (isRefusal(waiting)) return waiting;
      const barred = unlessLeft(who, context, known.left) ?? unlessHeld(ticket, who);
      if (barred) return barred;
      return [
        event(
          'EscalationAccepted',
          omitUndefined({
            escalationId: waiting.escalationId,
            tier: ticket.tier,
            team: ticket.team,
            agent: who,
            turnedFrom: ticketsLeftFor(known, context.id, contract),
          }),
        ),
      ];
    },
  }),

  ReturnEscalation: command({
    body: ReturnEscalation,
    route: 'POST /v1/tickets/{id}/escalations/return',
    refuses: [...NOT_PENDING],
    late: false,
    decide({ reason }, ticket, _context, contract) {
      if (!isOver(ticket) && activeWork(ticket.work).status === 'open' && ticket.settledEscalation?.how === 'returned') return [];
      const waiting = pending(ticket);
      if (isRefusal(waiting)) return waiting;
      const pingPong = ticket.returns + 1;
      const returned = event(
        'EscalationReturned',
        omitUndefined({
          escalationId: waiting.escalationId,
          from: ticket.tier,
          to: waiting.from,
          toTeam: waiting.fromTeam,
          reason,
          pingPong,
        }),
      );
      return [returned, ...beyondPingPong(pingPong, waiting.from, waiting.fromTeam, contract)];
    },
  }),

  DeescalateToTier: command({
    body: DeescalateToTier,
    route: 'POST /v1/tickets/{id}/de-escalations',
    refuses: [...UNWORKABLE, 'not-a-de-escalation', ...TIER_MISSING],
    late: false,
    decide({ tier, team, reason, solution }, ticket, _context, contract) {
      const barred = unlessWorkable(ticket);
      if (barred) return barred;
      if (rank(tier) >= rank(ticket.tier))
        return refuse('not-a-de-escalation', `The ticket is at ${ticket.tier}: ${tier} is not lower`, [
          { field: 'tier', message: `must be below ${ticket.tier}` },
        ]);
      const noTier = unlessTierExists(tier, contract);
      if (noTier) return noTier;
      const { kind, text, article } = solution;
      // Up and down again is a loop, however it happens.
      const pingPong = ticket.handedUpBy?.includes(tier) ? ticket.returns + 1 : undefined;
      const from = { from: ticket.tier, fromTeam: ticket.team };
      return [
        event(
          'TicketDeescalated',
          omitUndefined({ ...from, to: tier, toTeam: team, reason, solution: omitUndefined({ kind, text, article }), pingPong }),
        ),
        ...(pingPong === undefined ? [] : beyondPingPong(pingPong, tier, team, contract)),
      ];
    },
  }),

  EscalateHierarchically: command({
    body: EscalateHierarchically,
    route: 'POST /v1/tickets/{id}/hierarchical-escalations',
    refuses: [...INACTIVE],
    late: false,
    decide({ to, reason }, ticket) {
      return unlessActive(ticket) ?? [event('HierarchicalEscalationRaised', { tier: ticket.tier, cause: 'requested', to, reason })];
    },
  }),

  RequestConsultation: command({
    body: RequestConsultation,
    route: 'POST /v1/tickets/{id}/consultations',
    refuses: [...INACTIVE, ...TIER_MISSING, 'consultation-of-own-tier'],
    late: true,
    decide({ tier, team, question }, ticket, context, contract) {
      const barred = unlessActive(ticket);
      if (barred) return barred;
      const noTier = unlessTierExists(tier, contract);
      if (noTier) return noTier;
      if (tier === ticket.tier) {
        return refuse('consultation-of-own-tier', `The ticket is at ${tier} itself: ask a colleague, and note the answer`, [
          { field: 'tier', message: `must not be ${tier}` },
        ]);
      }
      if (ticket.consultations.some((open) => open.tier === tier && open.question === question)) return [];
      const consultationId = deterministicId('consultation', context.commandId);
      return [event('ConsultationRequested', omitUndefined({ consultationId, from: ticket.tier, to: tier, toTeam: team, question }))];
    },
  }),

  AnswerConsultation: command({
    body: AnswerConsultation,
    route: 'POST /v1/tickets/{id}/consultations/answer',
    refuses: [...OVER, 'no-consultation-open', ...UNNAMED],
    late: true,
    decide({ consultationId, answer, article }, ticket, context) {
      const several = unlessNamed(
        'consultationId',
        consultationId,
        ticket.consultations.map(({ id }) => id),
      );
      if (several) return several;
      const open = consultationId === undefined ? ticket.consultations[0] : ticket.consultations.find(({ id }) => id === consultationId);
      if (open === undefined) return refuse('no-consultation-open', 'There is no such open consultation');
      const barred = unlessOver(ticket);
      if (barred) return barred;
      return [event('ConsultationAnswered', omitUndefined({ consultationId: open.id, by: asPerson(context.actor), answer, article }))];
    },
  }),
} satisfies TicketCommandDefinitions;

/** Someone higher up is told if a ticket went back more often than the contract allows. */
function beyondPingPong(
  pingPong: number,
  tier: Tier,
  team: string | undefined,
  { pingPongLimit }: Contract,
): readonly EventOf<TicketEvents>[] {
  if (pingPong <= pingPongLimit) return [];
  const reason = `Returned ${pingPong} times; the contract allows ${pingPongLimit}`;
  return [event('HierarchicalEscalationRaised', { tier, cause: 'ping-pong-limit', to: `lead of ${team ?? tier}`, reason })];
}

/** The hand-off that waits to be accepted or returned. */
function pending(ticket: Ticket): HandedOver | Refusal<(typeof NOT_PENDING)[number]> {
  return handedOver(ticket) ?? unlessActive(ticket) ?? refuse('no-escalation-pending', 'No hand-off is awaiting acceptance or return');
}

function skipReason(ticket: ClockedTicket, to: Tier): SkipReason | undefined {
  if (to !== 'L3') return undefined;
  if (ticket.majorIncident) return 'major-incident';
  if (ticket.securityIncident) return 'security-incident';
  const isRecurrence = ticket.resolvedBy.includes('L2') || ticket.recursFrom !== undefined || cameAfterFix(ticket);
  return isRecurrence ? 'recurrence' : undefined;
}

/** Opened after the fix of a problem that it is linked to. */
function cameAfterFix(ticket: ClockedTicket): boolean {
  const openedAt = openedAtOf(ticket);
  return openedAt !== undefined && ticket.problems?.some(({ fixedAt }) => fixedAt !== undefined && fixedAt < openedAt) === true;
}

/** A hand-off completed from the ticket as it was then: recorded steps, attached logs and diagnostic data. */
export function completeHandOff(given: HandOffBody, ticket: Ticket, context: DecisionContext): HandOff {
  const isThen = ({ at }: { readonly at: Instant }) => !isLate(context) || at <= context.effectiveAt;
  const attached = (kind: 'log' | 'diagnostic-data'): string[] =>
    ticket.evidence.filter((evidence) => evidence.kind === kind && isThen(evidence)).map((evidence) => evidence.url);
  const tried = ticket.stepsTried.filter(isThen).map(({ action, outcome }) => ({ action, outcome }));
  const steps = (given.stepsTried ?? []).map(({ action, outcome }) => ({ action, outcome }));
  return omitUndefined({
    summary: given.summary,
    errorMessages: filled(given.errorMessages ?? []),
    logs: filled([...attached('log'), ...(given.logs ?? [])]),
    stepsTried: filled([...tried, ...steps]),
    stepsToReproduce: filled(given.stepsToReproduce ?? []),
    notReproducibleBecause: given.notReproducibleBecause,
    diagnosticData: filled([...attached('diagnostic-data'), ...(given.diagnosticData ?? [])]),
    environment: given.environment,
    vendor: given.vendor && { vendor: given.vendor.vendor, caseReference: given.vendor.caseReference, contract: given.vendor.contract },
  });
}

function filled<Item>(items: readonly Item[]): readonly Item[] | undefined {
  return items.length > 0 ? items : undefined;
}
