import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { binaryEvent, EventStoreDBClient, jsonEvent, StreamNotFoundError } from '@eventstore/db-client';
import { eventually } from '../../../../test/eventually.js';
import { startEmbeddedEventStoreDB, type EmbeddedEventStoreDB, type EmbeddedEventStoreDBOptions } from '../index.js';
import { compileLibrary, startNodeProcess, type NodeProcess } from '../testing/compiled-node.js';

let directory: string;
let node: EmbeddedEventStoreDB | undefined;
let client: EventStoreDBClient;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
});
afterEach(async () => {
  await stop();
  rmSync(directory, { recursive: true });
});

async function start(options: Partial<EmbeddedEventStoreDBOptions> = {}): Promise<void> {
  node = await startEmbeddedEventStoreDB({ directory, port: 0, ...options });
  client = EventStoreDBClient.connectionString(node.url);
}

async function stop(): Promise<void> {
  await client.dispose();
  await node?.close();
  node = undefined;
}

interface Read {
  readonly link: string;
  readonly target: string | undefined;
}

/** The links of a stream and their targets; none if there is no such stream. */
async function linksOf(stream: string): Promise<Read[]> {
  const links: Read[] = [];
  try {
    for await (const { event, link } of client.readStream(stream, { resolveLinkTos: true })) {
      const record = link ?? event;
      links.push({
        link: Buffer.from(record?.data as Uint8Array).toString(),
        target: link && event ? `${event.revision}@${event.streamId}` : undefined,
      });
    }
  } catch (error) {
    if (!(error instanceof StreamNotFoundError)) throw error;
  }
  return links;
}

/** Waits for this many: links follow their events. */
async function links(stream: string, count: number): Promise<string[]> {
  const found = await eventually(
    () => linksOf(stream),
    (all) => all.length >= count,
  );
  return found.map(({ link }) => link);
}

const event = (type: string, metadata: Record<string, string> = {}) => jsonEvent({ type, data: {}, metadata });

it('reports the system projections as enabled, and no others', async () => {
  await start();
  for (const name of ['$by_category', '$by_event_type', '$by_correlation_id', '$stream_by_category', '$streams'])
    await client.enableProjection(name);
  await client.restartSubsystem();
  await expect(client.enableProjection('mine')).rejects.toThrow('received NotFound');
  await expect(client.createProjection('mine', 'fromAll().when({})')).rejects.toThrow('UNIMPLEMENTED');
  await stop();
  await start({ systemStreams: false });
  await expect(client.enableProjection('$by_category')).rejects.toThrow('UNIMPLEMENTED');
  await stop();
});

it('links each event in the streams of its category, type and correlation id, and each stream in the lists of streams', async () => {
  await start();
  await client.appendToStream('ticket-1', [event('opened', { $correlationId: 'c1' }), event('escalated')]);
  await client.appendToStream('ticket-2', event('opened', { $correlationId: 'c1' }));
  await client.appendToStream('plain', event('opened'));
  expect(await links('$streams', 3)).toEqual(['0@ticket-1', '0@ticket-2', '0@plain']);
  expect(await linksOf('$ce-ticket')).toEqual(['0@ticket-1', '1@ticket-1', '0@ticket-2'].map((target) => ({ link: target, target })));
  expect(await links('$et-opened', 3)).toEqual(['0@ticket-1', '0@ticket-2', '0@plain']);
  expect(await links('$et-escalated', 1)).toEqual(['1@ticket-1']);
  expect(await links('$bc-c1', 2)).toEqual(['0@ticket-1', '0@ticket-2']);
  expect(await links('$category-ticket', 2)).toEqual(['ticket-1', 'ticket-2']);
  expect(await linksOf('$ce-plain')).toEqual([]);
});

it('writes links like the system projections: of type $>, and of $@ for streams of a category, not JSON', async () => {
  await start();
  await client.appendToStream('ticket-1', event('opened'));
  await links('$streams', 1);
  for (const [stream, type] of [
    ['$ce-ticket', '$>'],
    ['$et-opened', '$>'],
    ['$streams', '$>'],
    ['$category-ticket', '$@'],
  ] as const) {
    for await (const { event: record } of client.readStream(stream)) expect(record).toMatchObject({ type, isJson: false, revision: 0n });
  }
});

