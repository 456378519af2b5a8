import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { deterministicId, EventStore, type Executed, instantFrom, isRefusal, parseInstant, type Refusal, streamName } from '#eventsourcing';
import {
  contractInForce,
  everInForce,
  pinned,
  ticket,
  type TicketCommandName,
  type TicketCommands,
  type TicketEvents,
  type TicketState,
  ticketInHindsight,
  ticketUnder,
  ticketUpcasters,
} from '#ticketing';
import { readContract, recentContract } from './contracts.js';
import { readAggregate, runCommand, type SentContext } from './run-command.js';

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
  const opens = name === 'OpenTicket';
  const decider = await deciderFor(store, id, name, body);
  const result = await runCommand(store, { decider, upcasters: ticketUpcasters, noun: 'ticket' }, id, name, body, context, { opens });
  return isRefusal(result) ? result : { ...result, ticketId: id };
}

/** Most commands decide by what the ticket's own events hold; these two by what is agreed with its client, too. */
async function deciderFor(store: EventStore, id: string, name: TicketCommandName, body: TicketCommands[TicketCommandName]) {
  switch (name) {
    case 'OpenTicket':
      return ticketUnder(await contractFor(store, body as TicketCommands['OpenTicket']));
    case 'RestateSla': {
      for await (const { metadata } of store.readStream(streamName(ticket.category, id))) {
        const { state } = await readContract(store, metadata.client);
        return ticketInHindsight(everInForce(state, tzdata));
      }
      return ticket;
    }
    default:
      return ticket;
  }
}

/** A ticket as the log has it now. */
export function readTicket(store: EventStore, id: string) {
  return readAggregate<TicketEvents, TicketState>(store, ticketUnder(), ticketUpcasters, id);
}

/** What a ticket is opened under: its client's contract as it was in force when it was opened. */
async function contractFor(store: EventStore, { client, effectiveAt }: TicketCommands['OpenTicket']) {
  const at = effectiveAt === undefined ? undefined : parseInstant(effectiveAt);
  const version = contractInForce(await recentContract(store, client), at ?? instantFrom(Date.now()));
  return version && pinned(version, tzdata);
}

/** Version of the time zone data of this process. */
export const tzdata: string = process.versions.tz ?? 'unknown';
