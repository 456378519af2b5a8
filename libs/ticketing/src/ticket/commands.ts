import type { Instant } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import type { AssignmentChoice, NobodyFound } from '../events/assignment.js';
import type { AssignmentRequest } from './assignment-request.js';
import {
  DateTime,
  Flag,
  OneOf,
  Part,
  PartList,
  Pattern,
  PersonRef,
  Text,
  TextList,
  WholeNumber,
  WholeNumberList,
} from '../command-fields.js';
import type { PinnedContract } from '../contract/contract.js';
import {
  CLOCK_KINDS,
  type ClockKind,
  type Person,
  ANALYSIS_METHODS,
  CHANNELS,
  EVIDENCE_KINDS,
  HOLD_REASONS,
  IMPACTS,
  LINK_RELATIONS,
  TICKET_KINDS,
  TIERS,
  URGENCIES,
  type AnalysisMethod,
  type Channel,
  type EvidenceKind,
  type HoldReason,
  type Impact,
  type Relation,
  type TicketKind,
  type Tier,
  type UnassignedBecause,
  type Urgency,
} from '../vocabulary.js';
import type { TicketEvents } from '../events/ticket-events.js';

/**
 * The commands of a ticket. Each class is at once the command of the bus, the body of the HTTP request and its documentation:
 * rules by class-validator, OpenAPI derived from them. A new command is a class here, a line in `ticketCommands` and a decide key in ticket.ts.
 */

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What every command may say. */
export class TicketCommand {
  @DateTime({ description: 'When it happened, if earlier than now: facts may arrive late. Not in the future.', optional: true })
  effectiveAt?: string;
}

@JSONSchema({
  description: 'Opens a ticket at its tier of entry. Its priority follows from impact and urgency.',
  examples: [
    {
      client: 'northwind',
      kind: 'incident',
      summary: 'Cannot print invoices',
      description: 'Since this morning every invoice stays in the queue of printer FIN-2.',
      reporter: { id: 'j.doe', name: 'Jane Doe' },
      channel: 'phone',
      impact: 'medium',
      urgency: 'high',
      service: 'printing',
    },
  ],
})
export class OpenTicket extends TicketCommand {
  @Text({ description: 'The client (tenant) whose ticket it is', example: 'northwind', max: 100 })
  client!: string;

  @OneOf(TICKET_KINDS, { description: 'Incident: something is broken. Service request: something is wanted.', example: 'incident' })
  kind!: TicketKind;

  @Text({ description: 'What is wrong, in a line', example: 'Cannot print invoices' })
  summary!: string;

  @Text({ description: 'What is wrong, in full', max: 20_000, optional: true })
  description?: string;

  @Part(() => PersonRef, { description: 'Who reported it' })
  reporter!: PersonRef;

  @OneOf(CHANNELS, { description: 'How it reached the desk', example: 'phone' })
  channel!: Channel;

  @OneOf(IMPACTS, { description: 'How many are affected', example: 'medium' })
  impact!: Impact;

  @OneOf(URGENCIES, { description: 'How long it can wait', example: 'high' })
  urgency!: Urgency;

  @OneOf(TIERS, { description: 'Tier of entry; L1 unless said otherwise', example: 'L1', optional: true })
  tier?: Tier;

  @Text({ description: 'Team that it goes to', example: 'service-desk', optional: true })
  team?: string;

  @Text({ description: 'Affected service', example: 'printing', optional: true })
  service?: string;

  @Text({ description: 'Affected configuration item', example: 'printer-FIN-2', optional: true })
  component?: string;

  @Text({ description: 'Category', example: 'hardware/printer', optional: true })
  category?: string;

  @TextList({
    description: 'Knowledge articles that self-service (L0) showed without success',
    example: ['KB-0042'],
    max: 200,
    optional: true,
  })
  articlesShown?: string[];

  @Pattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, 'must be the id of a ticket', {
    description: 'Id of the ticket that this one follows, when that one can no longer be reopened',
    optional: true,
  })
  follows?: string;
}

