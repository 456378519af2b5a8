import { type ReactionOutcome, streamName } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import { policyReactions, type PolicyReaction, ticket } from '#ticketing';
import { type NewestFirst, type Page, readNewest, type Sources } from './read-models.js';

/** Filters for reactions, combined with AND. */
export interface ReactionsFilter {
  /** At least one of its commands had this outcome. */
  readonly outcome?: ReactionOutcome['outcome'] | undefined;
  readonly policy?: string | undefined;
  readonly client?: string | undefined;
  /** The ticket of the triggering event, or of one of the commands. */
  readonly ticket?: string | undefined;
}

/** Reactions of policies to events, newest first. */
export function readReactions(
  sources: Pick<Sources, 'models'>,
  { filter: { outcome, policy, client, ticket: id }, ...page }: NewestFirst<ReactionsFilter>,
): Promise<Page<ViewDocument<PolicyReaction>>> {
  const filter = {
    ...(outcome === undefined ? {} : { 'reactions.outcome': outcome }),
    ...(policy === undefined ? {} : { policy }),
    ...(client === undefined ? {} : { client }),
    ...(id === undefined ? {} : { $or: [{ 'to.stream': streamName(ticket, id) }, { 'reactions.id': id }] }),
  };
  return readNewest(sources, policyReactions.name, { filter, ...page });
}
