import { type Fault, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Flag, Name, OneOf, Part, PartList, Text, WholeNumber, WholeNumberList } from '../command-fields.js';
import { DAY } from '../contract/contract.js';
import { articleFollowed } from '../events/runbook.js';
import { asOf } from '../events/past.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { resolvedAt, type RootCause } from '../events/ticket.js';
import { omitUndefined, same } from '../plain-json.js';
import { ANALYSIS_METHODS, type AnalysisMethod, rank, type Tier } from '../vocabulary.js';
import { command, internal, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { endOfHold, event, reopening } from './decisions.js';
import { canBeReopened, INACTIVE, OVER, unlessAccepted, unlessActive, unlessOver } from './guards.js';
import { untoldEvents } from './sla.js';

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

  @Name({ description: 'Who does it', example: 'grace' })
  owner!: string;
}

export class KnowledgeArticleBody {
  @Name({ description: 'Id of the article', example: 'KB-0107' })
  id!: string;

  @OneOf(['written', 'updated'], { description: 'Newly written or updated', example: 'written' })
  action!: 'written' | 'updated';
}

/** A root cause. All fields are optional here: it is refused with a list of what is missing. */
export class RootCauseBody {
  @Name({ description: 'Category of the cause', example: 'software-defect', optional: true })
  category?: string;

  @Part(() => AnalysisBody, { description: 'Analysis, citing the events that prove it', optional: true })
  analysis?: AnalysisBody;

  @Text({ description: 'Permanent fix', max: 5000, optional: true })
  permanentFix?: string;

  @Text({ description: 'Workaround, if there is no fix', max: 5000, optional: true })
  workaround?: string;

  @PartList(() => PreventiveActionBody, { description: 'Preventive actions with their owners', optional: true })
  preventiveActions?: PreventiveActionBody[];

  @Name({ description: 'Reference to the change, or `none`', example: 'CHG-2026-118', optional: true })
  changeReference?: string;

  @Part(() => KnowledgeArticleBody, { description: 'Knowledge article written or updated', optional: true })
  knowledgeArticle?: KnowledgeArticleBody;

  @Flag({ description: 'Whether L1 or L2 can resolve it alone next time', optional: true })
  lowerTierCanResolve?: boolean;
}

@JSONSchema({
  description:
    'Resolves a ticket at L0 to L2. L1 gives category and article; L2 gives the cause and a fix or workaround. L3 resolves with a root cause.',
  examples: [{ category: 'hardware/printer', article: 'KB-0107', cause: 'Driver 4.1 loses jobs', fix: 'Installed driver 4.2' }],
})
export class ResolveTicket extends TicketCommand {
  @Name({ description: 'Category; default: as triaged', optional: true })
  category?: string;

  @Name({ description: 'Knowledge article that was used', example: 'KB-0107', optional: true })
  article?: string;

  @Text({ description: 'Cause', max: 5000, optional: true })
  cause?: string;

  @Text({ description: 'Fix', max: 5000, optional: true })
  fix?: string;

  @Text({ description: 'Workaround', max: 5000, optional: true })
  workaround?: string;
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

/** The parent was resolved. Sent by the policy of children. */
export interface ResolveWithParent extends TicketCommand {
  readonly parent: string;
  readonly category?: string;
  readonly article?: string;
  readonly cause?: string;
  readonly fix?: string;
  readonly workaround?: string;
}

/** The alert that opened it has stopped firing. Sent by the policy of alerts. */
export interface ResolveWithAlert extends TicketCommand {
  readonly alertId: string;
  readonly note: string;
}

@JSONSchema({
  description: "Reopens a resolved or closed ticket, within the contract's window.",
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
  description: "Records the requester's satisfaction: one rating per resolution.",
  examples: [{ score: 5, comment: 'Quick and friendly' }],
})
export class RecordSatisfaction extends TicketCommand {
  @WholeNumber({ description: 'From 1 (very dissatisfied) to 5 (very satisfied)', example: 5, min: 1, max: 5 })
  score!: number;

