import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AccessDeniedError, binaryEvent, EventStoreDBClient, jsonEvent, type Credentials } from '@eventstore/db-client';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  BadCertificate,
  BadCredentials,
  NotLoopback,
  startEmbeddedEventStoreDB,
  type EmbeddedEventStoreDB,
  type EmbeddedEventStoreDBOptions,
} from '../index.js';
import { compileLibrary } from '../testing/compiled-node.js';
import { decode, encode, type Json } from '../testing/recorded-messages.js';

/** Self-signed for localhost, 127.0.0.1 and ::1; valid until 2126. */
const certificate = join(process.cwd(), 'libs/embedded-eventstoredb/fixtures/tls/cert.pem');
const tls = { cert: readFileSync(certificate, 'utf8'), key: readFileSync(certificate.replace('cert.pem', 'key.pem'), 'utf8') };
const admin = { user: 'admin', password: 'a secret: with a colon' };
const asAdmin: Credentials = { username: admin.user, password: admin.password };

let directory: string;
let node: EmbeddedEventStoreDB | undefined;
const open: EventStoreDBClient[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
});
afterEach(async () => {
  for (const client of open.splice(0)) await client.dispose();
  await node?.close();
  node = undefined;
  rmSync(directory, { recursive: true });
});

const start = async (options: Partial<EmbeddedEventStoreDBOptions> = {}): Promise<EmbeddedEventStoreDB> =>
  (node = await startEmbeddedEventStoreDB({ directory, port: 0, tls, credentials: admin, ...options }));

function connect({ port }: EmbeddedEventStoreDB, as?: Credentials): EventStoreDBClient {
  const user = as ? `${encodeURIComponent(as.username)}:${encodeURIComponent(as.password)}@` : '';
  const client = EventStoreDBClient.connectionString(`esdb://${user}localhost:${port}?tls=true&tlsCAFile=${certificate}`);
  open.push(client);
  return client;
}

/** Calls the Users service as an administrator, since the client has no methods for it. */
async function asAdministrator({ port }: EmbeddedEventStoreDB, method: string, request: string, options: Json): Promise<void> {
  const client = new Client(`localhost:${port}`, credentials.createSsl(Buffer.from(tls.cert)));
  const metadata = new Metadata();
  metadata.set('authorization', `Basic ${Buffer.from(`${admin.user}:${admin.password}`).toString('base64')}`);
  try {
    await new Promise<void>((resolve, reject) =>
      client.makeUnaryRequest(
        `/event_store.client.users.Users/${method}`,
        (message: Json) => encode(request, message),
        (bytes) => decode('Empty', bytes),
        { options },
        metadata,
        (error: ServiceError | null) => (error ? reject(error) : resolve()),
      ),
    );
  } finally {
    client.close();
  }
}

async function all<T>(events: AsyncIterable<T>): Promise<T[]> {
  const read: T[] = [];
  for await (const event of events) read.push(event);
  return read;
}

const opened = jsonEvent({ type: 'opened', data: {} });

