import { Body, Controller, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Refusal } from '#eventsourcing';
import { entityTag, formatPosition, JsonBody, QueryParameters, readCommandHeaders } from '#platform';
import { ticketCommands, type PublicCommandName, type TicketCommands } from '#ticketing';
import { RunTicketCommand, type TicketCommandResult } from '#ticketing-nest';
import { documentCommand } from './openapi.js';
import { TicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

/** What a command answers. */
export interface CommandAnswer {
  readonly ticketId: string;
  /** Revision of the ticket after it: also the ETag. */
  readonly revision: number;
  /** Where its last event is in the log; absent when nothing was appended now. */
  readonly position?: string;
  /** True when this very command had been done before. */
  readonly repeated: boolean;
  /** What it led to, or had led to; empty when it was so already. */
  readonly events: readonly { readonly type: string; readonly data: unknown }[];
}

/** One POST for each command of `ticketCommands`: its methods are made from that map, below. */
@Controller('v1/tickets')
export class TicketCommandsController {
  constructor(@Inject(CommandBus) private readonly commands: CommandBus) {}

  async run<Name extends PublicCommandName>(
    name: Name,
    ticketId: string | undefined,
    body: TicketCommands[Name],
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<CommandAnswer> {
    const { commandId, repeatable, actor, ifRevisions } = readCommandHeaders(request.headers, ticketId ?? 'tickets');
    const command = new RunTicketCommand(ticketId, name, body, {
      commandId,
      repeatable,
      actor,
      correlationId: request.correlationId,
      causationId: commandId,
      ...(ifRevisions === undefined ? {} : { ifRevisions }),
    });
    const done = unlessRefused(await this.commands.execute(command));
    void reply.header('ETag', entityTag(done.revision));
    if (ticketId === undefined) void reply.header('Location', `/v1/tickets/${done.ticketId}`);
    return answerOf(done);
  }
}

/** A command that was done, as it is answered. */
export function answerOf({ ticketId, revision, position, repeated, events }: Exclude<TicketCommandResult, Refusal>): CommandAnswer {
  return { ticketId, revision, ...(position === undefined ? {} : { position: formatPosition(position) }), repeated, events };
}

for (const name of Object.keys(ticketCommands) as PublicCommandName[]) {
  const { body, route } = ticketCommands[name];
  const prototype = TicketCommandsController.prototype;
  Object.defineProperty(prototype, name, {
    configurable: true,
    value(
      this: TicketCommandsController,
      content: TicketCommands[typeof name],
      request: FastifyRequest,
      reply: FastifyReply,
      _query: object,
      ticketId?: string,
    ) {
      return this.run(name, ticketId, content, request, reply);
    },
  });
  const opens = route === '';
  Body(new JsonBody<object>(body))(prototype, name, 0);
  Req()(prototype, name, 1);
  Res({ passthrough: true })(prototype, name, 2);
  // There are no parameters, and one that somebody believes in is refused rather than ignored.
  Query(new QueryParameters({}))(prototype, name, 3);
  if (!opens) Param('id', TicketId)(prototype, name, 4);
  const method = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
  for (const decorate of [Post(opens ? '' : `:id/${route}`), HttpCode(opens ? 201 : 200), documentCommand(name)])
    decorate(prototype, name, method);
}
