import { Body, Controller, Get, HttpCode, Inject, Post, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { instantFrom, isRefusal, type Refusal } from '#eventsourcing';
import { countedAddress, JsonBody, Problem, QueryParameters, RateLimits } from '#http';
import { type QueryOf } from '#platform';
import { LogIn, SetPassword } from '#ticketing';
import { Accounts, type LoggedIn, type LogInContext, type PasskeyProof, type Proof, queries } from '#ticketing-app';
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
    @Inject(Accounts) private readonly accounts: Accounts,
    @Inject(RateLimits) private readonly limits: RateLimits,
  ) {}

  @Post()
  @HttpCode(201)
  @documented((openapi) => openapi.documentLogIn())
  async logIn(
    @Body(new JsonBody(LogIn)) body: LogIn,
    @Req() request: FastifyRequest,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return keep(request, reply, await this.accounts.logIn(passkeyIn(body) ?? proofIn(body), contextOf(request)), this.limits);
  }

  @Get()
  @documented((openapi) => openapi.documentSessions())
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Known) {
    const asked = { principal: caller.principal, at: instantFrom(Date.now()) };
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.sessions, { ...asked, limit, after })));
    return pageByName(['sessions'], query, read, ({ key }) => key);
  }
}

/** Passwords of accounts. */
@Controller('v1/passwords')
export class PasswordsController {
  constructor(
    @Inject(Accounts) private readonly accounts: Accounts,
    @Inject(RateLimits) private readonly limits: RateLimits,
  ) {}

  @Post()
  @HttpCode(201)
  @documented((openapi) => openapi.documentSetPassword())
  async set(
    @Body(new JsonBody(SetPassword)) { newPassword, ...proof }: SetPassword,
    @Req() request: FastifyRequest,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return keep(request, reply, await this.accounts.setPassword(proofIn(proof), newPassword, contextOf(request)), this.limits);
  }
}

/** The asking principal. */
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

/** How a request logs in. @throws Problem forbidden, invalid-header */
function contextOf(request: FastifyRequest): LogInContext {
  // No page can log its visitor in as someone else.
  refuseCrossOrigin(request);
  return { browser: browserOf(request), correlationId: request.correlationId };
}

/** @throws Problem invalid-body */
function proofIn({ link, account, password, code, passkey }: LogIn): Proof {
  if (passkey === undefined) {
    if (link !== undefined && account === undefined && password === undefined) return { link, code };
    if (link === undefined && account !== undefined && password !== undefined) return { account, password, code };
  }
  throw Problem.of('invalid-body', 'Provide either a link, an account and its password, or a passkey', {
    faults: [{ field: 'link', message: 'must be the only one, or replaced by account and password, or a passkey' }],
  });
}

function passkeyIn({ passkey, ...others }: LogIn): PasskeyProof | undefined {
  return passkey !== undefined && Object.values(others).every((other) => other === undefined) ? { passkey } : undefined;
}

/** Stores a new session in the browser. @throws Problem */
async function keep(request: FastifyRequest, reply: FastifyReply, begun: LoggedIn | Refusal, limits: RateLimits) {
  if (isRefusal(begun) && ['link-used', 'key-not-found', 'log-in-failed'].includes(begun.refused)) {
    await limits.noteFailure(countedAddress(request.ip));
    throw unauthenticated(begun.message);
  }
  const { key, principal, expiresAt, ...session } = unlessRefused(begun);
  keepSession(request, reply, session);
  return { key, principal, expiresAt };
}

/** The browser's name for itself. */
export function browserOf({ headers }: FastifyRequest): string {
  return headers['user-agent']?.slice(0, 150) ?? 'unknown browser';
}
