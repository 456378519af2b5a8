import {
  Body,
  Controller,
  Delete,
  HttpCode,
  Inject,
  Param,
  type PipeTransform,
  Post,
  Put,
  Query,
  Req,
  Res,
  type Type,
} from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Aggregate, Route } from '#eventsourcing';
import { JsonBody, QueryParameters } from '#http';
import { ticket } from '#ticketing';
import { RunCommand } from '#ticketing-nest';
import { answerAborted, callerOf, whenLeft } from './caller.js';
import { answerWithTag, sentWith } from './command-answer.js';
import { documented } from './documented.js';
import { PathName } from './path-name.js';
import { TicketId } from './ticket-id.js';
import { type DomainProblemCode, ticketProblems, unlessRefused } from './ticket-problems.js';

const methods = { POST: Post, PUT: Put, DELETE: Delete };
const noQuery = new QueryParameters({});

/** A controller with a method for each command of an aggregate that has a route. */
export function commandsController(aggregate: Aggregate): Type {
  @Controller()
  class CommandsController {
    constructor(@Inject(CommandBus) private readonly commands: CommandBus) {}

    async run(name: string, body: object, request: FastifyRequest, reply: FastifyReply, inPath: string | undefined) {
      const inBody = (body as Readonly<Record<string, unknown>>)[aggregate.idName];
      const id = inPath ?? (typeof inBody === 'string' ? inBody : undefined);
      const caller = callerOf(request);
      let left: AbortSignal | undefined;
      const sent = { ...sentWith(request, keyScope(aggregate, id)), whenLeft: () => (left ??= whenLeft(caller, reply)) };
      const ran = this.commands.execute(new RunCommand(aggregate, id, name, body, sent));
      const result = await ran.catch((error: unknown) => {
        if (left?.aborted) return answerAborted(caller);
        throw error;
      });
      if (result === undefined) return undefined;
      const done = unlessRefused(result);
      if (id === undefined) void reply.code(201).header('Location', `${request.routeOptions.url}/${done.id}`);
      return answerWithTag(reply, { [aggregate.idName]: done.id }, done);
    }
  }
  const { prototype } = CommandsController;
  for (const [name, { route, body }] of Object.entries(aggregate.commands)) {
    if (route === undefined) continue;
    const { method, path, names } = placesOf(route);
    const [id, ...others] = names;
    Object.defineProperty(prototype, name, {
      configurable: true,
      value(this: CommandsController, request: FastifyRequest, reply: FastifyReply, _query: object, inPath?: string, ...more: unknown[]) {
        // Without a body, the names in the path are the only content.
        const content =
          body === undefined ? Object.fromEntries(names.map((field, index) => [field, [inPath, ...more][index]])) : (more[0] as object);
        return this.run(name, content, request, reply, inPath);
      },
    });
    Req()(prototype, name, 0);
    Res({ passthrough: true })(prototype, name, 1);
    // There are no parameters: an unknown one is refused rather than ignored.
    Query(noQuery)(prototype, name, 2);
    if (id !== undefined) Param(id, nameInPath(id, aggregate))(prototype, name, 3);
    for (const [index, other] of others.entries()) Param(other, nameInPath(other, aggregate))(prototype, name, 4 + index);
    if (body !== undefined) Body(new JsonBody<object>(body))(prototype, name, 4);
    const property = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
    for (const decorate of [methods[method](path), HttpCode(200), documented((openapi) => openapi.documentCommand(aggregate, name))])
      decorate(prototype, name, property);
  }
  return CommandsController;
}

/** The parts of a route: its path in Nest's notation and the names in it, the aggregate's first. */
function placesOf(route: Route) {
  const [method = '', path = ''] = route.split(' ', 2);
  return {
    method: method as keyof typeof methods,
    path: path.replace(/\{(\w+)\}/g, ':$1'),
    names: [...path.matchAll(/\{(\w+)\}/g)].map(([, field = '']) => field),
  };
}

/** Refusals of impossible names in a path. */
const notFound: Readonly<Record<string, DomainProblemCode>> = {
  team: 'team-not-found',
  agent: 'agent-not-found',
  schedule: 'on-call-not-found',
  overrideId: 'override-not-found',
  name: 'filter-not-found',
  key: 'key-not-found',
  webhook: 'webhook-not-found',
  report: 'report-not-found',
  account: 'account-not-found',
  passkey: 'passkey-not-found',
  problemId: 'problem-not-found',
  article: 'article-not-found',
  questionId: 'question-not-found',
  form: 'form-not-found',
  client: 'privacy-not-found',
  'maintenance/client': 'maintenance-not-found',
  source: 'alert-source-not-found',
  task: 'task-not-found',
  majorIncident: 'major-incident-not-found',
};

function nameInPath(field: string, aggregate: Aggregate): PipeTransform<string, string> | Type<PipeTransform<string, string>> {
  const code = notFound[`${aggregate.category}/${field}`] ?? notFound[field];
  if (aggregate === ticket) return TicketId;
  if (code === undefined) throw new Error(`there is no problem code for a missing ${field}`);
  return new PathName(code, ticketProblems[code].title);
}

/** Scope of an idempotency key. Changing it would turn a command repeated after an upgrade into another one. */
function keyScope(aggregate: Aggregate, id: string | undefined): string {
  if (id === undefined) return `${aggregate.noun}s`;
  return aggregate === ticket ? id : `${aggregate.category}/${id}`;
}
