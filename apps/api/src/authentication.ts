import { type EventStore, instantFrom } from '#eventsourcing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { countedAddress, loggedUrl, Problem, problemOfStores, type RateLimits, readOnBehalfOf, sendProblem } from '#http';
import type { Identified, IdentityProvider, Unavailable } from '#oidc';
import type { JsonLog, LogInConfig } from '#platform';
import type { Credential } from '#ticketing';
import { credentialIdIn, findCredential, type KnownCredential, type Revocations, type Standing } from '#ticketing-app';
import { noSession, refuseForged, sessionTokenIn } from './browser-session.js';
import { HOW, type Known, unauthenticated } from './caller.js';
import { KeyUse } from './key-use.js';
import { RefusedTokens } from './refused-tokens.js';
import { ticketProblems } from './ticket-problems.js';

/** Routes that need no authentication. */
const OPEN: ReadonlySet<string> = new Set([
  'GET /',
  'GET /health/live',
  'GET /health/ready',
  'GET /openapi.json',
  'GET /asyncapi.json',
  'GET /docs',
  'GET /docs/start.js',
  'GET /docs/:file',
  'GET /schemas',
  'GET /schemas/:file',
  'GET /login',
  'GET /login/oidc',
  'GET /login/callback',
  'POST /login/oidc/log-out',
  'POST /login/oidc/back-channel',
  'GET /login/:file',
  'POST /v1/sessions',
  'POST /v1/passkey-challenges',
  'POST /v1/passwords',
]);

/** Routes that also answer unauthenticated callers: they decide themselves what to show. */
const FOR_ANYBODY: ReadonlySet<string> = new Set(['GET /v1/status/:client', 'GET /status/:client']);

const KEYS_BEGIN_WITH = 'tierline_';
const NOT_VALID = 'The key or token is not valid';

/** Needed to enrol a second factor, and to log out. */
const TO_ENROL = /^\/v1\/(own-account|principal$|sessions)/;

/** Not limited: callers restart a process that does not answer. */
const HEALTH = /^\/health\//;

/** Dependencies of authentication. */
export interface Authentication {
  readonly store: EventStore;
  /** Closed with the application. */
  readonly revocations: Revocations;
  readonly identityProvider?: IdentityProvider;
  readonly limits: RateLimits;
  /** Sessions of accounts with these roles can do nothing until a second factor is enrolled. */
  readonly logIn: Pick<LogInConfig, 'secondFactorRoles'>;
  readonly log: JsonLog;
}

/**
 * Identifies the sender of each request before anything else, and counts it against their limit. Only open routes work without a sender.
 * Call it after `prepareHttp`, before `app.init()`.
 */
export function authenticate(
  app: NestFastifyApplication,
  { store, revocations, identityProvider, limits, logIn, log }: Authentication,
): void {
  const server = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  const use = new KeyUse(store, log);
  const refused = new RefusedTokens();

  /** The credential of a token. @throws Problem unauthenticated, Problem rate-limited, StoreUnavailable */
  const find = async (token: string, form: Credential['form'], request: FastifyRequest): Promise<KnownCredential> => {
    const isKnown = use.isKnown(credentialIdIn(token) ?? '');
    // Others at the address of someone who guesses are not kept out.
    if (!isKnown) await limits.refuseWaiting(countedAddress(request.ip));
    const sent = `${form} ${token}`;
    const now = performance.now();
    const found = refused.isFresh(sent, now) ? undefined : await findCredential(store, token, instantFrom(Date.now()));
    if (found?.form === form) {
      use.note(found);
      return found;
    }
    if (refused.add(sent, now)) await limits.noteFailure(countedAddress(request.ip));
    // Unknown, revoked and expired keys, and wrong secrets, look the same.
    throw form === 'key'
      ? unauthenticated(NOT_VALID)
      : unauthenticated('The session is over: log in at /login', { 'Set-Cookie': noSession(request) });
  };

  const lacksSecondFactor = ({ hasSecondFactor, principal: { roles } }: KnownCredential) =>
    hasSecondFactor === false && roles.some((role) => logIn.secondFactorRoles.includes(role));

  const sessionOf = async (request: FastifyRequest): Promise<KnownCredential> => {
    const token = sessionTokenIn(request);
    if (token === undefined) throw unauthenticated(HOW);
    const found = await find(token, 'session', request);
    refuseForged(request);
    if (lacksSecondFactor(found) && !isToEnrol(request)) {
      const detail = 'Your role requires a second factor: enrol an authenticator first (/login)';
      throw new Problem('second-factor-missing', ticketProblems['second-factor-missing'], detail);
    }
    return found;
  };

  const callerOf = async (request: FastifyRequest, reply: FastifyReply): Promise<Known> => {
    const bearer = bearerTokenIn(request);
    if (bearer !== undefined && identityProvider !== undefined && !bearer.startsWith(KEYS_BEGIN_WITH)) {
      const identified = await identify(identityProvider, bearer, log);
      return { principal: identified.principal, ended: endOf(identified, reply, revocations) };
    }
    const found = bearer === undefined ? await sessionOf(request) : await find(bearer, 'key', request);
    return { ...askerOf(found, request), ended: endOf(found, reply, revocations) };
  };

  server.decorateRequest('caller', null);
  server.addHook('onRequest', async (request, reply) => {
    try {
      if (isAmong(OPEN, request) || (isAmong(FOR_ANYBODY, request) && hasNoCredentials(request))) {
        if (request.method === 'POST') await limits.refuseWaiting(countedAddress(request.ip));
        if (!HEALTH.test(request.url)) await limits.take(reply, 'address', countedAddress(request.ip));
        return undefined;
      }
      request.caller = await callerOf(request, reply).catch(async (error: unknown) => {
        // An unknown sender is identified by the address.
        if (error instanceof Problem && error.code === 'unauthenticated') await limits.take(reply, 'address', countedAddress(request.ip));
        throw error;
      });
      await takeOf(request.caller, limits, reply);
      return undefined;
    } catch (error) {
      const problem = problemOfStores(error, false);
      if (problem === undefined) throw error;
      if (problem.kind.status >= 500)
        log.warn(
          { code: problem.code, method: request.method, url: loggedUrl(request.url), correlationId: request.correlationId },
          problem.message,
        );
      sendProblem(problem, request, reply);
      return reply;
    }
  });
  server.addHook('onClose', () => Promise.all([use.settled(), revocations.close()]).then(() => {}));
}

