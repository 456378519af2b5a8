import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Server } from 'node:http';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { FolderBlobStore } from '#blobs';
import { type EventStore, isRefusal } from '#eventsourcing';
import type { EventStoreDB } from '#eventstoredb';
import { type Mongo, projectGroup } from '#mongo';
import { createLog, type LogLevel } from '#platform';
import { SealedBlobs } from '#privacy';
import { type Principal, projectionGroups, type Role } from '#ticketing';
import { asOperator, issueCredential } from '#ticketing-app';
import { WebhookSecrets } from '#webhooks';
import { answered, eventually } from '../../../../test/eventually.js';
import { storeWithKeys, type TestStores, testStores } from '../../../../test/stores.js';
import { type ApiParts, createApi } from '../create-api.js';

/**
 * The API with its stores and projectors, as in production: embedded nodes, or the servers of TIERLINE_EVENTSTORE_URL and
 * TIERLINE_MONGODB_URL.
 */
export interface RunningApi {
  readonly url: string;
  readonly store: EventStoreDB;
  readonly eventStoreUrl: string;
  /** Its stores. */
  readonly stores: TestStores;
  readonly mongo: Mongo;
  /** Directory of the attachments. */
  readonly attachmentsDir: string;
  /** Key file for the secrets of webhooks. */
  readonly webhookKeyFile: string;
  /** A client (tenant) that no other test has: other data on a shared server does not matter. */
  readonly client: string;
  /** Log lines at level warn and above (by default), one JSON object each. */
  readonly logged: readonly string[];
  stop(): Promise<void>;
}

/** Origin for passkeys. */
export const PASSKEY_ORIGIN = 'http://localhost:3000';

export async function startApi({
  logLevel = 'warn',
  secondFactorRoles = [],
  ...settings
}: { readonly logLevel?: LogLevel; readonly secondFactorRoles?: readonly Role[] } & Omit<
  Partial<ApiParts>,
  'store' | 'mongo' | 'keys' | 'blobs' | 'logIn' | 'log'
> = {}): Promise<RunningApi> {
  const stores = await testStores();
  const { directory, eventStoreUrl, mongo, onClose, close } = stores;
  try {
    const { store, keys, attachments } = await storeWithKeys(stores);
    const logged: string[] = [];
    const log = createLog(logLevel, { write: (line) => void logged.push(line) });
    const owner = randomUUID();
    const projectors = projectionGroups.map((group) => projectGroup({ db: mongo.db, store, group, log, owner }));
    onClose(() => Promise.all(projectors.map((projector) => projector.stop())));
    // A shared server has data of others: tests wait for their own.
    await eventually(
      () => projectors.flatMap((projector) => projector.status()).filter(({ state }) => state !== 'live'),
      ({ length }) => length === 0,
    );
    const blobs = new SealedBlobs(await FolderBlobStore.open(join(directory, 'attachments')), attachments);
    const secrets = new WebhookSecrets(join(directory, 'webhook-key'));
    const logIn = { keyFile: join(directory, 'log-in-key'), secondFactorRoles, passkeys: { rpId: 'localhost', origins: [PASSKEY_ORIGIN] } };
    const app = await createApi({ store, mongo, keys, blobs, secrets, logIn, log, ...settings });
    onClose(() => app.close());
    const token = await administratorToken(store);
    asAdministrator(app, token);
    await app.listen(0, '127.0.0.1');
    return {
      url: await app.getUrl(),
      store,
      eventStoreUrl,
      stores,
      mongo,
      attachmentsDir: join(directory, 'attachments'),
      webhookKeyFile: join(directory, 'webhook-key'),
      client: `client-${randomUUID()}`,
      logged,
      stop: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A key that opens everything, and may act on behalf of others. */
export async function administratorToken(store: EventStore): Promise<string> {
  const principal: Principal = {
    kind: 'service',
    id: 'administrator',
    roles: ['administrator'],
    clients: 'all',
    tiers: 'all',
    teams: [],
    onBehalfOf: true,
  };
  return keyFor(store, principal);
}

export async function keyFor(store: EventStore, principal: Principal): Promise<string> {
  const issued = await issueCredential(store, { form: 'key', label: 'tests', principal }, asOperator());
  if (isRefusal(issued)) throw new Error(issued.message);
  return issued.token;
}

/** Requests without an Authorization header or cookie come from an administrator: the test is about something else. */
export function asAdministrator(app: NestFastifyApplication, token: string): void {
  (app.getHttpServer() as Server).prependListener('request', ({ headers }) => {
    if (headers.cookie === undefined) headers.authorization ??= `Bearer ${token}`;
  });
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON. Tests read answers of all shapes. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly json: any;
}

interface Asked {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/**
 * Asks, and asks again as long as the API answers that a view, or the past, has not reached the requested position: on a busy machine, or with
 * a full log, that may take longer than one request waits.
 */
export const send = (url: string, method: string, path: string, asked: Asked = {}): Promise<Answer> =>
  answered(
    () => sendOnce(url, method, path, asked),
    ({ status, text }) => status !== 503 || !text.includes('"not-yet-visible"'),
  );

async function sendOnce(url: string, method: string, path: string, { body, headers = {} }: Asked): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    redirect: 'manual',
    headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    get json() {
      return JSON.parse(text);
    },
  };
}

/** Every entry of a list, page after page. */
export async function everyPage<Entry>(url: string, path: string, limit = 200): Promise<Entry[]> {
  const all: Entry[] = [];
  for (let next: string | undefined = ''; next !== undefined;) {
    const { status, json } = await send(url, 'GET', `${path}?limit=${limit}${next === '' ? '' : `&cursor=${encodeURIComponent(next)}`}`);
    if (status !== 200) throw new Error(JSON.stringify(json));
    all.push(...json.items);
    next = json.next;
  }
  return all;
}

/** The body of a ticket without special needs. */
export function openingOf(client: string) {
  return { client, kind: 'incident', summary: 's', reporter: { id: 'r' }, channel: 'chat', impact: 'low', urgency: 'low' } as const;
}