@JSONSchema({
  description:
    'Classifies a ticket: category, impact and urgency (and so priority), what is affected, and the flags that let it skip tiers.',
  examples: [{ category: 'hardware/printer', impact: 'medium', urgency: 'high', service: 'printing', component: 'printer-FIN-2' }],
})
export class TriageTicket extends TicketCommand {
  @Text({ description: 'Category', example: 'hardware/printer' })
  category!: string;

  @OneOf(IMPACTS, { description: 'How many are affected; as before unless said otherwise', example: 'medium', optional: true })
  impact?: Impact;

  @OneOf(URGENCIES, { description: 'How long it can wait; as before unless said otherwise', example: 'high', optional: true })
  urgency?: Urgency;

  @Text({ description: 'Affected service', example: 'printing', optional: true })
  service?: string;

  @Text({ description: 'Affected configuration item', example: 'printer-FIN-2', optional: true })
  component?: string;

  @Flag({ description: 'Many users or a whole service are down: may skip to L3', optional: true })
  majorIncident?: boolean;

  @Flag({ description: 'Security is at stake: may skip to L3', optional: true })
  securityIncident?: boolean;

  @TextList({
    description: 'Skills that its agent must have, for automatic assignment; those of its category in the contract unless said otherwise',
    max: 100,
    optional: true,
  })
  skills?: string[];
}

@JSONSchema({
  description: 'Gives a ticket to a person, a team, or both, within its tier.',
  examples: [{ team: 'service-desk', assignee: { id: 'ada', name: 'Ada Lovelace' } }],
})
export class AssignTicket extends TicketCommand {
  @Text({ description: 'Team', example: 'service-desk', optional: true })
  team?: string;

  @Part(() => PersonRef, { description: 'Person', optional: true })
  assignee?: PersonRef;
}

@JSONSchema({
  description: 'Takes a ticket from who has it. Where the contract assigns automatically, somebody else is then looked for.',
  examples: [{ reason: 'Needs somebody who speaks Italian' }],
})
export class UnassignTicket extends TicketCommand {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;

  /** What it follows from, and whose it must still be. Have no rules, and so cannot come from outside. */
  because?: Exclude<UnassignedBecause, 'requested'>;
  from?: string;
}

@JSONSchema({
  description: 'The person named, or else the actor, begins to work on the ticket.',
  examples: [{ agent: { id: 'ada', name: 'Ada Lovelace' } }],
})
export class StartWork extends TicketCommand {
  @Part(() => PersonRef, { description: 'Who works on it; the actor unless said otherwise', optional: true })
  agent?: PersonRef;
}

@JSONSchema({
  description: 'Notes a step of the diagnosis and what came of it. Hand-offs carry all steps noted so far.',
  examples: [{ action: 'Restarted the print spooler', outcome: 'Jobs still stay in the queue' }],
})
export class RecordDiagnosticStep extends TicketCommand {
  @Text({ description: 'What was tried', example: 'Restarted the print spooler', max: 2000 })
  action!: string;

  @Text({ description: 'What came of it', example: 'Jobs still stay in the queue', max: 2000 })
  outcome!: string;
}

@JSONSchema({
  description: 'Attaches evidence by reference, with the hash of its content.',
  examples: [
    {
      name: 'spooler.log',
      kind: 'log',
      url: 'https://files.example.com/spooler.log',
      mediaType: 'text/plain',
      sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      bytes: 5120,
    },
  ],
})
export class AttachEvidence extends TicketCommand {
  @Text({ description: 'Name', example: 'spooler.log' })
  name!: string;

  @OneOf(EVIDENCE_KINDS, { description: 'What it is; logs and diagnostic data count towards the hand-off contract', example: 'log' })
  kind!: EvidenceKind;

  @Pattern(/^[a-z][a-z0-9+.-]*:\S{1,2000}$/i, 'must be an absolute URL', {
    description: 'Where it is kept; `attachment:<sha256>` for what was sent to /v1/attachments',
    example: 'https://files.example.com/spooler.log',
  })
  url!: string;

  @Pattern(/^[a-z0-9.+-]{1,100}\/[a-z0-9.+-]{1,100}$/i, 'must be a media type such as text/plain', {
    description: 'Media type',
    example: 'text/plain',
  })
  mediaType!: string;

