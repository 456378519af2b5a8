import { deterministicId, type EventStore, instantFrom } from '#eventsourcing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem, problemOfStores, readOnBehalfOf, sendProblem } from '#http';
import type { JsonLog } from '#platform';
import { type Credential, credential } from '#ticketing';
import { findCredential, runSystemCommand, today } from '#ticketing-app';
import { noSession, refuseForged, sessionTokenIn } from './browser-session.js';
import { HOW, type Known, unauthenticated } from './caller.js';

/** Routes that answer whoever asks. */
const OPEN: ReadonlySet<string> = new Set([
  'GET /',
  'GET /health/live',
  'GET /health/ready',
  'GET /openapi.json',
  'GET /docs',
  'GET /docs/start.js',
  'GET /docs/:file',
  'GET /schemas',
  'GET /schemas/:file',
  'GET /login',
  'GET /login/:file',
  'POST /v1/sessions',
]);

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
export function authenticate(app: NestFastifyApplication, store: EventStore, log: JsonLog): void {
  const server = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  const use = new KeyUse(store, log);
  server.decorateRequest('caller', null);
  server.addHook('onRequest', async (request, reply) => {
    if (OPEN.has(`${request.method === 'HEAD' ? 'GET' : request.method} ${request.routeOptions.url}`)) return undefined;
    try {
      const found = await credentialOf(store, request);
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

/** @throws Problem unauthenticated, Problem forbidden, StoreUnavailable */
async function credentialOf(store: EventStore, request: FastifyRequest): Promise<Credential> {
  const { authorization } = request.headers;
  if (authorization === undefined) return sessionOf(store, request);
  const token = /^Bearer +([\x21-\x7e]{1,4096}) *$/i.exec(authorization)?.[1];
  const found = token === undefined ? undefined : await findCredential(store, token, instantFrom(Date.now()));
  // Nothing tells a key that never was from one that was revoked, has ended, or has another secret.
  if (found?.form !== 'key') throw unauthenticated('The key is not valid');
  return found;
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
