import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  deterministicId,
  EventStore,
  type Executed,
  instantFrom,
  isRefusal,
  parseInstant,
  readAggregate,
  type Refusal,
  streamName,
  upcast,
} from '#eventsourcing';
import {
  contractInForce,
  everInForce,
  evolveInHindsight,
  pinned,
  type PinnedClocks,
  ticket,
  type TicketCommandName,
  type TicketCommands,
  type TicketEvents,
  type TicketState,
} from '#ticketing';
import { readContract, recentContract } from './contracts.js';
import { runCommand, type SentContext } from './run-command.js';

/** What became of a command. */
export type TicketCommandResult = (Executed<TicketEvents> & { readonly ticketId: string }) | Refusal;

/** Any command of a ticket on its way through the bus. */
export class RunTicketCommand<Name extends TicketCommandName = TicketCommandName> extends Command<TicketCommandResult> {
  constructor(
    /** Undefined for OpenTicket, whose ticket gets an id that follows from the command's. */
    readonly ticketId: string | undefined,
    readonly name: Name,
    readonly body: TicketCommands[Name],
    readonly context: SentContext,
  ) {
    super();
  }
}

@CommandHandler(RunTicketCommand)
export class RunTicketCommandHandler implements ICommandHandler<RunTicketCommand> {
  constructor(@Inject(EventStore) private readonly store: EventStore) {}

  execute(command: RunTicketCommand): Promise<TicketCommandResult> {
    return runTicketCommand(this.store, command);
  }
}

/** Runs a command of a ticket: also for those who have no bus. */
export async function runTicketCommand(
  store: EventStore,
  { ticketId = undefined, name, body, context }: Pick<RunTicketCommand, 'ticketId' | 'name' | 'body' | 'context'>,
): Promise<TicketCommandResult> {
  const id = ticketId ?? deterministicId('ticket', context.commandId);
  const { needs } = ticket.commands[name];
  const given = needs === undefined ? undefined : lookups[needs];
  const result = await runCommand(store, ticket, id, name, body, context, {
    opens: name === 'OpenTicket',
    ...(given && { given: (state: TicketState, revision: number) => given(store, id, body, state, revision) as Promise<never> }),
  });
  return isRefusal(result) ? result : { ...result, ticketId: id };
}

/** What commands need to know from outside their ticket, by the name in their `needs`. */
const lookups: Readonly<
  Record<string, (store: EventStore, id: string, body: object, state: TicketState, revision: number) => Promise<unknown>>
> = {
  'contract-in-force': (store, _id, body) => contractFor(store, body as TicketCommands['OpenTicket']),
  'clocks-in-hindsight': async (store, id, _body, state, revision) => {
    if (state === null) return undefined;
    const agreed = everInForce((await readContract(store, state.client)).state, tzdata);
    let clocks: PinnedClocks | null = null;
    for await (const stored of store.readStream(streamName(ticket, id))) {
      if (stored.revision > revision) break;
      const event = upcast(ticket, stored);
      clocks = evolveInHindsight(agreed, clocks, event, event.metadata);
    }
    return clocks ?? undefined;
  },
};

/** A ticket as the log has it now. */
export function readTicket(store: EventStore, id: string) {
  return readAggregate(store, ticket, id);
}

/** What a ticket is opened under: its client's contract as it was in force when it was opened. */
async function contractFor(store: EventStore, { client, effectiveAt }: TicketCommands['OpenTicket']) {
  const at = effectiveAt === undefined ? undefined : parseInstant(effectiveAt);
  const version = contractInForce(await recentContract(store, client), at ?? instantFrom(Date.now()));
  return version && pinned(version, tzdata);
}

/** Version of the time zone data of this process. */
export const tzdata: string = process.versions.tz ?? 'unknown';