it('splits at the first dash, and links neither system streams nor system types', async () => {
  await start();
  await client.appendToStream('a-b-c', event('opened'));
  await client.appendToStream('-x', event('opened'));
  await client.appendToStream('$own-1', event('opened'));
  await client.setStreamMetadata('a-b-c', { maxCount: 10 });
  await client.appendToStream('last-1', [event('$odd'), event('last')]);
  await links('$et-last', 1);
  expect(await links('$ce-a', 1)).toEqual(['0@a-b-c']);
  expect(await links('$et-opened', 2)).toEqual(['0@a-b-c', '0@-x']);
  expect(await links('$streams', 3)).toEqual(['0@a-b-c', '0@-x', '0@last-1']);
  for (const none of ['$ce-', '$ce-$own', '$et-$odd', '$et-$metadata', '$et-$>', '$ce-$ce']) expect(await linksOf(none)).toEqual([]);
});

it('links deletes in the category, and links to links by the name of the target', async () => {
  await start();
  await client.appendToStream('ticket-1', event('opened'));
  await client.appendToStream('ticket-2', event('opened'));
  await client.deleteStream('ticket-1');
  await client.tombstoneStream('ticket-2');
  await client.appendToStream('links-1', binaryEvent({ type: '$>', data: Buffer.from('0@ticket-3') }));
  expect(await links('$ce-links', 1)).toEqual(['0@ticket-3']);
  expect(await linksOf('$ce-ticket')).toEqual([
    { link: '0@ticket-1', target: undefined },
    { link: '0@ticket-2', target: undefined },
    { link: '0@$$ticket-1', target: '0@$$ticket-1' },
    { link: '9223372036854775807@ticket-2', target: undefined },
  ]);
});

it('feeds subscriptions to a category', async () => {
  await start();
  const stream = client.subscribeToStream('$ce-ticket', { resolveLinkTos: true });
  const seen: string[] = [];
  const writing = (async () => {
    for (let i = 0; i < 5; i++) await client.appendToStream(`ticket-${i}`, event('opened'));
  })();
  for await (const { event: resolved } of stream) if (seen.push(String(resolved?.streamId)) === 5) break;
  await writing;
  expect(seen).toEqual(['ticket-0', 'ticket-1', 'ticket-2', 'ticket-3', 'ticket-4']);
});

it('continues where it was after a restart, even if it was switched off meanwhile', async () => {
  await start();
  await client.appendToStream('ticket-1', [event('opened'), event('escalated')]);
  await links('$ce-ticket', 2);
  await stop();
  await start({ systemStreams: false });
  await client.appendToStream('ticket-1', event('resolved'));
  await stop();
  await start();
  await client.appendToStream('ticket-1', event('closed'));
  expect(await links('$et-closed', 1)).toEqual(['3@ticket-1']);
  expect(await links('$ce-ticket', 4)).toEqual(['0@ticket-1', '1@ticket-1', '2@ticket-1', '3@ticket-1']);
  expect(await links('$streams', 1)).toEqual(['0@ticket-1']);
});

it('leaves the log alone when it is switched off', async () => {
  await start({ systemStreams: false });
  await client.appendToStream('ticket-1', event('opened'));
  await wait(100);
  const streams = new Set<string>();
  for await (const { event: record } of client.readAll()) streams.add(String(record?.streamId));
  expect([...streams]).toEqual(['$$$scavenges', 'ticket-1']);
});

it('links everything once and in order, despite kills in mid-work', async () => {
  const compiled = compileLibrary();
  let running: NodeProcess | undefined;
  const written: string[] = [];
  try {
    for (let round = 0; round < 3; round++) {
      running = await startNodeProcess(compiled.entry, { directory, port: 0, thread: round % 2 === 0 });
      const writer = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${running.port}?tls=false`);
      for (let append = 0; append < 10; append++) {
        const stream = `ticket-${randomUUID()}`;
        await writer.appendToStream(
          stream,
          Array.from({ length: 20 }, () => event('opened')),
        );
        written.push(...Array.from({ length: 20 }, (_, revision) => `${revision}@${stream}`));
      }
      // Somewhere between the first link and the last.
      await wait(Math.random() * 40);
      await running.kill('SIGKILL');
      await writer.dispose();
    }
  } finally {
    await running?.kill('SIGKILL');
    compiled.remove();
  }
  await start();
  expect(await links('$ce-ticket', written.length)).toEqual(written);
  expect(await links('$et-opened', written.length)).toEqual(written);
  expect(await links('$streams', written.length / 20)).toEqual(written.filter((target) => target.startsWith('0@')));
});
