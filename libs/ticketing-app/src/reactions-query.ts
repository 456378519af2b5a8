import { type ReactionOutcome, streamName } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import { policyReactions, type PolicyReaction, ticket } from '#ticketing';
import { type Page, readPage, type Sources } from './read-models.js';

/** Which reactions: all conditions hold at once. */
export interface ReactionsFilter {
  /** At least one command of it ended so. */
  readonly outcome?: ReactionOutcome['outcome'] | undefined;
  readonly policy?: string | undefined;
  readonly client?: string | undefined;
  /** The ticket whose event was reacted to, or to which a command was sent. */
  readonly ticket?: string | undefined;
}

export interface ReactionsAsked {
  readonly filter: ReactionsFilter;
  readonly limit: number;
  /** Position of the last one of the page before. */
  readonly before?: number | undefined;
}

/** What policies did about events, newest first. */
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
