import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler, type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EventStore, type Executed, isRefusal, readAggregate, refuse, type Refusal } from '#eventsourcing';
import {
  isSaved,
  type TicketFilter,
  ticketFilter,
  type TicketFilterCommands,
  type TicketFilterEvents,
  type TicketListText,
  ticketFilters,
} from '#ticketing';
import { type Page, readByName, ReadModels } from './read-models.js';
import { runCommand, type SentContext } from './run-command.js';
import { readSavedQuery, type TicketListAsked } from './ticket-list-parameters.js';

/** Any command of a saved filter. */
export class RunTicketFilterCommand<Name extends keyof TicketFilterCommands = keyof TicketFilterCommands> extends Command<
  Executed<TicketFilterEvents> | Refusal
> {
  constructor(
    readonly filter: string,
    readonly name: Name,
    readonly body: TicketFilterCommands[Name],
    readonly context: SentContext,
  ) {
    super();
  }
}

@CommandHandler(RunTicketFilterCommand)
export class RunTicketFilterCommandHandler implements ICommandHandler<RunTicketFilterCommand> {
  constructor(@Inject(EventStore) private readonly store: EventStore) {}

  async execute({ filter, name, body, context }: RunTicketFilterCommand): Promise<Executed<TicketFilterEvents> | Refusal> {
    if ('query' in body) {
      const { faults } = readSavedQuery(body.query as TicketListText);
      if (faults.length > 0) return refuse('filter-invalid', 'The list of tickets cannot be filtered so', faults);
    }
    return runCommand(this.store, ticketFilter, filter, name, body, context);
  }
}

/** Every saved filter, by name. */
export class TicketFiltersQuery extends Query<Page<TicketFilter>> {
  constructor(
    readonly limit: number,
    /** The filter that the page comes after. */
    readonly after?: string,
  ) {
    super();
  }
}

@QueryHandler(TicketFiltersQuery)
export class TicketFiltersHandler implements IQueryHandler<TicketFiltersQuery> {
  constructor(@Inject(ReadModels) private readonly models: ReadModels) {}

  execute({ limit, after }: TicketFiltersQuery): Promise<Page<TicketFilter>> {
    return readByName(this.models, ticketFilters.name, limit, after);
  }
}

/** A filter as the log has it now: what was saved counts at once. Refused (`filter-not-found`) when there is none. */
export async function readTicketFilter(
  store: EventStore,
  name: string,
): Promise<{ readonly filter: TicketFilter; readonly revision: number } | Refusal> {
  const { state, revision } = await readAggregate(store, ticketFilter, name);
  return isSaved(state) ? { filter: state, revision } : refuse('filter-not-found', 'There is no such filter');
}

/** What a saved filter asks for. Refused when there is none, or it asks for what the list no longer knows. */
export async function savedTicketList(store: EventStore, name: string): Promise<TicketListAsked | Refusal> {
  const found = await readTicketFilter(store, name);
  if (isRefusal(found)) return found;
  const { values, faults } = readSavedQuery(found.filter.query);
  return faults.length === 0
    ? values
    : refuse('filter-invalid', 'The saved filter asks for what the list no longer knows: save it anew', faults);
}
