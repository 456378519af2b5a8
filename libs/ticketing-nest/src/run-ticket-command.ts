import { createHash } from 'node:crypto';
import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  type Actor,
  deterministicId,
  epochMillis,
  EventStore,
  execute,
  type Executed,
  instantFrom,
  isRefusal,
  parseInstant,
  refuse,
  type Refusal,
} from '#eventsourcing';
import { withCorrelation } from '#platform';
import {
  canonicalJson,
  CLOCK_SKEW,
  ticket,
  type TicketCommandName,
  type TicketCommands,
  type TicketEvents,
  ticketUpcasters,
} from '#ticketing';

/** What the sender of a command adds to it. */
export interface TicketCommandContext {
  readonly commandId: string;
  /** Whether this very command may have been sent before. */
  readonly repeatable: boolean;
  readonly actor: Actor;
  readonly correlationId: string;
  /** What led to it: the command itself when a person or a service sent it, an event when a policy did. */
  readonly causationId: string;
  /** The revisions that the ticket may be at; undefined when any will do. */
  readonly ifRevisions?: readonly number[];
}

/** What became of a command. */
export type TicketCommandResult = (Executed<TicketEvents> & { readonly ticketId: string }) | Refusal;

/** Any command of a ticket on its way through the bus: HTTP, policies, timers and imports all send this one. */
export class RunTicketCommand<Name extends TicketCommandName = TicketCommandName> extends Command<TicketCommandResult> {
  constructor(
    /** Undefined for OpenTicket, whose ticket gets an id that follows from the command's. */
    readonly ticketId: string | undefined,
    readonly name: Name,
    readonly body: TicketCommands[Name],
    readonly context: TicketCommandContext,
  ) {
    super();
  }
}

/** The one place that every command passes through. */
@CommandHandler(RunTicketCommand)
export class RunTicketCommandHandler implements ICommandHandler<RunTicketCommand> {
  constructor(@Inject(EventStore) private readonly store: EventStore) {}

  execute(command: RunTicketCommand): Promise<TicketCommandResult> {
    const { correlationId, causationId } = command.context;
    return withCorrelation({ correlationId, causationId }, () => this.#run(command));
  }

  async #run({ ticketId: given, name, body, context }: RunTicketCommand): Promise<TicketCommandResult> {
    const { commandId, repeatable, actor, correlationId, causationId, ifRevisions } = context;
    const ticketId = given ?? deterministicId('ticket', commandId);
    const now = Date.now();
    const effectiveAt = body.effectiveAt === undefined ? instantFrom(now) : parseInstant(body.effectiveAt);
    if (effectiveAt === undefined || epochMillis(effectiveAt) > now + CLOCK_SKEW) {
      return refuse('effective-in-the-future', 'What has not happened yet cannot be recorded', [
        { field: 'effectiveAt', message: `must not be after ${instantFrom(now)}` },
      ]);
    }
    try {
      const result = await execute(
        this.store,
        ticket,
        ticketUpcasters,
        ticketId,
        name,
        body,
        {
          commandId,
          commandDigest: digest(body),
          actor,
          correlationId,
          causationId,
          effectiveAt,
          recordedAt: instantFrom(now),
          ...(ifRevisions === undefined ? {} : { ifRevisions }),
        },
        // Only a command that nobody can have sent before may skip the look at what is there.
        { opens: name === 'OpenTicket' && !repeatable },
      );
      if (!isRefusal(result)) return { ...result, ticketId };
      return result.refused === 'revision-mismatch'
        ? { ...result, message: 'The ticket is at another revision than the one that If-Match names' }
        : result;
    } catch (error) {
      if ((error as { type?: unknown } | null)?.type === 'maximum-append-size-exceeded') {
        return refuse(
          'event-too-large',
          'What this command would record, with what it takes over from the ticket, is larger than the store allows',
        );
      }
      throw error;
    }
  }
}

/** Tells the contents of two commands apart, whatever the order of their fields. */
function digest(body: object): string {
  return createHash('sha256').update(canonicalJson(body)).digest('hex');
}
