import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StoreUnavailable } from '#eventsourcing';

/** What is known of some bytes that are kept. They are named by their content, so what a name stands for never changes. */
export interface Blob {
  /** SHA-256 of the content in lower-case hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  /** As whoever brought it first said. */
  readonly mediaType: string;
}

/** The content is larger than it may be. */
export class BlobTooLarge extends Error {
  override readonly name = 'BlobTooLarge';
}

/** The content is not what its hash says: on its way here, or since it was kept. */
export class BlobDamaged extends Error {
  override readonly name = 'BlobDamaged';
}

/** Keeps bytes by their content. Its own dependency-injection token. */
export abstract class BlobStore {
  /**
   * Keeps content, durably; what is there already is kept as it was.
   * @param limit bytes that it may have
   * @param expected SHA-256 that it must have, if that is known
   * @throws BlobTooLarge, BlobDamaged (nothing is kept), StoreUnavailable
   */
  abstract put(
    content: AsyncIterable<Uint8Array>,
    about: { readonly mediaType: string; readonly limit: number; readonly expected?: string | undefined },
  ): Promise<Blob & { readonly isNew: boolean }>;

  /**
   * Content by its hash, checked against it while it is read: when it is no longer the same the reader fails with BlobDamaged before it has all.
   * @throws StoreUnavailable
   */
  abstract get(sha256: string): Promise<(Blob & { readonly content: AsyncIterable<Uint8Array> }) | undefined>;
}

/** Uploads that a crash left behind are removed once they are this old, in milliseconds. */
const ABANDONED = 24 * 60 * 60_000;

/** A folder of files: several processes may share it. `ab/ab12…` is content, `ab/ab12….json` what is known of it. */
export class FolderBlobStore extends BlobStore {
  private constructor(private readonly folder: string) {
    super();
  }

  /** @throws StoreUnavailable when the folder cannot be written */
  static async open(folder: string): Promise<FolderBlobStore> {
    await reachable(async () => {
      const incoming = join(folder, 'incoming');
      await mkdir(incoming, { recursive: true });
      for (const name of await readdir(incoming)) {
        const path = join(incoming, name);
        const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
        if (mtimeMs < Date.now() - ABANDONED) await rm(path, { force: true });
      }
    });
    return new FolderBlobStore(folder);
  }

  async put(
    content: AsyncIterable<Uint8Array>,
    { mediaType, limit, expected }: { readonly mediaType: string; readonly limit: number; readonly expected?: string | undefined },
  ): Promise<Blob & { readonly isNew: boolean }> {
    const incoming = join(this.folder, 'incoming', randomUUID());
    try {
      const { sha256, bytes } = await write(incoming, content, limit);
      if (expected !== undefined && expected !== sha256) throw new BlobDamaged(`its SHA-256 is ${sha256}, not ${expected}`);
      return await reachable(async () => {
        const known = await this.#about(sha256);
        if (known !== undefined) return { ...known, isNew: false };
        const path = this.#pathOf(sha256);
        await mkdir(dirname(path), { recursive: true });
        // What is known of it comes first: content that is there can always be served.
        await writeFile(`${incoming}.json`, JSON.stringify({ mediaType, bytes }), { flush: true });
        await rename(`${incoming}.json`, `${path}.json`);
        await rename(incoming, path);
        await flush(dirname(path));
        return { sha256, bytes, mediaType, isNew: true };
      });
    } finally {
      await rm(incoming, { force: true });
    }
  }

  async get(sha256: string): Promise<(Blob & { readonly content: AsyncIterable<Uint8Array> }) | undefined> {
    if (!/^[0-9a-f]{64}$/.test(sha256)) return undefined;
    const known = await reachable(() => this.#about(sha256));
    return known && { ...known, content: checked(createReadStream(this.#pathOf(sha256)), sha256) };
  }

  async #about(sha256: string): Promise<Blob | undefined> {
    const path = this.#pathOf(sha256);
    try {
      await stat(path);
      const { mediaType, bytes } = JSON.parse(await readFile(`${path}.json`, 'utf8')) as Pick<Blob, 'mediaType' | 'bytes'>;
      return { sha256, bytes, mediaType };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  #pathOf(sha256: string): string {
    return join(this.folder, sha256.slice(0, 2), sha256);
  }
}

async function write(path: string, content: AsyncIterable<Uint8Array>, limit: number): Promise<Pick<Blob, 'sha256' | 'bytes'>> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await reachable(() => open(path, 'wx'));
  try {
    for await (const chunk of content) {
      bytes += chunk.length;
      if (bytes > limit) throw new BlobTooLarge(`it has more than ${limit} bytes`);
      hash.update(chunk);
      await reachable(() => file.write(chunk));
    }
    await reachable(() => file.sync());
  } finally {
    await file.close();
  }
  return { sha256: hash.digest('hex'), bytes };
}

async function* checked(content: AsyncIterable<Uint8Array>, sha256: string): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let last: Uint8Array | undefined;
  for await (const chunk of content) {
    hash.update(chunk);
    if (last !== undefined) yield last;
    last = chunk;
  }
  const found = hash.digest('hex');
  // Before the last piece: whoever reads damaged content never has as much as was announced.
  if (found !== sha256) throw new BlobDamaged(`the content kept as ${sha256} has the SHA-256 ${found}`);
  if (last !== undefined) yield last;
}

/** A name in a folder is durable once the folder is. */
async function flush(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** @throws StoreUnavailable for what the disk refuses */
async function reachable<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null)?.syscall !== undefined)
      throw new StoreUnavailable(`the folder of attachments: ${(error as Error).message}`, { cause: error });
    throw error;
  }
}
