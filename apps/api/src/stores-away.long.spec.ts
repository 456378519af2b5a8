import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedEventStoreDB } from '@tierline/embedded-eventstoredb';
import { startEmbeddedMongoDB } from '@tierline/embedded-mongodb';
import { openBlobStore } from '#blobs';
import { RateLimits } from '#http';
import { EventStoreDB } from '#eventstoredb';
import { connectMongo } from '#mongo';
import { createLog } from '#platform';
import { AttachmentKeys, MasterKeyFile, PersonalKeys, SealedBlobs } from '#privacy';
import { startS3Server } from '../../../libs/blobs/src/testing/s3-server.js';
import { WebhookSecrets } from '#webhooks';
import { createApi } from './create-api.js';
import { administratorToken, asAdministrator, openingOf, send } from './testing/running-api.js';

/** A line to a server that can be cut and mended. */
class Line {
  #sockets = new Set<Socket>();
  #cut = false;
  private constructor(readonly server: Server) {}

  static async to(port: number): Promise<Line> {
    const line: Line = new Line(
      createServer((near) => {
        if (line.#cut) return void near.destroy();
        const far = connect(port, '127.0.0.1');
        for (const socket of [near, far]) {
          line.#sockets.add(socket);
          socket.on('error', () => {}).on('close', () => (near.destroy(), far.destroy()));
        }
        near.pipe(far).pipe(near);
      }),
    );
    await new Promise<void>((resolve) => line.server.listen(0, '127.0.0.1', resolve));
    return line;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  mend(): void {
    this.#cut = false;
  }

  close(): void {
    this.cut();
    this.server.close();
  }
}

const open = openingOf(`client-${randomUUID()}`);

describe('when a store is away', () => {
  it('reports it with 503 and Retry-After, keeps running, and works again when it is back', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tierline-away-'));
    const eventNode = await startEmbeddedEventStoreDB({ directory: join(directory, 'eventstoredb'), port: 0 });
    const viewNode = await startEmbeddedMongoDB({ directory: join(directory, 'mongodb'), port: 0 });
    const [eventLine, viewLine] = [await Line.to(eventNode.port), await Line.to(viewNode.port)];
    const store = EventStoreDB.connect(`esdb://127.0.0.1:${eventLine.port}?tls=false`, { patienceMs: 4_000, attemptMs: 3_000 });
    const mongo = await connectMongo(`mongodb://127.0.0.1:${viewLine.port}/?directConnection=true&serverSelectionTimeoutMS=2000`);
    const bucket = await startS3Server();
    const keys = await PersonalKeys.open(mongo, await MasterKeyFile.open(join(directory, 'personal-key')));
    const blobs = new SealedBlobs(await openBlobStore({ s3: bucket, attachmentsDir: '' }), await AttachmentKeys.open(mongo, keys));
    const logged: string[] = [];
    const app = await createApi({
      store,
      mongo,
      keys,
      blobs,
      secrets: new WebhookSecrets(join(directory, 'webhook-key')),
      logIn: { keyFile: join(directory, 'log-in-key'), secondFactorRoles: [], passkeys: { rpId: 'localhost', origins: [] } },
      limits: await RateLimits.shared({ person: 0, service: 1_000, address: 0, failures: 0 }, mongo.db),
      log: createLog('warn', { write: (line) => void logged.push(line) }),
    });
    asAdministrator(app, await administratorToken(store));
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    try {
      const key = { 'Idempotency-Key': randomUUID() };
      expect((await send(url, 'POST', '/v1/tickets', { body: open, headers: key })).status).toBe(201);

      eventLine.cut();
      const command = await send(url, 'POST', '/v1/tickets', { body: open, headers: { 'Idempotency-Key': 'other' } });
      expect(command.json).toMatchObject({ status: 503, code: 'store-unavailable' });
      expect(command.headers.get('retry-after')).toBe('2');
      const correlationId = command.headers.get('x-correlation-id');
      expect(logged.map((line) => JSON.parse(line))).toEqual([
        expect.objectContaining({ level: 'warn', code: 'store-unavailable', method: 'POST', url: '/v1/tickets', correlationId }),
      ]);
      expect((await send(url, 'GET', '/health/ready')).json).toMatchObject({
        status: 'down',
        stores: { eventStore: 'down', readModels: 'up' },
      });
      expect((await send(url, 'GET', '/health/live')).status).toBe(200);

      viewLine.cut();
      const view = await send(url, 'GET', '/v1/queues/L1');
      expect(view.json).toMatchObject({ status: 503, code: 'store-unavailable', detail: expect.stringContaining('Nothing was done') });
      // Counted for itself as long as the shared count is away.
      expect(view.headers.get('ratelimit')).toMatch(/^"service";r=99\d;/);
      const ready = await send(url, 'GET', '/health/ready');
      expect([ready.status, ready.json]).toEqual([503, { status: 'down', stores: { eventStore: 'down', readModels: 'down' } }]);

      bucket.interrupt = () => true;
      const upload = () =>
        fetch(`${url}/v1/attachments`, { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: 'the log' });
      for (const answer of [await upload(), await fetch(`${url}/v1/attachments/${'0'.repeat(64)}`)]) {
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2']);
        expect(await answer.json()).toMatchObject({ code: 'store-unavailable' });
      }

      eventLine.mend();
      viewLine.mend();
      expect((await upload()).status).toBe(503);
      bucket.interrupt = () => false;
      expect((await upload()).status).toBe(201);
      const again = await send(url, 'POST', '/v1/tickets', { body: open, headers: key });
      expect(again.json).toMatchObject({ repeated: true });
      expect((await send(url, 'GET', '/v1/queues/L1')).status).toBe(200);
    } finally {
      await app.close();
      await mongo.close();
      await store.close();
      await blobs.close();
      await bucket.close();
      eventLine.close();
      viewLine.close();
      await viewNode.close();
      await eventNode.close();
      await rm(directory, { recursive: true, force: true });
    }
  });
});
