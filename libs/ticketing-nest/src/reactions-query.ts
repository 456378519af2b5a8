import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { type ReactionOutcome, streamName } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import { policyReactions, type PolicyReaction, ticket } from '#ticketing';
import { type Page, ReadModels, readPage } from './read-models.js';

/** Which reactions: all conditions hold at once. */
export interface ReactionsFilter {
  /** At least one command of it ended so. */
  readonly outcome?: ReactionOutcome['outcome'] | undefined;
  readonly policy?: string | undefined;
  readonly client?: string | undefined;
  /** The ticket whose event was reacted to, or to which a command was sent. */
  readonly ticket?: string | undefined;
}

/** What policies did about events, newest first. */
export class ReactionsQuery extends Query<Page<ViewDocument<PolicyReaction>>> {
  constructor(
    readonly filter: ReactionsFilter,
    readonly limit: number,
    /** Position of the last one of the page before. */
    readonly before?: number,
  ) {
    super();
  }
}

@QueryHandler(ReactionsQuery)
export class ReactionsHandler implements IQueryHandler<ReactionsQuery> {
  constructor(@Inject(ReadModels) private readonly models: ReadModels) {}

  execute({ filter: { outcome, policy, client, ticket: id }, limit, before }: ReactionsQuery): Promise<Page<ViewDocument<PolicyReaction>>> {
    const filter = {
      ...(outcome === undefined ? {} : { 'reactions.outcome': outcome }),
      ...(policy === undefined ? {} : { policy }),
      ...(client === undefined ? {} : { client }),
      ...(id === undefined ? {} : { $or: [{ 'to.stream': streamName(ticket, id) }, { 'reactions.id': id }] }),
      ...(before === undefined ? {} : { position: { $lt: before } }),
    };
    return readPage(this.models, policyReactions.name, { filter, sort: { position: -1 }, limit });
  }
}
