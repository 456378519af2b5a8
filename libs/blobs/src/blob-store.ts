import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { StoreUnavailable } from '#eventsourcing';

/** Description of stored bytes. They are named by their content, so a name never changes its meaning. */
export interface Blob {
  /** SHA-256 of the content in lower-case hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  /** As given by whoever uploaded it first. */
  readonly mediaType: string;
}

/** The content exceeds its limit. */
export class BlobTooLarge extends Error {
  override readonly name = 'BlobTooLarge';
}

/** The content does not match its hash: damaged on its way here, or in storage. */
export class BlobDamaged extends Error {
  override readonly name = 'BlobDamaged';
}

/** Properties of uploaded content. */
export interface AboutBlob {
  readonly mediaType: string;
  /** Maximum number of bytes. */
  readonly limit: number;
  /** Required SHA-256, if known. */
  readonly expected?: string | undefined;
}

/** Stores bytes by their content; also its dependency-injection token. */
export abstract class BlobStore {
  /**
   * Stores content durably; existing content is kept as it was.
   * @throws BlobTooLarge, BlobDamaged (nothing is stored), StoreUnavailable
   */
  abstract put(content: AsyncIterable<Uint8Array>, about: AboutBlob): Promise<Blob & { readonly isNew: boolean }>;

  /** The description of content with a hash. @throws StoreUnavailable */
  abstract about(sha256: string): Promise<Blob | undefined>;

  /**
   * Content by its hash, verified while being read: if it is damaged, the reader fails with BlobDamaged before the end.
   * @throws StoreUnavailable
   */
  abstract get(sha256: string): Promise<(Blob & { readonly content: AsyncIterable<Uint8Array> }) | undefined>;

  /** Removes content permanently, if it exists. @throws StoreUnavailable */
  abstract remove(sha256: string): Promise<void>;

  /** Closes connections; stored content stays. */
  async close(): Promise<void> {}
}

/** Whether a name can be that of content: other names do not exist, and are not paths. */
export const isDigest = (name: string): boolean => /^[0-9a-f]{64}$/.test(name);

/**
 * Writes content to a new file, durably, and measures it: its name is known only once all of it has arrived.
 * @throws BlobTooLarge, BlobDamaged, StoreUnavailable: the caller must remove a partial file
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

/** Content as it is read; fails with BlobDamaged if it does not match its hash. */
export async function* checked(content: AsyncIterable<Uint8Array>, sha256: string): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let last: Uint8Array | undefined;
  for await (const chunk of content) {
    hash.update(chunk);
    if (last !== undefined) yield last;
    last = chunk;
  }
  const found = hash.digest('hex');
  // Before the last piece: a reader of damaged content never gets the announced length.
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