  @Pattern(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hexadecimal', { description: 'SHA-256 of its content' })
  sha256!: string;

  @WholeNumber({ description: 'Size in bytes', example: 5120, min: 0, max: Number.MAX_SAFE_INTEGER })
  bytes!: number;
}

export class DiagnosticStepBody {
  @Text({ description: 'What was tried', max: 2000 })
  action!: string;

  @Text({ description: 'What came of it', max: 2000 })
  outcome!: string;
}

export class VendorCaseBody {
  @Text({ description: 'Vendor', example: 'Contoso Printing' })
  vendor!: string;

  @Text({ description: "The vendor's case reference", example: 'CP-77123' })
  caseReference!: string;

  @Text({ description: 'Contract that the case runs under', example: 'UC-2026-04' })
  contract!: string;
}

/**
 * What a hand-off carries. All fields may be left out here: what the step requires and neither this nor the ticket has,
 * is refused with the list of what is missing.
 */
export class HandOffBody {
  @Text({ description: 'Summary for the receiver', max: 2000, optional: true })
  summary?: string;

  @TextList({ description: 'Error messages, as they were shown', optional: true })
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

  @Part(() => VendorCaseBody, { description: 'The case at the vendor, for L4', optional: true })
  vendor?: VendorCaseBody;
}

@JSONSchema({
  description:
    'Hands the work up to a tier, with what the hand-off contract of the step asks for. It waits there to be accepted or returned.',
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

  @Text({ description: 'Team that receives it', example: 'print-and-scan', optional: true })
  team?: string;

  @Text({ description: 'Why', max: 2000 })
  reason!: string;

  @Part(() => HandOffBody, { description: 'What the receiver needs to go on', optional: true })
  handoff?: HandOffBody;
}

@JSONSchema({ description: 'The receiving tier accepts the hand-off.', examples: [{ agent: { id: 'grace', name: 'Grace Hopper' } }] })
export class AcceptEscalation extends TicketCommand {
  @Part(() => PersonRef, { description: 'Who takes it; the actor unless said otherwise', optional: true })
  agent?: PersonRef;
}

@JSONSchema({
  description: 'The receiving tier gives the work back to the sender, with a reason.',
  examples: [{ reason: 'The log does not cover the time of the fault' }],
})
export class ReturnEscalation extends TicketCommand {
  @Text({ description: 'Why, and what is needed', max: 2000 })
  reason!: string;
}

export class SolutionBody {
  @OneOf(['solution', 'procedure'], { description: 'A solution for this ticket, or a procedure for all like it', example: 'procedure' })
  kind!: 'solution' | 'procedure';

  @Text({ description: 'What to do', max: 10_000 })
  text!: string;

  @Text({ description: 'Knowledge article that holds it', example: 'KB-0107', optional: true })
  article?: string;
}

@JSONSchema({
  description: 'Hands the work down to a lower tier, with the solution or procedure, so that it can do it alone next time.',
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

  @Text({ description: 'Team that receives it', optional: true })
  team?: string;

  @Text({ description: 'Why', max: 2000 })
  reason!: string;

  @Part(() => SolutionBody, { description: 'What the lower tier is to do' })
  solution!: SolutionBody;
}

@JSONSchema({
  description: 'Pauses the work, for one of the listed reasons.',
  examples: [{ reason: 'customer', note: 'Waiting for the user to be back at the printer' }],
})
export class PutOnHold extends TicketCommand {
  @OneOf(HOLD_REASONS, { description: 'Reason', example: 'customer' })
  reason!: HoldReason;

  @Text({ description: 'What is waited for', max: 2000 })
  note!: string;

  @DateTime({ description: 'Until when, if known', optional: true })
  until?: string;
}

@JSONSchema({ description: 'Ends a hold.', examples: [{}] })
export class Resume extends TicketCommand {}

@JSONSchema({
  description:
    'Resolves a ticket at L0 to L2. L1 names category and article; L2 the cause and a fix or workaround. L3 resolves with a root cause.',
  examples: [{ category: 'hardware/printer', article: 'KB-0107', cause: 'Driver 4.1 loses jobs', fix: 'Installed driver 4.2' }],
})
export class ResolveTicket extends TicketCommand {
  @Text({ description: 'Category; as triaged unless said otherwise', optional: true })
  category?: string;

  @Text({ description: 'Knowledge article that was used', example: 'KB-0107', optional: true })
  article?: string;

  @Text({ description: 'Cause', max: 5000, optional: true })
  cause?: string;

  @Text({ description: 'Fix', max: 5000, optional: true })
  fix?: string;

  @Text({ description: 'Workaround', max: 5000, optional: true })
  workaround?: string;
}

export class AnalysisBody {
  @OneOf(ANALYSIS_METHODS, { description: 'Method', example: '5-whys' })
  method!: AnalysisMethod;

  @Text({ description: 'The analysis', max: 20_000 })
  text!: string;

  @WholeNumberList({ description: 'Revisions of the events of this ticket that prove it', example: [0], min: 0 })
  citedEvents!: number[];
}

export class PreventiveActionBody {
  @Text({ description: 'What is to be done', max: 2000 })
  action!: string;

  @Text({ description: 'Who does it', example: 'grace' })
  owner!: string;
}

export class KnowledgeArticleBody {
  @Text({ description: 'Id of the article', example: 'KB-0107' })
  id!: string;

  @OneOf(['written', 'updated'], { description: 'Written anew or updated', example: 'written' })
  action!: 'written' | 'updated';
}

/** A root cause. All fields may be left out here: what is missing is refused with the list of what is missing. */
export class RootCauseBody {
  @Text({ description: 'Category of the cause', example: 'software-defect', optional: true })
  category?: string;

  @Part(() => AnalysisBody, { description: 'Analysis, citing the events that prove it', optional: true })
  analysis?: AnalysisBody;

  @Text({ description: 'Permanent fix', max: 5000, optional: true })
  permanentFix?: string;

  @Text({ description: 'Workaround, where there is no fix', max: 5000, optional: true })
  workaround?: string;

  @PartList(() => PreventiveActionBody, { description: 'Preventive actions with their owners', optional: true })
  preventiveActions?: PreventiveActionBody[];

  @Text({ description: 'Reference of the change, or `none`', example: 'CHG-2026-118', optional: true })
  changeReference?: string;

  @Part(() => KnowledgeArticleBody, { description: 'Knowledge article written or updated', optional: true })
  knowledgeArticle?: KnowledgeArticleBody;

  @Flag({ description: 'Whether L1 or L2 can do it alone next time', optional: true })
  lowerTierCanResolve?: boolean;
}

@JSONSchema({
  description: 'Resolves a ticket with its root cause, as L3 (and L4) must; other tiers may.',
  examples: [
    {
      rootCause: {
        category: 'software-defect',
        analysis: { method: '5-whys', text: 'Jobs stay because the driver drops its handle, because …', citedEvents: [0] },
        permanentFix: 'Driver 4.2 closes its handle',
        preventiveActions: [{ action: 'Pin driver versions in the image', owner: 'grace' }],
        changeReference: 'CHG-2026-118',
        knowledgeArticle: { id: 'KB-0107', action: 'written' },
        lowerTierCanResolve: true,
      },
    },
  ],
})
export class ResolveWithRootCause extends TicketCommand {
  @Part(() => RootCauseBody, { description: 'The root cause' })
  rootCause!: RootCauseBody;
}

@JSONSchema({
  description: 'Opens a resolved or closed ticket again, within the window of the contract.',
  examples: [{ reason: 'The fault is back' }],
})
export class ReopenTicket extends TicketCommand {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({ description: 'Closes a resolved ticket.', examples: [{ note: 'Confirmed by the user' }] })
export class CloseTicket extends TicketCommand {
  @Text({ description: 'Note', max: 2000, optional: true })
  note?: string;
}

@JSONSchema({
  description: 'Cancels a ticket that needs no resolution, such as a duplicate or a mistake.',
  examples: [{ reason: 'Reported twice' }],
})
export class CancelTicket extends TicketCommand {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({
  description: 'An agent takes a ticket that nobody has. When several claim it at once one wins, and the others learn who.',
  examples: [{ agent: { id: 'ada', name: 'Ada Lovelace' } }],
})
export class ClaimTicket extends TicketCommand {
  @Part(() => PersonRef, { description: 'Who takes it; the actor unless said otherwise', optional: true })
  agent?: PersonRef;
}

@JSONSchema({
  description: 'Tells someone higher up about the ticket; the work does not move.',
  examples: [{ to: 'service-delivery-manager', reason: 'The client has called the board' }],
})
export class EscalateHierarchically extends TicketCommand {
  @Text({ description: 'Role or person that is told', example: 'service-delivery-manager' })
  to!: string;

  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({
  description: 'Asks another tier for guidance without handing the work over: owner and clocks stay.',
  examples: [{ tier: 'L3', team: 'print-platform', question: 'May we restart the spooler cluster during the day?' }],
})
export class RequestConsultation extends TicketCommand {
  @OneOf(TIERS, { description: 'Tier that is asked', example: 'L3' })
  tier!: Tier;

  @Text({ description: 'Team that is asked', optional: true })
  team?: string;

  @Text({ description: 'The question', max: 5000 })
  question!: string;
}

@JSONSchema({
  description: 'Answers the oldest open consultation, or the one that is named. The answer can become a knowledge article.',
  examples: [{ answer: 'Yes, one node after the other.', article: 'KB-0110' }],
})
export class AnswerConsultation extends TicketCommand {
  @Pattern(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'must be the id of a consultation', {
    description: 'Id of the consultation; the oldest open one unless said otherwise',
    optional: true,
  })
  consultationId?: string;

  @Text({ description: 'The answer', max: 10_000 })
  answer!: string;

  @Text({ description: 'Knowledge article that it became', example: 'KB-0110', optional: true })
  article?: string;
}

@JSONSchema({
  description: 'Tells the requester something. The first public reply is a first response.',
  examples: [{ text: 'We are looking into the print queue and will be back within the hour.' }],
})
export class SendPublicReply extends TicketCommand {
  @Text({ description: 'What the requester reads', max: 20_000 })
  text!: string;
}

@JSONSchema({ description: 'Adds a note that only the desk reads.', examples: [{ text: 'Third call about FIN-2 this week.' }] })
export class AddInternalNote extends TicketCommand {
  @Text({ description: 'The note', max: 20_000 })
  text!: string;
}

@JSONSchema({
  description: "Records the requester's reply. It ends a hold for the customer.",
  examples: [{ text: 'I am back at the printer now.', author: { id: 'j.doe', name: 'Jane Doe' } }],
})
export class RecordRequesterReply extends TicketCommand {
  @Text({ description: 'The reply', max: 20_000 })
  text!: string;

  @Part(() => PersonRef, { description: 'Who replied; the reporter unless said otherwise', optional: true })
  author?: PersonRef;
}

@JSONSchema({
  description: 'Records what a vendor says about its case: the one of the last hand-off to a vendor, or the one that is named.',
  examples: [{ vendor: 'Contoso Printing', caseReference: 'CP-77123', text: 'Fixed in firmware 11.3.' }],
})
export class RecordVendorReply extends TicketCommand {
  @Text({ description: 'What the vendor says', max: 20_000 })
  text!: string;

  @Text({ description: 'Vendor, unless it is the one that has the ticket', example: 'Contoso Printing', optional: true })
  vendor?: string;

  @Text({ description: "The vendor's case reference, unless it is the one of the hand-off", example: 'CP-77123', optional: true })
  caseReference?: string;
}

@JSONSchema({
  description: 'Declares a major incident: the ticket leads every queue and may skip to L3.',
  examples: [{ reason: 'Nobody in Milan can print' }],
})
export class DeclareMajorIncident extends TicketCommand {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({ description: 'Stands a major incident down.', examples: [{ reason: 'Printing works again; the cause is being looked for' }] })
export class StandDownMajorIncident extends TicketCommand {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({
  description: 'Plans a visit on site.',
  examples: [{ agent: { id: 'ada', name: 'Ada Lovelace' }, location: 'Milan, 2nd floor', plannedFor: '2026-12-01T09:00:00+01:00' }],
})
export class PlanOnsiteVisit extends TicketCommand {
  @Part(() => PersonRef, { description: 'Who goes' })
  agent!: PersonRef;

  @Text({ description: 'Where', example: 'Milan, 2nd floor' })
  location!: string;

  @DateTime({ description: 'When' })
  plannedFor!: string;
}

@JSONSchema({ description: 'The planned visit begins.', examples: [{}] })
export class BeginOnsiteVisit extends TicketCommand {}

@JSONSchema({ description: 'The visit is done.', examples: [{ outcome: 'Replaced the fuser' }] })
export class CompleteOnsiteVisit extends TicketCommand {
  @Text({ description: 'What came of it', max: 5000 })
  outcome!: string;
}

@JSONSchema({
  description: 'States time that an agent spent on the ticket.',
  examples: [{ minutes: 15, activity: 'Looked through the spooler log' }],
})
export class RecordTouchTime extends TicketCommand {
  @WholeNumber({ description: 'Minutes', example: 15, min: 1, max: 1440 })
  minutes!: number;

  @Part(() => PersonRef, { description: 'Who; the actor unless said otherwise', optional: true })
  agent?: PersonRef;

  @Text({ description: 'What was done', max: 2000, optional: true })
  activity?: string;
}

@JSONSchema({
  description: 'An agent turns to the ticket: time is measured until it is stopped, or the ticket is held, handed over, resolved or ended.',
  examples: [{ agent: { id: 'ada', name: 'Ada Lovelace' } }],
})
export class StartTouchTime extends TicketCommand {
  @Part(() => PersonRef, { description: 'Who; the actor unless said otherwise', optional: true })
  agent?: PersonRef;
}

@JSONSchema({
  description: 'The agent turns away from the ticket again.',
  examples: [{ agent: { id: 'ada', name: 'Ada Lovelace' }, activity: 'Looked through the spooler log' }],
})
export class StopTouchTime extends TicketCommand {
  @Part(() => PersonRef, { description: 'Who; the actor unless said otherwise', optional: true })
  agent?: PersonRef;

  @Text({ description: 'What was done', max: 2000, optional: true })
  activity?: string;
}

@JSONSchema({
  description: "Records the requester's satisfaction: one answer for each resolution.",
  examples: [{ score: 5, comment: 'Quick and friendly' }],
})
export class RecordSatisfaction extends TicketCommand {
  @WholeNumber({ description: '1 very dissatisfied to 5 very satisfied', example: 5, min: 1, max: 5 })
  score!: number;

  @Text({ description: 'Comment', max: 5000, optional: true })
  comment?: string;
}

@JSONSchema({
  description:
    'Says what the ticket is to another one: the other learns it too. A child follows its parent: what the requesters are told, major incidents, and the resolution.',
  examples: [{ ticketId: '00000000-0000-4000-8000-000000000001', relation: 'relates-to' }],
})
export class LinkTicket extends TicketCommand {
  @Pattern(UUID, 'must be the id of a ticket', { description: 'Id of the other ticket' })
  ticketId!: string;

  @OneOf(LINK_RELATIONS, { description: 'What this ticket is to the other one', example: 'relates-to' })
  relation!: Relation;

  /** The other ticket said so first. Has no rule, and so cannot come from outside. */
  mirrored?: true;
}

@JSONSchema({
  description: 'Takes a link back, on both sides.',
  examples: [{ ticketId: '00000000-0000-4000-8000-000000000001', relation: 'relates-to', reason: 'Another printer after all' }],
})
export class UnlinkTicket extends TicketCommand {
  @Pattern(UUID, 'must be the id of a ticket', { description: 'Id of the other ticket' })
  ticketId!: string;

  @OneOf(LINK_RELATIONS, { description: 'What this ticket was to the other one', example: 'relates-to' })
  relation!: Relation;

  @Text({ description: 'Why', max: 2000, optional: true })
  reason?: string;

  /** The other ticket said so first. Has no rule, and so cannot come from outside. */
  mirrored?: true;
}

@JSONSchema({
  description:
    'Lets the ticket go on in another one, which takes it in within moments; then this one takes no more work. Both keep their events. ' +
    'When the other one cannot take it, that is recorded and the work goes on here.',
  examples: [{ into: '00000000-0000-4000-8000-000000000001', reason: 'The same fault, reported twice' }],
})
export class MergeTicket extends TicketCommand {
  @Pattern(UUID, 'must be the id of a ticket', { description: 'Id of the ticket that it goes on in' })
  into!: string;

  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({
  description:
    'Makes a ticket of its own of a part of this one: of the same client and reporter, at the same tier, linked to this one. Its id is in the event.',
  examples: [{ summary: 'The scanner of FIN-2 does not answer', reason: 'Another device, another team' }],
})
export class SplitTicket extends TicketCommand {
  @Text({ description: 'What the part is about, in a line', example: 'The scanner of FIN-2 does not answer' })
  summary!: string;

  @Text({ description: 'What the part is about, in full', max: 20_000, optional: true })
  description?: string;

  @Text({ description: 'Category of the part', optional: true })
  category?: string;

  @Text({ description: 'Affected service, unless it is the same', optional: true })
  service?: string;

  @Text({ description: 'Affected configuration item, unless it is the same', optional: true })
  component?: string;

  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({
  description: 'Somebody sees to what an escalation policy tells of: it goes no further, or not for as long as an acknowledgement lasts.',
  examples: [{ note: 'On my way' }],
})
export class AcknowledgeEscalation extends TicketCommand {
  @Text({ description: 'Id of the chain, as the `why` of the ticket shows it; all that are at work unless said otherwise', optional: true })
  chain?: string;

  @Part(() => PersonRef, { description: 'Who; the actor unless said otherwise', optional: true })
  by?: PersonRef;

  @Text({ description: 'What is being done', max: 2000, optional: true })
  note?: string;
}

@JSONSchema({
  description:
    "Recomputes the verdicts on the ticket's ended clocks by the contract that is now known to have been in force: agreed with effect in the past, or " +
    'with a calendar put right. What changes is recorded beside what was known; what was told stays.',
  examples: [{ reason: 'Easter Monday was missing in the calendar' }],
})
export class RestateSla extends TicketCommand {
  @Text({ description: 'Why', max: 2000 })
  reason!: string;

  @OneOf(CLOCK_KINDS, { description: 'Clocks of this kind only; all that have ended unless said otherwise', optional: true })
  clock?: ClockKind;
}

/** Every command that may come from outside, by name, and the last part of its route. The empty route is `POST /v1/tickets` itself. */
export const ticketCommands = {
  OpenTicket: { body: OpenTicket, route: '' },
  TriageTicket: { body: TriageTicket, route: 'triage' },
  AssignTicket: { body: AssignTicket, route: 'assignment' },
  UnassignTicket: { body: UnassignTicket, route: 'unassignment' },
  StartWork: { body: StartWork, route: 'work' },
  RecordDiagnosticStep: { body: RecordDiagnosticStep, route: 'diagnostic-steps' },
  AttachEvidence: { body: AttachEvidence, route: 'evidence' },
  EscalateToTier: { body: EscalateToTier, route: 'escalations' },
  AcceptEscalation: { body: AcceptEscalation, route: 'escalations/accept' },
  ReturnEscalation: { body: ReturnEscalation, route: 'escalations/return' },
  DeescalateToTier: { body: DeescalateToTier, route: 'de-escalations' },
  PutOnHold: { body: PutOnHold, route: 'hold' },
  Resume: { body: Resume, route: 'resume' },
  ResolveTicket: { body: ResolveTicket, route: 'resolution' },
  ResolveWithRootCause: { body: ResolveWithRootCause, route: 'root-cause' },
  ReopenTicket: { body: ReopenTicket, route: 'reopen' },
  CloseTicket: { body: CloseTicket, route: 'close' },
  CancelTicket: { body: CancelTicket, route: 'cancel' },
  ClaimTicket: { body: ClaimTicket, route: 'claim' },
  EscalateHierarchically: { body: EscalateHierarchically, route: 'hierarchical-escalations' },
  RequestConsultation: { body: RequestConsultation, route: 'consultations' },
  AnswerConsultation: { body: AnswerConsultation, route: 'consultations/answer' },
  SendPublicReply: { body: SendPublicReply, route: 'public-replies' },
  AddInternalNote: { body: AddInternalNote, route: 'internal-notes' },
  RecordRequesterReply: { body: RecordRequesterReply, route: 'requester-replies' },
  RecordVendorReply: { body: RecordVendorReply, route: 'vendor-replies' },
  DeclareMajorIncident: { body: DeclareMajorIncident, route: 'major-incident' },
  StandDownMajorIncident: { body: StandDownMajorIncident, route: 'major-incident/stand-down' },
  PlanOnsiteVisit: { body: PlanOnsiteVisit, route: 'onsite-visits' },
  BeginOnsiteVisit: { body: BeginOnsiteVisit, route: 'onsite-visits/begin' },
  CompleteOnsiteVisit: { body: CompleteOnsiteVisit, route: 'onsite-visits/complete' },
  RecordTouchTime: { body: RecordTouchTime, route: 'touch-time' },
  StartTouchTime: { body: StartTouchTime, route: 'touch-time/start' },
  StopTouchTime: { body: StopTouchTime, route: 'touch-time/stop' },
  RecordSatisfaction: { body: RecordSatisfaction, route: 'satisfaction' },
  LinkTicket: { body: LinkTicket, route: 'links' },
  UnlinkTicket: { body: UnlinkTicket, route: 'links/remove' },
  MergeTicket: { body: MergeTicket, route: 'merge' },
  SplitTicket: { body: SplitTicket, route: 'split' },
  AcknowledgeEscalation: { body: AcknowledgeEscalation, route: 'escalation-acknowledgements' },
  RestateSla: { body: RestateSla, route: 'sla-restatements' },
} as const;

export type PublicCommandName = keyof typeof ticketCommands;

/** Tells what a ticket's clocks have shown by now and was not told. Sent by the timekeeper. */
export class RecordSlaMoments extends TicketCommand {}

/** Does what escalation policies have due by now. Sent by the timekeeper. */
export class RunEscalations extends TicketCommand {
  /** Who is on call now in each schedule that may be asked for; a schedule without anybody, or an unknown one, is left out. */
  onCall!: Readonly<Record<string, Person>>;
}

/** Puts an open ticket under another version of its client's contract. Sent by the timekeeper. */
export class RebaseSlaTerms extends TicketCommand {
  contract!: PinnedContract;
  effectiveFrom!: Instant;
}

/** Gives the ticket to whom automatic assignment has chosen, or tells that it found nobody. */
export interface AssignAutomatically extends TicketCommand {
  /** What was asked for: when the ticket asks for something else by now, nothing is done. */
  readonly request: AssignmentRequest;
  readonly found: AssignmentChoice | NobodyFound;
}

/** A ticket that goes on in this one is taken in. Sent by the policy of merges. */
export interface AbsorbTicket extends TicketCommand {
  readonly ticketId: string;
  readonly summary: string;
  readonly reporter: Person;
  readonly reason: string;
}

/** The other ticket has taken this one in. Sent by the policy of merges. */
export interface CompleteMerge extends TicketCommand {
  readonly into: string;
}

/** The other ticket could not take the link or the merge. Sent by the policies of links and merges. */
export type RefuseRelation = TicketCommand & TicketEvents['TicketRelationRefused'];

/** The parent was resolved. Sent by the policy of children. */
export interface ResolveWithParent extends TicketCommand {
  readonly parent: string;
  readonly category?: string;
  readonly article?: string;
  readonly cause?: string;
  readonly fix?: string;
  readonly workaround?: string;
}

/** What only policies and timers send: no route leads to these. */
interface InternalCommands {
  RecordSlaMoments: RecordSlaMoments;
  RunEscalations: RunEscalations;
  RebaseSlaTerms: RebaseSlaTerms;
  AssignAutomatically: AssignAutomatically;
  AbsorbTicket: AbsorbTicket;
  CompleteMerge: CompleteMerge;
  RefuseRelation: RefuseRelation;
  ResolveWithParent: ResolveWithParent;
}

export type TicketCommandName = PublicCommandName | keyof InternalCommands;

/** Name → content of each command. */
export type TicketCommands = { [Name in PublicCommandName]: InstanceType<(typeof ticketCommands)[Name]['body']> } & InternalCommands;
