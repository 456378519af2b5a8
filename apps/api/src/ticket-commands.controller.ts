import { Body, Controller, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { JsonBody, QueryParameters } from '#http';
import { isPublic, ticket, type PublicCommandName, type TicketCommands } from '#ticketing';
import { RunTicketCommand } from '#ticketing-nest';
import { answerWithTag, type CommandAnswer, sentWith } from './command-answer.js';
import { documentCommand } from './openapi.js';
import { TicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

/** One POST for each command of a ticket that has a route: its methods are made from those, below. */
@Controller()
export class TicketCommandsController {
  constructor(@Inject(CommandBus) private readonly commands: CommandBus) {}

  async run<Name extends PublicCommandName>(
    name: Name,
    ticketId: string | undefined,
    body: TicketCommands[Name],
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<{ readonly ticketId: string } & CommandAnswer> {
    const sent = sentWith(request, ticketId ?? 'tickets');
    const done = unlessRefused(await this.commands.execute(new RunTicketCommand(ticketId, name, body, sent)));
    if (ticketId === undefined) void reply.header('Location', `/v1/tickets/${done.ticketId}`);
    return answerWithTag(reply, { ticketId: done.ticketId }, done);
  }
}

for (const name of Object.keys(ticket.commands).filter(isPublic)) {
  const { body, route } = ticket.commands[name];
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
  const path = route.replace('POST /', '').replace('{id}', ':id');
  const opens = !path.includes(':id');
  Body(new JsonBody<object>(body))(prototype, name, 0);
  Req()(prototype, name, 1);
  Res({ passthrough: true })(prototype, name, 2);
  // There are no parameters, and one that somebody believes in is refused rather than ignored.
  Query(new QueryParameters({}))(prototype, name, 3);
  if (!opens) Param('id', TicketId)(prototype, name, 4);
  const method = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
  for (const decorate of [Post(path), HttpCode(opens ? 201 : 200), documentCommand(name)]) decorate(prototype, name, method);
}