describe('a node with TLS and users', () => {
  it('serves its administrator, by the credentials of a connection and of a call', async () => {
    const running = await start();
    expect(running.url).toBe(`esdb://127.0.0.1:${running.port}?tls=true`);
    expect((await connect(running, asAdmin).appendToStream('ticket-1', opened)).success).toBe(true);
    const anonymous = connect(running);
    const read = await all(anonymous.readStream('ticket-1', { credentials: asAdmin }));
    expect(read.map(({ event }) => event?.type)).toEqual(['opened']);
  });

  it('refuses callers without credentials and with wrong ones, with different errors', async () => {
    const running = await start();
    await expect(connect(running).appendToStream('ticket-1', opened)).rejects.toThrow(AccessDeniedError);
    await expect(connect(running, { username: 'admin', password: 'guess' }).appendToStream('ticket-1', opened)).rejects.toMatchObject({
      code: 16,
    });
    await expect(connect(running, { username: 'nobody', password: 'guess' }).appendToStream('ticket-1', opened)).rejects.toMatchObject({
      code: 16,
    });
  });

  it('keeps users across a restart, with unreadable passwords, and forgets a sign-in when its user changes', async () => {
    const first = await start();
    const ann = { username: 'ann', password: 'first' };
    await asAdministrator(first, 'Create', 'UsersProfileReq', { login_name: 'ann', password: 'first', full_name: 'Ann', groups: [] });
    const client = connect(first, ann);
    expect((await client.appendToStream('ticket-1', opened)).success).toBe(true);
    const kept = await all(connect(first, asAdmin).readStream('$user-ann'));
    expect(JSON.stringify(kept.map(({ event }) => event?.data))).not.toContain('first');

    await asAdministrator(first, 'ResetPassword', 'UsersResetPasswordReq', { login_name: 'ann', new_password: 'second' });
    // Read, not append: a call that appends over an open BatchAppend stream was authenticated when that was opened.
    await expect(all(client.readStream('ticket-1'))).rejects.toMatchObject({ code: 16 });
    for (const opened of open.splice(0)) await opened.dispose();
    await first.close();

    const second = await start();
    expect(await all(connect(second, { ...ann, password: 'second' }).readStream('ticket-1'))).toHaveLength(1);
    await expect(all(connect(second, ann).readStream('ticket-1'))).rejects.toMatchObject({ code: 16 });
  });

  it('gives the administrator the password with which it is started', async () => {
    await (await start()).close();
    const running = await start({ credentials: { user: 'admin', password: 'another' } });
    expect((await connect(running, { username: 'admin', password: 'another' }).appendToStream('ticket-1', opened)).success).toBe(true);
    await expect(connect(running, asAdmin).appendToStream('ticket-1', opened)).rejects.toMatchObject({ code: 16 });
  });

  it("enforces a stream's access list, also for targets of links", async () => {
    const running = await start();
    const administrator = connect(running, asAdmin);
    await asAdministrator(running, 'Create', 'UsersProfileReq', { login_name: 'ann', password: 'pw', full_name: 'Ann', groups: [] });
    await administrator.appendToStream('secret-1', opened);
    await administrator.setStreamMetadata('secret-1', { acl: { readRoles: ['$admins'] } });
    await administrator.appendToStream('links', binaryEvent({ type: '$>', data: Buffer.from('0@secret-1') }));
    const ann = connect(running, { username: 'ann', password: 'pw' });
    await expect(all(ann.readStream('secret-1'))).rejects.toThrow(AccessDeniedError);
    await expect(all(ann.readAll())).rejects.toThrow(AccessDeniedError);
    const [link] = await all(ann.readStream('links', { resolveLinkTos: true }));
    expect(link?.link).toBeDefined();
    expect(link?.event).toBeUndefined();
    const [resolved] = await all(administrator.readStream('links', { resolveLinkTos: true }));
    expect(resolved?.event?.streamId).toBe('secret-1');
  });

  it('opens $all to an ordinary user if its list says so, as applications need it', async () => {
    const running = await start();
    const app: Credentials = { username: 'app', password: 'its own' };
    await asAdministrator(running, 'Create', 'UsersProfileReq', {
      login_name: 'app',
      password: app.password,
      full_name: 'App',
      groups: [],
    });
    const [ours, admins] = [connect(running, app), connect(running, asAdmin)];
    expect((await ours.appendToStream('ticket-1', opened)).success).toBe(true);
    await expect(all(ours.readAll())).rejects.toThrow(AccessDeniedError);
    await admins.setStreamMetadata('$all', { acl: { readRoles: [app.username, '$admins'] } });
    expect((await all(ours.readAll())).map(({ event }) => event?.type)).toContain('opened');
    expect(await all(ours.readStream('ticket-1'))).toHaveLength(1);
    await expect(ours.setStreamMetadata('$all', {})).rejects.toThrow(AccessDeniedError);
  });

  it('listens on every address, and returns to clients the one they used', async () => {
    const running = await start({ host: '0.0.0.0' });
    expect(running.url).toBe(`esdb://localhost:${running.port}?tls=true`);
    const client = EventStoreDBClient.connectionString(
      `esdb+discover://${admin.user}:${encodeURIComponent(admin.password)}@localhost:${running.port}?tls=true&tlsCAFile=${certificate}`,
    );
    open.push(client);
    expect((await client.appendToStream('ticket-1', opened)).success).toBe(true);
  });

  it('runs in a thread as well', async () => {
    const compiled = compileLibrary();
    try {
      const library = (await import(compiled.entry)) as typeof import('../index.js');
      node = await library.startEmbeddedEventStoreDB({ directory, port: 0, tls, credentials: admin, thread: true });
      expect((await connect(node, asAdmin).appendToStream('ticket-1', opened)).success).toBe(true);
    } finally {
      compiled.remove();
    }
  });
});

describe('what it does not start with', () => {
  it('a network address without TLS or without users', async () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.10', 'example.org']) {
      for (const lacking of [{}, { tls }, { credentials: admin }]) {
        await expect(startEmbeddedEventStoreDB({ directory, port: 0, host, ...lacking })).rejects.toThrow(NotLoopback);
      }
    }
  });

  it('an invalid certificate and key, or ones that do not belong together', async () => {
    const otherKey = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n';
    for (const bad of [
      { ...tls, cert: 'no certificate' },
      { ...tls, key: otherKey },
      { cert: tls.key, key: tls.cert },
    ]) {
      const refused = startEmbeddedEventStoreDB({ directory, port: 0, tls: bad });
      await expect(refused).rejects.toThrow(BadCertificate);
      await expect(refused).rejects.toMatchObject({ code: 'ERR_BAD_CERTIFICATE' });
    }
  });

  it('a user that cannot be named in a header', async () => {
    for (const bad of [
      { user: '', password: 'x' },
      { user: 'a:b', password: 'x' },
      { user: 'a', password: '' },
    ])
      await expect(startEmbeddedEventStoreDB({ directory, port: 0, credentials: bad })).rejects.toThrow(BadCredentials);
  });
});
