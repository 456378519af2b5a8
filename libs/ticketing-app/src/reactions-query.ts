import { type ReactionOutcome, streamName } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import { policyReactions, type PolicyReaction, ticket } from '#ticketing';
import { type Page, readPage, type Sources } from './read-models.js';

/** Filters for reactions, combined with AND. */
export interface ReactionsFilter {
  /** At least one of its commands had this outcome. */
  readonly outcome?: ReactionOutcome['outcome'] | undefined;
  readonly policy?: string | undefined;
  readonly client?: string | undefined;
  /** The ticket of the triggering event, or of one of the commands. */
  readonly ticket?: string | undefined;
}

export interface ReactionsAsked {
  readonly filter: ReactionsFilter;
  readonly limit: number;
  /** Position of the last item of the previous page. */
  readonly before?: number | undefined;
}

/** Reactions of policies to events, newest first. */
export function readReactions(
  sources: Pick<Sources, 'models'>,
  { filter: { outcome, policy, client, ticket: id }, limit, before }: ReactionsAsked,
): Promise<Page<ViewDocument<PolicyReaction>>> {
  const filter = {
    ...(outcome === undefined ? {} : { 'reactions.outcome': outcome }),
    ...(policy === undefined ? {} : { policy }),
    ...(client === undefined ? {} : { client }),
    ...(id === undefined ? {} : { $or: [{ 'to.stream': streamName(ticket, id) }, { 'reactions.id': id }] }),
    ...(before === undefined ? {} : { position: { $lt: before } }),
  };
  return readPage(sources, policyReactions.name, { filter, sort: { position: -1 }, limit });
}
