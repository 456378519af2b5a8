import { Body, Controller, Get, HttpCode, Inject, Post, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore, instantFrom, isRefusal } from '#eventsourcing';
import { JsonBody, QueryParameters } from '#http';
import { type QueryOf } from '#platform';
import { LogIn } from '#ticketing';
import { logInByLink, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { keepSession, refuseCrossOrigin } from './browser-session.js';
import { Caller, type Known, unauthenticated } from './caller.js';
import { documented } from './documented.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});

/** Sessions of people in their browsers. They are ended by a command. */
@Controller('v1/sessions')
export class SessionsController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  @Post()
  @HttpCode(201)
  @documented((openapi) => openapi.documentLogIn())
  async logIn(
    @Body(new JsonBody(LogIn)) { link }: LogIn,
    @Req() request: FastifyRequest,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    // Nobody is logged in as somebody else by a page that they happen to visit.
    refuseCrossOrigin(request);
    const begun = await logInByLink(this.store, link, `Link: ${browserOf(request)}`, request.correlationId);
    if (isRefusal(begun) && (begun.refused === 'link-used' || begun.refused === 'key-not-found')) throw unauthenticated(begun.message);
    const { key, principal, expiresAt, ...session } = unlessRefused(begun);
    keepSession(request, reply, session);
    return { key, principal, expiresAt };
  }

  @Get()
  @documented((openapi) => openapi.documentSessions())
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Known) {
    const asked = { principal: caller.principal, at: instantFrom(Date.now()) };
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.sessions, { ...asked, limit, after })));
    return pageByName('sessions', query, read, ({ key }) => key);
  }
}

/** Who asks. */
@Controller('v1/principal')
export class PrincipalController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentPrincipal())
  async principal(@Query(noQuery) _query: object, @Caller() caller: Known) {
    const principal = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.principal, caller.principal)));
    return { principal, ...(caller.credential === undefined ? {} : { credential: caller.credential }) };
  }
}

/** What a browser calls itself. */
export function browserOf({ headers }: FastifyRequest): string {
  return headers['user-agent']?.slice(0, 150) ?? 'unknown browser';
}
