import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
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

/** What is said of content that is brought. */
export interface AboutBlob {
  readonly mediaType: string;
  /** Bytes that it may have. */
  readonly limit: number;
  /** SHA-256 that it must have, if that is known. */
  readonly expected?: string | undefined;
}

/** Keeps bytes by their content. Its own dependency-injection token. */
export abstract class BlobStore {
  /**
   * Keeps content, durably; what is there already is kept as it was.
   * @throws BlobTooLarge, BlobDamaged (nothing is kept), StoreUnavailable
   */
  abstract put(content: AsyncIterable<Uint8Array>, about: AboutBlob): Promise<Blob & { readonly isNew: boolean }>;

  /** What is known of content by its hash. @throws StoreUnavailable */
  abstract about(sha256: string): Promise<Blob | undefined>;

  /**
   * Content by its hash, checked against it while it is read: when it is no longer the same the reader fails with BlobDamaged before it has all.
   * @throws StoreUnavailable
   */
  abstract get(sha256: string): Promise<(Blob & { readonly content: AsyncIterable<Uint8Array> }) | undefined>;

  /** Removes content for good, if it is there. @throws StoreUnavailable */
  abstract remove(sha256: string): Promise<void>;

  /** Lets go of connections; what is kept stays. */
  async close(): Promise<void> {}
}

/** Whether a name can be one of content: other names are nobody's, and no paths. */
export const isDigest = (name: string): boolean => /^[0-9a-f]{64}$/.test(name);

/**
 * Writes content into a new file, durably, and measures it: what it is named by is known only once it has all come.
 * @throws BlobTooLarge, BlobDamaged, StoreUnavailable: what is written so far is for the caller to remove
 */
export async function spool(
  path: string,
  content: AsyncIterable<Uint8Array>,
  { limit, expected }: Pick<AboutBlob, 'limit' | 'expected'>,
): Promise<Pick<Blob, 'sha256' | 'bytes'>> {
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
  const sha256 = hash.digest('hex');
  if (expected !== undefined && expected !== sha256) throw new BlobDamaged(`its SHA-256 is ${sha256}, not ${expected}`);
  return { sha256, bytes };
}

/** Content as it is read, which fails with BlobDamaged when it is not what its hash says. */
export async function* checked(content: AsyncIterable<Uint8Array>, sha256: string): AsyncGenerator<Uint8Array> {
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

/** @throws StoreUnavailable for what the disk refuses */
export async function reachable<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException | null)?.syscall !== undefined)
      throw new StoreUnavailable(`the folder of attachments: ${(error as Error).message}`, { cause: error });
    throw error;
  }
}
