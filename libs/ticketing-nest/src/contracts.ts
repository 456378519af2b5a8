import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler, type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EventStore, type Executed, type Fault, readAggregate, refuse, type Refusal } from '#eventsourcing';
import { type AgreeContract, type ClientContract, contract, type ContractEvents, contracts, type ContractState } from '#ticketing';
import { withPublicHolidays } from './public-holidays.js';
import { type Page, readByName, ReadModels } from './read-models.js';
import { runCommand, type SentContext } from './run-command.js';

/** Agrees a contract with a client. */
export class RunAgreeContract extends Command<Executed<ContractEvents> | Refusal> {
  constructor(
    readonly body: AgreeContract,
    readonly context: SentContext,
  ) {
    super();
  }
}

@CommandHandler(RunAgreeContract)
export class RunAgreeContractHandler implements ICommandHandler<RunAgreeContract> {
  constructor(@Inject(EventStore) private readonly store: EventStore) {}

  async execute({ body, context }: RunAgreeContract): Promise<Executed<ContractEvents> | Refusal> {
    const terms = withPublicHolidays(body.terms);
    if (isFaults(terms)) return refuse('contract-invalid', 'The public holidays that the calendar asks for cannot be', terms);
    return runCommand(this.store, contract, body.client, 'AgreeContract', { ...body, terms }, context).finally(() =>
      forgetContract(this.store, body.client),
    );
  }
}

function isFaults(value: object): value is readonly Fault[] {
  return Array.isArray(value);
}

/** What is agreed with each client, by name. */
export class ContractsQuery extends Query<Page<ClientContract>> {
  constructor(
    readonly limit: number,
    /** The client that the page comes after. */
    readonly after?: string,
  ) {
    super();
  }
}

@QueryHandler(ContractsQuery)
export class ContractsHandler implements IQueryHandler<ContractsQuery> {
  constructor(@Inject(ReadModels) private readonly models: ReadModels) {}

  execute({ limit, after }: ContractsQuery): Promise<Page<ClientContract>> {
    return readByName(this.models, contracts.name, limit, after);
  }
}

/** How long a contract that was read may be used again, in milliseconds. */
const FRESH_MS = 1_000;
const MOST_REMEMBERED = 10_000;

interface Remembered {
  readonly readAt: number;
  readonly state: ContractState;
}

const remembered = new WeakMap<EventStore, Map<string, Remembered>>();

/** What was agreed in this process counts at once. */
function forgetContract(store: EventStore, client: string): void {
  remembered.get(store)?.delete(client);
}

/**
 * A client's contract, read at most once a second: reading it for every ticket would halve the pace at which tickets are opened. What
 * another process agrees may so be seen a second late; the timekeeper then rebases the ticket.
 */
export async function recentContract(store: EventStore, client: string): Promise<ContractState> {
  const known = remembered.get(store)?.get(client);
  const readAt = Date.now();
  if (known !== undefined && readAt - known.readAt < FRESH_MS) return known.state;
  // What is forgotten or read anew meanwhile is not remembered: it may be older than what was agreed.
  const contracts = remembered.get(store) ?? new Map<string, Remembered>();
  remembered.set(store, contracts);
  const reading: Remembered = { readAt: 0, state: null };
  contracts.set(client, reading);
  const { state } = await readContract(store, client);
  if (contracts.get(client) === reading) {
    if (contracts.size > MOST_REMEMBERED) contracts.clear();
    contracts.set(client, { readAt, state });
  }
  return state;
}

/** A client's contract as the log has it now: whoever agreed one is sure that what follows goes by it. */
export function readContract(store: EventStore, client: string) {
  return readAggregate(store, contract, client);
}
