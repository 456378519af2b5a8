import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler, type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EventStore, evolve, type Executed, type Fault, refuse, type Refusal, streamName, upcast } from '#eventsourcing';
import {
  type AgreeContract,
  type ClientContract,
  contract,
  type ContractEvents,
  contracts,
  type ContractState,
  contractUpcasters,
} from '#ticketing';
import { withPublicHolidays } from './public-holidays.js';
import { reached, ReadModels, view } from './read-models.js';
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
    const aggregate = { decider: contract, upcasters: contractUpcasters, noun: 'contract' };
    return runCommand(this.store, aggregate, body.client, 'AgreeContract', { ...body, terms }, context);
  }
}

function isFaults(value: object): value is readonly Fault[] {
  return Array.isArray(value);
}

/** What is agreed with each client, by name. */
export class ContractsQuery extends Query<{ readonly items: readonly ClientContract[]; readonly more: boolean }> {
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

  async execute({ limit, after }: ContractsQuery) {
    const found = await reached(
      view<ClientContract>(this.models, contracts.name)
        .find(after === undefined ? {} : { _id: { $gt: after } }, { projection: { _id: 0, position: 0, revision: 0 } })
        .sort({ _id: 1 })
        .limit(limit + 1)
        .toArray(),
    );
    return { items: found.slice(0, limit) as ClientContract[], more: found.length > limit };
  }
}

/** A client's contract as the log has it now: whoever agreed one is sure that what follows goes by it. `revision` is -1 where there is none. */
export async function readContract(
  store: EventStore,
  client: string,
): Promise<{ readonly state: ContractState; readonly revision: number }> {
  let state: ContractState = contract.initial;
  let revision = -1;
  for await (const stored of store.readStream(streamName(contract.category, client))) {
    const event = upcast<ContractEvents>(contractUpcasters, stored);
    state = evolve(contract, state, event, event.metadata);
    revision = event.revision;
  }
  return { state, revision };
}
