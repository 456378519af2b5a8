import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore, type Fault, instantFrom, parseInstant } from '#eventsourcing';
import { entityTag, JsonBody, Problem, QueryParameters } from '#http';
import { type QueryOf } from '#platform';
import { CLIENTS_NOT_NAMED, isRouteOfKey, IssueKey, isValid, principalOfKey } from '#ticketing';
import { type Asker, issueCredential, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { sentWith, taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { KnownRoutes } from './known-routes.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});

/** Keys of services and assistants. They are revoked by a command. */
@Controller('v1/api-keys')
export class KeysController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(KnownRoutes) private readonly routes: KnownRoutes,
  ) {}

  @Post()
  @HttpCode(201)
  @documented((openapi) => openapi.documentIssueKey())
  async issue(
    @Body(new JsonBody(IssueKey)) body: IssueKey,
    @Req() request: FastifyRequest,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ readonly key: string; readonly token: string; readonly revision: number }> {
    const principal = principalOfKey(body);
    if (principal === undefined) throw invalid(CLIENTS_NOT_NAMED);
    for (const [index, route] of (body.routes ?? []).entries()) {
      const field = `routes[${index}]`;
      if (!isRouteOfKey(route)) throw invalid({ field, message: 'must be a method and a path, such as GET /v1/tickets' });
      if (!this.routes.hasAtOrBelow(route)) throw invalid({ field, message: 'must be a route that exists, or above one: see /docs' });
    }
    const { label, routes } = body;
    const expiresAt = body.expiresAt === undefined ? undefined : parseInstant(body.expiresAt);
    if (!isValid({ expiresAt }, instantFrom(Date.now()))) throw invalid({ field: 'expiresAt', message: 'must be in the future' });
    const issuing = { form: 'key', label, principal, ...(routes && { routes }), ...(expiresAt && { expiresAt }) } as const;
    const issued = unlessRefused(await issueCredential(this.store, issuing, sentWith(request, 'api-keys')));
    void reply.headers({ Location: `/v1/api-keys/${issued.key}`, ETag: entityTag(issued.revision) });
    return issued;
  }

  @Get()
  @documented((openapi) => openapi.documentKeys())
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.keys, { limit, after })));
    return pageByName(['keys'], query, read, ({ key }) => key);
  }

  @Get(':key')
  @documented((openapi) => openapi.documentKey())
  async one(
    @Param('key', new PathName('key-not-found', 'There is no such key')) key: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.key, { key }))));
  }
}

function invalid(fault: Fault): Problem {
  return Problem.of('invalid-body', 'A field of the body is invalid', { faults: [fault] });
}
