import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient, jsonEvent, NO_STREAM, UnknownError } from '@eventstore/db-client';
import { compileLibrary, startNodeProcess } from '../testing/compiled-node.js';

/** A full disk refuses what it cannot store, loses nothing that it has stored, and continues once there is room. */

let root: string;
let compiled: ReturnType<typeof compileLibrary>;
beforeAll(() => {
  compiled = compileLibrary();
});
afterAll(() => compiled.remove());
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const NO_ROOM = /could not be written, and nothing was: .*Is the disk full\?/;
const event = (n: number) => jsonEvent({ type: 'written', data: { n, padding: 'x'.repeat(20_000) } });

/** Appends two events at a time, each to a new stream, until one is refused, both as a batch and alone. */
async function fill(client: EventStoreDBClient, acknowledged: string[], prefix: string): Promise<void> {
  for (let n = 0; n < 1000; n++) {
    const stream = `${prefix}-${n}`;
    try {
      await client.appendToStream(stream, [event(n), event(n)], { expectedRevision: NO_STREAM });
      acknowledged.push(stream);
    } catch (error) {
      // The client has no class for it.
      expect(error).toBeInstanceOf(UnknownError);
      expect((error as Error).message).toMatch(NO_ROOM);
      // A call with its own credentials is not a batch.
      const alone = client.appendToStream(stream, [event(n), event(n)], {
        expectedRevision: NO_STREAM,
        credentials: { username: 'any', password: 'any' },
      });
      return expect(alone).rejects.toThrow(NO_ROOM);
    }
  }
  throw new Error('the disk never got full');
}

/** A node in a separate process, whose files are limited to a number of blocks of 512 bytes. */
async function withNode(directory: string, use: (client: EventStoreDBClient) => Promise<void>, fileBlocks?: number): Promise<void> {
  const node = await startNodeProcess(compiled.entry, { directory, port: 0, thread: true }, fileBlocks);
  const client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${node.port}?tls=false`);
  try {
    await use(client);
  } finally {
    await client.dispose();
    await node.kill(fileBlocks === undefined ? 'SIGTERM' : 'SIGKILL');
  }
}

/** Names of the streams in the log, each once for each of its events. */
async function written(client: EventStoreDBClient): Promise<string[]> {
  const streams: string[] = [];
  for await (const { event: read } of client.readAll()) if (read && !read.streamId.startsWith('$')) streams.push(read.streamId);
  return streams;
}
const twice = (streams: readonly string[]): string[] => streams.flatMap((stream) => [stream, stream]);

it('refuses what does not fit, keeps serving, and has everything acknowledged after a restart', async () => {
  const directory = join(root, 'data');
  const acknowledged: string[] = [];
  const limited = async (client: EventStoreDBClient): Promise<void> => {
    await fill(client, acknowledged, 'first');
    expect(acknowledged.length).toBeGreaterThan(5);
    await fill(client, [], 'again');
    // A small one still fits.
    await client.appendToStream('small', jsonEvent({ type: 'written', data: {} }), { expectedRevision: NO_STREAM });
    expect(await written(client)).toEqual([...twice(acknowledged), 'small']);
  };
  await withNode(directory, limited, 1024);
  await withNode(directory, async (client) => {
    await client.appendToStream('large', event(0), { expectedRevision: NO_STREAM });
    expect(await written(client)).toEqual([...twice(acknowledged), 'small', 'large']);
  });
});

/** A file system of 6 MB. */
const mountSmall = (directory: string) => execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', directory], { stdio: 'ignore' });
const unmount = (directory: string) => execFileSync('umount', ['-l', directory], { stdio: 'ignore' });

/** Creating file systems needs rights that tests do not always have; the limit above shows the same for a single process. */
function mayMount(): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'may-mount-'));
  try {
    mountSmall(directory);
    unmount(directory);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

(mayMount() ? it : it.skip)('starts on a full disk, and writes again as soon as there is room', async () => {
  const disk = join(root, 'disk');
  mkdirSync(disk);
  mountSmall(disk);
  try {
    const directory = join(disk, 'data');
    const ballast = join(disk, 'ballast');
    const acknowledged: string[] = [];
    writeFileSync(ballast, Buffer.alloc(2 * 1024 * 1024));
    await withNode(directory, async (client) => {
      await fill(client, acknowledged, 'first');
      expect(await written(client)).toEqual(twice(acknowledged));
    });
    await withNode(directory, async (client) => {
      expect(await written(client)).toEqual(twice(acknowledged));
      await fill(client, acknowledged, 'second');
      rmSync(ballast);
      const before = acknowledged.length;
      await fill(client, acknowledged, 'third');
      expect(acknowledged.length).toBeGreaterThan(before + 10);
      expect(await written(client)).toEqual(twice(acknowledged));
    });
  } finally {
    unmount(disk);
  }
});
