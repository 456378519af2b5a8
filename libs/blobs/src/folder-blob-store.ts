import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type AboutBlob, type Blob, BlobStore, checked, isDigest, reachable, spool } from './blob-store.js';

/** Abandoned uploads of a crash are removed at this age, in milliseconds. */
const ABANDONED = 24 * 60 * 60_000;

/** A folder of files, which several processes may share. `ab/ab12…` is content, `ab/ab12….json` its description. */
export class FolderBlobStore extends BlobStore {
  private constructor(private readonly folder: string) {
    super();
  }

  /** @throws StoreUnavailable if the folder cannot be written */
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

  async put(content: AsyncIterable<Uint8Array>, { mediaType, ...bounds }: AboutBlob): Promise<Blob & { readonly isNew: boolean }> {
    const incoming = join(this.folder, 'incoming', randomUUID());
    try {
      const { sha256, bytes } = await spool(incoming, content, bounds);
      return await reachable(async () => {
        const known = await this.about(sha256);
        if (known !== undefined) return { ...known, isNew: false };
        const path = this.#pathOf(sha256);
        await mkdir(dirname(path), { recursive: true });
        // The description comes first: existing content can always be served.
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
    const known = await this.about(sha256);
    return known && { ...known, content: checked(createReadStream(this.#pathOf(sha256)), sha256) };
  }

  async remove(sha256: string): Promise<void> {
    const path = this.#pathOf(sha256);
    await reachable(async () => {
      // A description without content is useless.
      await rm(path, { force: true });
      await rm(`${path}.json`, { force: true });
    });
  }

  about(sha256: string): Promise<Blob | undefined> {
    return reachable(async () => {
      if (!isDigest(sha256)) return undefined;
      const path = this.#pathOf(sha256);
      try {
        await stat(path);
        const { mediaType, bytes } = JSON.parse(await readFile(`${path}.json`, 'utf8')) as Pick<Blob, 'mediaType' | 'bytes'>;
        return { sha256, bytes, mediaType };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  #pathOf(sha256: string): string {
    return join(this.folder, sha256.slice(0, 2), sha256);
  }
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
