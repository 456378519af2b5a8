import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { open } from 'lmdb';
import { DirectoryLocked, NotLoopback, PortUnavailable, startEmbeddedEventStoreDB, UnknownFormat } from './index.js';
import { FIRST_POSITION } from './storage/segments.js';
import { segmentPath } from './storage/segments.js';
import { compileLibrary, startNodeProcess } from './testing/compiled-node.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('starting', () => {
  it('refuses an address that other machines can reach', async () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.10', 'example.org', '127.0.0.1.example.org'])
      await expect(startEmbeddedEventStoreDB({ directory, port: 0, host })).rejects.toThrow(NotLoopback);
  });

  it('names a port that is taken, and leaves the directory free', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const refused = startEmbeddedEventStoreDB({ directory, port });
    await expect(refused).rejects.toThrow(PortUnavailable);
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_PORT_UNAVAILABLE',
      port,
      message: expect.stringContaining(`port ${port}`) as string,
    });
    other.close();
    await (await startEmbeddedEventStoreDB({ directory, port: 0 })).close();
  });

  it('refuses a directory that this process already has open, until it is closed', async () => {
    const first = await startEmbeddedEventStoreDB({ directory, port: 0 });
    const second = startEmbeddedEventStoreDB({ directory: join(directory, '.'), port: 0 });
    await expect(second).rejects.toThrow(DirectoryLocked);
    await expect(second).rejects.toMatchObject({ code: 'ERR_DIRECTORY_LOCKED', pid: process.pid });
    await first.close();
    await first.close();
    await (await startEmbeddedEventStoreDB({ directory, port: 0 })).close();
  });

  it('refuses a log of another format', async () => {
    await (await startEmbeddedEventStoreDB({ directory, port: 0 })).close();
    const manifest = Buffer.from(JSON.stringify({ format: 99, tables: [] }));
    writeFileSync(join(directory, 'index/manifest'), Buffer.concat([Buffer.from(`${crc32(manifest)}\n`), manifest]));
    await expect(startEmbeddedEventStoreDB({ directory, port: 0 })).rejects.toThrow(UnknownFormat);
  });

  it('reports a damaged record instead of returning it, and serves the others', async () => {
    const first = await startEmbeddedEventStoreDB({ directory, port: 0 });
    const writing = EventStoreDBClient.connectionString(first.url);
    const { position } = await writing.appendToStream('damaged', jsonEvent({ type: 'one', data: {} }));
    await writing.appendToStream('sound', jsonEvent({ type: 'two', data: {} }));
    await writing.dispose();
    await first.close();

    const segment = segmentPath(directory, { base: FIRST_POSITION, generation: 0 });
    const bytes = readFileSync(segment);
    const at = Number(position?.commit) - FIRST_POSITION + 80;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(segment, bytes);

    const second = await startEmbeddedEventStoreDB({ directory, port: 0 });
    const reading = EventStoreDBClient.connectionString(second.url);
    const count = async (stream: string): Promise<number> => {
      let events = 0;
      for await (const _event of reading.readStream(stream)) events++;
      return events;
    };
    await expect(count('damaged')).rejects.toThrow(/damaged: its checksum does not match/);
    expect(await count('sound')).toBe(1);
    await reading.dispose();
    await second.close();
  });

  it('continues where it stopped', async () => {
    const first = await startEmbeddedEventStoreDB({ directory, port: 0 });
    const writing = EventStoreDBClient.connectionString(first.url);
    await writing.appendToStream('kept', jsonEvent({ type: 'one', data: {} }));
    await writing.dispose();
    await first.close();
    const second = await startEmbeddedEventStoreDB({ directory, port: 0 });
    const reading = EventStoreDBClient.connectionString(second.url);
    const { nextExpectedRevision } = await reading.appendToStream('kept', jsonEvent({ type: 'two', data: {} }), { expectedRevision: 0n });
    expect(nextExpectedRevision).toBe(1n);
    await reading.dispose();
    await second.close();
  });
});

describe('in another process', () => {
  let compiled: ReturnType<typeof compileLibrary>;
  beforeAll(() => {
    compiled = compileLibrary();
  });
  afterAll(() => compiled.remove());

  it.each([true, false])('holds its directory while it runs, and no longer (thread: %s)', async (thread) => {
    const other = await startNodeProcess(compiled.entry, { directory, port: 0, thread });
    const refused = startEmbeddedEventStoreDB({ directory, port: 0 });
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_DIRECTORY_LOCKED',
      pid: other.pid,
      message: expect.stringContaining(directory) as string,
    });
    await other.kill('SIGKILL');
    await (await startEmbeddedEventStoreDB({ directory, port: 0 })).close();
  });

  it('does not mistake another process with the same pid for a dead holder', async () => {
    const owner = open<{ pid: number; started: string }, string>({ path: join(directory, 'owner'), encoding: 'json' });
    await owner.put('owner', { pid: process.ppid, started: 'another boot/12345' });
    await owner.close();
    await (await startEmbeddedEventStoreDB({ directory, port: 0 })).close();
  });

  it('serves from its own thread, whose errors keep their class', async () => {
    const { startEmbeddedEventStoreDB: start, PortUnavailable: Unavailable } = (await import(
      compiled.entry
    )) as typeof import('./index.js');
    const node = await start({ directory, port: 0 });
    const client = EventStoreDBClient.connectionString(node.url);
    expect((await client.appendToStream('threaded', jsonEvent({ type: 'one', data: {} }))).success).toBe(true);
    const elsewhere = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
    await expect(start({ directory: elsewhere, port: node.port })).rejects.toThrow(Unavailable);
    rmSync(elsewhere, { recursive: true });

    expect((await node.scavenge()).eventsDropped).toBe(0);
    const backup = join(directory, 'backup');
    await node.backup(backup);
    await expect(node.backup(backup)).rejects.toMatchObject({ code: 'ERR_BACKUP_EXISTS', directory: backup });
    const copy = await start({ directory: backup, port: 0 });
    const reading = EventStoreDBClient.connectionString(copy.url);
    for await (const { event } of reading.readStream('threaded')) expect(event?.type).toBe('one');
    await reading.dispose();
    await copy.close();

    await client.dispose();
    await node.close();
    await expect(node.backup(join(directory, 'late'))).rejects.toThrow('closed');
    await (await startEmbeddedEventStoreDB({ directory, port: 0 })).close();
  });
});
