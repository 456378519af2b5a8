import { deterministicId, type EventStore, instantFrom } from '#eventsourcing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem, problemOfStores, readOnBehalfOf, sendProblem } from '#http';
import type { IdentityProvider, Unavailable } from '#oidc';
import type { JsonLog } from '#platform';
import { type Credential, credential, type Principal } from '#ticketing';
import { findCredential, runSystemCommand, today } from '#ticketing-app';
import { noSession, refuseForged, sessionTokenIn } from './browser-session.js';
import { HOW, type Known, unauthenticated } from './caller.js';

/** Routes that answer whoever asks. */
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
  'GET /login/:file',
  'POST /v1/sessions',
  'POST /v1/passwords',
]);

const KEYS_BEGIN_WITH = 'tierline_';
const NOT_VALID = 'The key or token is not valid';

/** Notes when keys are used: once a day each. */
class KeyUse {
  readonly #noted = new Map<string, string>();
  readonly #noting = new Set<Promise<void>>();

  constructor(
    private readonly store: EventStore,
    private readonly log: JsonLog,
  ) {}

  note({ key, lastUsedOn }: Credential): void {
    const on = today();
    if (lastUsedOn === on || this.#noted.get(key) === on) return;
    this.#noted.set(key, on);
    const commandId = deterministicId('key-use', key, on);
    const context = {
      commandId,
      actor: { id: 'authentication', kind: 'system' as const },
      correlationId: commandId,
      causationId: commandId,
    };
    const noting = runSystemCommand(this.store, { aggregate: credential, id: key, name: 'NoteCredentialUse', body: { on }, context })
      .then(
        () => {},
        (error: unknown) => {
          this.#noted.delete(key);
          this.log.warn({ err: error, key }, 'that a key was used could not be noted');
        },
      )
      .finally(() => this.#noting.delete(noting));
    this.#noting.add(noting);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#noting);
  }
}

/** Says who sent a request before anything else is done with it. Nothing but what is open goes on without. Call it after `prepareHttp`, before `app.init()`. */
export function authenticate(
  app: NestFastifyApplication,
  { store, identityProvider, log }: { readonly store: EventStore; readonly identityProvider?: IdentityProvider; readonly log: JsonLog },
): void {
  const server = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  const use = new KeyUse(store, log);
  server.decorateRequest('caller', null);
  server.addHook('onRequest', async (request, reply) => {
    if (OPEN.has(`${request.method === 'HEAD' ? 'GET' : request.method} ${request.routeOptions.url}`)) return undefined;
    try {
      const bearer = bearerTokenIn(request);
      if (bearer !== undefined && identityProvider !== undefined && !bearer.startsWith(KEYS_BEGIN_WITH)) {
        request.caller = { principal: await identify(identityProvider, bearer, log) };
        return undefined;
      }
      const found = await (bearer === undefined ? sessionOf(store, request) : keyOf(store, bearer));
      if (found.lastUsedOn === undefined || found.lastUsedOn < today()) use.note(found);
      request.caller = askerOf(found, request);
      return undefined;
    } catch (error) {
      const problem = problemOfStores(error);
      if (problem === undefined) throw error;
      if (problem.kind.status >= 500)
        log.warn({ code: problem.code, method: request.method, url: request.url, correlationId: request.correlationId }, problem.message);
      sendProblem(problem, request, reply);
      return reply;
    }
  });
  server.addHook('onClose', () => use.settled());
}

/** The token of an Authorization header; undefined where there is none. @throws Problem unauthenticated for one of another scheme */
function bearerTokenIn({ headers: { authorization } }: FastifyRequest): string | undefined {
  if (authorization === undefined) return undefined;
  const token = /^Bearer +([\x21-\x7e]{1,8192}) *$/i.exec(authorization)?.[1];
  if (token === undefined) throw unauthenticated(NOT_VALID);
  return token;
}

/** @throws Problem unauthenticated, StoreUnavailable */
async function keyOf(store: EventStore, token: string): Promise<Credential> {
  const found = await findCredential(store, token, instantFrom(Date.now()));
  // Nothing tells a key that never was from one that was revoked, has ended, or has another secret.
  if (found?.form !== 'key') throw unauthenticated(NOT_VALID);
  return found;
}

/** @throws Problem unauthenticated, Problem identity-provider-unavailable */
async function identify(provider: IdentityProvider, token: string, log: JsonLog): Promise<Principal> {
  const found = await provider.identify(token);
  if ('principal' in found) return found.principal;
  if ('unavailable' in found) throw providerUnavailable(found, log);
  log.debug({ reason: found.unknown }, 'a token of the identity provider was refused');
  throw unauthenticated(NOT_VALID);
}

export function providerUnavailable({ unavailable: err }: Unavailable, log: JsonLog): Problem {
  log.warn({ err }, 'the identity provider does not answer');
  return Problem.of('identity-provider-unavailable', 'The identity provider does not answer: who asks cannot be known', {
    headers: { 'Retry-After': '5' },
  });
}

/** @throws Problem unauthenticated, Problem forbidden for what a page of another origin sends, StoreUnavailable */
async function sessionOf(store: EventStore, request: FastifyRequest): Promise<Credential> {
  const token = sessionTokenIn(request);
  if (token === undefined) throw unauthenticated(HOW);
  const found = await findCredential(store, token, instantFrom(Date.now()));
  if (found?.form !== 'session') throw unauthenticated('The session is over: log in at /login', { 'Set-Cookie': noSession(request) });
  refuseForged(request);
  return found;
}

/** @throws Problem forbidden where the key does not open the route */
function askerOf({ principal, routes, key, form, expiresAt }: Credential, { method, url, headers }: FastifyRequest): Known {
  const path = url.split('?', 1)[0] ?? '';
  if (routes !== undefined && !routes.some((route) => opens(route, method, path)))
    throw Problem.of('forbidden', 'The key is not for this route');
  const onBehalfOf = principal.onBehalfOf === true ? readOnBehalfOf(headers)?.id : undefined;
  const credential = { key, form, ...(expiresAt === undefined ? {} : { expiresAt }) };
  return { principal, credential, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) };
}

/** Whether a route of a key, such as `GET /v1/tickets`, is that of a request, or above it. */
function opens(route: string, method: string, path: string): boolean {
  const [verb, prefix = ''] = route.split(' ', 2);
  return (verb === method || (verb === 'GET' && method === 'HEAD')) && (path === prefix || path.startsWith(`${prefix}/`));
}