  @Text({ description: 'Comment', max: 5000, optional: true })
  comment?: string;
}

export const resolutionCommands = {
  ResolveTicket: command({
    body: ResolveTicket,
    route: 'POST /v1/tickets/{id}/resolution',
    refuses: [...INACTIVE, 'escalation-pending', 'root-cause-required', 'resolution-incomplete'],
    late: false,
    decide({ category, article: named, cause, fix, workaround }, ticket) {
      const article = named ?? articleFollowed(ticket);
      const resolution = omitUndefined({ tier: ticket.tier, category: category ?? ticket.category, article, cause, fix, workaround });
      if (ticket.work.status === 'resolved' && ticket.resolution !== undefined && same(ticket.resolution, resolution)) return [];
      const barred = unlessActive(ticket) ?? unlessAccepted(ticket);
      if (barred) return barred;
      if (rank(ticket.tier) >= rank('L3'))
        return refuse('root-cause-required', `${ticket.tier} resolves with a root cause: use ResolveWithRootCause`);
      const missing = missingFromResolution(ticket.tier, resolution);
      if (missing.length > 0) return refuse('resolution-incomplete', `The resolution at ${ticket.tier} is incomplete`, missing);
      return [...endOfHold(ticket), event('TicketResolved', omitUndefined({ ...resolution, team: ticket.team }))];
    },
  }),

  ResolveWithRootCause: command({
    body: ResolveWithRootCause,
    route: 'POST /v1/tickets/{id}/root-cause',
    refuses: [...INACTIVE, 'escalation-pending', 'root-cause-incomplete'],
    late: false,
    decide({ rootCause: given }, ticket) {
      const rootCause = completeRootCause(given, ticket.revisions);
      if (isFaults(rootCause))
        return unlessActive(ticket) ?? unlessAccepted(ticket) ?? refuse('root-cause-incomplete', 'The root cause is incomplete', rootCause);
      if (ticket.work.status === 'resolved' && ticket.rootCause !== undefined && same(ticket.rootCause, rootCause)) return [];
      const barred = unlessActive(ticket) ?? unlessAccepted(ticket);
      if (barred) return barred;
      return [
        ...endOfHold(ticket),
        event('TicketResolvedWithRootCause', omitUndefined({ tier: ticket.tier, team: ticket.team, rootCause })),
      ];
    },
  }),

  ResolveWithParent: internal({
    refuses: [],
    late: false,
    decide({ parent, category, article, cause, fix, workaround }: ResolveWithParent, ticket, { effectiveAt }) {
      // Regardless of hand-offs and holds: the fault is gone. A ticket that is already over stays as it is.
      if (unlessActive(ticket) !== undefined) return [];
      // Where it was when the parent was resolved, wherever people have moved it since.
      const { tier, team, category: own } = asOf(ticket, effectiveAt);
      return [
        ...endOfHold(ticket),
        event('TicketResolved', omitUndefined({ tier, team, category: own ?? category, article, cause, fix, workaround, parent })),
      ];
    },
  }),

  ResolveWithAlert: internal({
    refuses: [],
    late: false,
    decide({ alertId, note }: ResolveWithAlert, ticket, { effectiveAt }) {
      if (unlessActive(ticket) !== undefined) return [];
      const { tier, team, category } = asOf(ticket, effectiveAt);
      return [...endOfHold(ticket), event('TicketResolved', omitUndefined({ tier, team, category, fix: note, alert: alertId }))];
    },
  }),

  ReopenTicket: command({
    body: ReopenTicket,
    route: 'POST /v1/tickets/{id}/reopen',
    refuses: [...OVER, 'not-resolved', 'reopen-window-passed'],
    late: false,
    decide({ reason }, ticket, { effectiveAt }, contract) {
      const barred = unlessOver(ticket);
      if (barred) return barred;
      if (resolvedAt(ticket.work) === undefined)
        return ticket.cycle > 1 ? [] : refuse('not-resolved', 'Only a resolved ticket can be reopened');
      if (!canBeReopened(ticket, effectiveAt)) {
        return refuse(
          'reopen-window-passed',
          `A ticket can be reopened within ${contract.reopenWindow / DAY} days of its resolution. Open a new one that follows it`,
        );
      }
      return [reopening(ticket, reason)];
    },
  }),

  CloseTicket: command({
    body: CloseTicket,
    route: 'POST /v1/tickets/{id}/close',
    refuses: [...OVER, 'not-resolved'],
    late: false,
    decide({ note }, ticket) {
      if (ticket.work.status === 'closed') return [];
      const barred = unlessOver(ticket);
      if (barred) return barred;
      return ticket.work.status === 'resolved'
        ? [event('TicketClosed', omitUndefined({ note }))]
        : refuse('not-resolved', 'Only a resolved ticket can be closed');
    },
  }),

  CancelTicket: command({
    body: CancelTicket,
    route: 'POST /v1/tickets/{id}/cancel',
    refuses: [...INACTIVE],
    late: false,
    decide({ reason }, ticket, context) {
      if (ticket.work.status === 'cancelled') return [];
      return unlessActive(ticket) ?? [...untoldEvents(ticket, context), event('TicketCancelled', { reason })];
    },
  }),

  RecordSatisfaction: command({
    body: RecordSatisfaction,
    route: 'POST /v1/tickets/{id}/satisfaction',
    refuses: [...OVER, 'not-resolved', 'satisfaction-recorded'],
    late: true,
    decide({ score, comment }, ticket) {
      if (resolvedAt(ticket.work) === undefined)
        return unlessOver(ticket) ?? refuse('not-resolved', 'Satisfaction can be recorded once the ticket is resolved');
      if (ticket.judgedCycles.includes(ticket.cycle))
        return refuse('satisfaction-recorded', 'This resolution has already been rated: only one rating counts');
      return [event('SatisfactionRecorded', omitUndefined({ cycle: ticket.cycle, score, comment }))];
    },
  }),
} satisfies TicketCommandDefinitions;

/** What a resolution at a tier lacks: L0 and L1 name the category and the article used, L2 the cause and a fix or workaround. */
function missingFromResolution(tier: Tier, resolution: Partial<TicketEvents['TicketResolved']>): readonly Fault[] {
  const faults: Fault[] = [];
  if (tier === 'L2') {
    if (!resolution.cause) faults.push({ field: 'cause', message: 'L2 resolves with the cause' });
    if (!resolution.fix && !resolution.workaround) faults.push({ field: 'fix', message: 'L2 resolves with a fix or a workaround' });
  } else {
    if (!resolution.category) faults.push({ field: 'category', message: `${tier} resolves with a category` });
    if (!resolution.article) faults.push({ field: 'article', message: `${tier} resolves with the article that was used` });
  }
  return faults;
}

/** The complete root cause, or all that is missing or wrong. Events are cited by their revision, below `revisions`. */
function completeRootCause(given: RootCauseBody, revisions: number): RootCause | readonly Fault[] {
  const faults: Fault[] = [];
  const need = (field: string, value: unknown, what: string): void => {
    if (value === undefined) faults.push({ field: `rootCause.${field}`, message: `A root cause must name ${what}` });
  };
  const { category, analysis, permanentFix, workaround, preventiveActions, changeReference, knowledgeArticle, lowerTierCanResolve } = given;
  need('category', category, 'its category');
  need('analysis', analysis, 'the analysis: 5-whys or a narrative');
  if (analysis?.citedEvents.length === 0) {
    faults.push({ field: 'rootCause.analysis.citedEvents', message: 'The analysis must cite the events that prove it' });
  }
  analysis?.citedEvents.forEach((revision, index) => {
    if (revision >= revisions)
      faults.push({
        field: `rootCause.analysis.citedEvents[${index}]`,
        message: `The ticket has no event ${revision}; its last is ${revisions - 1}`,
      });
  });
  need('permanentFix', permanentFix ?? workaround, 'a permanent fix or a workaround');
  need('preventiveActions', preventiveActions?.length ? preventiveActions : undefined, 'preventive actions with their owners');
  need('changeReference', changeReference, 'the reference of the change, or "none"');
  need('knowledgeArticle', knowledgeArticle, 'the knowledge article written or updated');
  need('lowerTierCanResolve', lowerTierCanResolve, 'whether L1 or L2 can do it alone next time');
  if (
    faults.length > 0 ||
    !category ||
    !analysis ||
    !preventiveActions ||
    !changeReference ||
    !knowledgeArticle ||
    lowerTierCanResolve === undefined
  )
    return faults;
  return {
    category,
    analysis: { method: analysis.method, text: analysis.text, citedEvents: [...analysis.citedEvents] },
    ...(permanentFix === undefined ? {} : { permanentFix }),
    ...(workaround === undefined ? {} : { workaround }),
    preventiveActions: preventiveActions.map(({ action, owner }) => ({ action, owner })),
    changeReference,
    knowledgeArticle: { id: knowledgeArticle.id, action: knowledgeArticle.action },
    lowerTierCanResolve,
  };
}

function isFaults(value: RootCause | readonly Fault[]): value is readonly Fault[] {
  return Array.isArray(value);
}
