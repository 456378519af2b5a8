import type { Fault } from '#eventsourcing';
import type { RootCauseBody } from './commands.js';
import type { RootCause } from '../events/ticket.js';
import type { TicketEvents } from '../events/ticket-events.js';
import type { Tier } from '../vocabulary.js';

/** What a resolution at a tier lacks: L0 and L1 name the category and the article used, L2 the cause and a fix or workaround. */
export function missingFromResolution(tier: Tier, resolution: Partial<TicketEvents['TicketResolved']>): readonly Fault[] {
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

/** The root cause when it is complete, or else all that is missing or wrong. Events are cited by their revision, below `revisions`. */
export function completeRootCause(given: RootCauseBody, revisions: number): RootCause | readonly Fault[] {
  const faults: Fault[] = [];
  const need = (field: string, present: unknown, what: string): void => {
    if (present === undefined) faults.push({ field: `rootCause.${field}`, message: `A root cause must name ${what}` });
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
  need('knowledgeArticle', knowledgeArticle, 'the knowledge article that was written or updated');
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