/** Aborts when the caller may no longer have the answer. A running answer is then cut off, whatever it is. */
function endOf(standing: Standing, reply: FastifyReply, revocations: Revocations): AbortSignal {
  const ending = new AbortController();
  const { raw } = reply;
  const leave = revocations.watch(standing, () => {
    ending.abort(unauthenticated('The session or key has expired or was revoked'));
    // The sender of the answer may end it as its readers expect.
    setImmediate(() => raw.headersSent && !raw.writableEnded && raw.destroy());
  });
  raw.once('close', leave);
  return ending.signal;
}

function isToEnrol({ routeOptions }: FastifyRequest): boolean {
  return TO_ENROL.test(routeOptions.url ?? '');
}

function isAmong(routes: ReadonlySet<string>, { method, routeOptions }: FastifyRequest): boolean {
  return routes.has(`${method === 'HEAD' ? 'GET' : method} ${routeOptions.url}`);
}

function hasNoCredentials(request: FastifyRequest): boolean {
  return !request.headers.authorization && sessionTokenIn(request) === undefined;
}

/**
 * Counts against the caller's limit.
 * @param weight number of requests to count
 * @throws Problem rate-limited
 */
export function takeOf({ principal: { kind, id } }: Known, limits: RateLimits, reply: FastifyReply, weight = 1): Promise<void> {
  return limits.take(reply, kind === 'service' ? 'service' : 'person', `${kind} ${id}`, weight);
}

/** The token of an Authorization header; undefined if there is none. @throws Problem unauthenticated for another scheme */
function bearerTokenIn({ headers: { authorization } }: FastifyRequest): string | undefined {
  if (authorization === undefined) return undefined;
  const token = /^Bearer +([\x21-\x7e]{1,8192}) *$/i.exec(authorization)?.[1];
  if (token === undefined) throw unauthenticated(NOT_VALID);
  return token;
}

/** @throws Problem unauthenticated, Problem identity-provider-unavailable */
async function identify(provider: IdentityProvider, token: string, log: JsonLog): Promise<Identified> {
  const found = await provider.identify(token);
  if ('principal' in found) return found;
  if ('unavailable' in found) throw providerUnavailable(found, log);
  log.debug({ reason: found.unknown }, 'a token of the identity provider was refused');
  throw unauthenticated(NOT_VALID);
}

export function providerUnavailable({ unavailable: err }: Unavailable, log: JsonLog): Problem {
  log.warn({ err }, 'the identity provider is not responding');
  return Problem.of('identity-provider-unavailable', 'The identity provider is not responding, so the request cannot be authenticated', {
    headers: { 'Retry-After': '5' },
  });
}

/** @throws Problem forbidden if the key does not open the route */
function askerOf(
  { principal, routes, key, form, account, expiresAt }: Credential,
  { method, url, headers }: FastifyRequest,
): Omit<Known, 'ended'> {
  const path = url.split('?', 1)[0] ?? '';
  if (routes !== undefined && !routes.some((route) => opens(route, method, path)))
    throw Problem.of('forbidden', 'The key is not valid for this route');
  const onBehalfOf = principal.onBehalfOf === true ? readOnBehalfOf(headers)?.id : undefined;
  const credential = { key, form, ...(expiresAt === undefined ? {} : { expiresAt }) };
  return {
    principal,
    credential,
    ...(form === 'session' && account !== undefined && { account }),
    ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
  };
}

/** Whether a route of a key, such as `GET /v1/tickets`, is that of a request, or a parent of it. */
function opens(route: string, method: string, path: string): boolean {
  const [verb, prefix = ''] = route.split(' ', 2);
  return (verb === method || (verb === 'GET' && method === 'HEAD')) && (path === prefix || path.startsWith(`${prefix}/`));
}
