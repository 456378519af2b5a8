import { createHash } from 'node:crypto';
import { type AboutBlob, type Blob, BlobDamaged, BlobStore, BlobTooLarge } from '#blobs';
import type { AttachmentKeys } from './attachment-keys.js';
import { newDataKey } from './key-wrapping.js';
import type { DataKey, KeyOwner } from './personal-keys.js';
import { openSegments, sealSegments } from './segments.js';

/**
 * Attachments, encrypted in another store: nobody can read that store, or its backups, without the keys. Named by the SHA-256 of the
 * content; the other store uses the SHA-256 of the encrypted form. Content stored unencrypted before is read as it is.
 */
export class SealedBlobs extends BlobStore {
  constructor(
    private readonly blobs: BlobStore,
    private readonly keys: AttachmentKeys,
  ) {
    super();
  }

  async put(content: AsyncIterable<Uint8Array>, { mediaType, ...bounds }: AboutBlob): Promise<Blob & { readonly isNew: boolean }> {
    const key = newDataKey();
    const measured = new Measured(content, bounds);
    const { sha256: sealedAs } = await this.blobs.put(sealSegments(measured, key), {
      mediaType: 'application/octet-stream',
      limit: Infinity,
    });
    const { sha256, bytes } = measured;
    const plain = await this.blobs.about(sha256);
    if (plain !== undefined) {
      await this.blobs.remove(sealedAs);
      return { ...plain, isNew: false };
    }
    const { kept, needless } = await this.keys.add({ sha256, sealedAs, bytes, mediaType }, key);
    if (needless !== undefined) await this.blobs.remove(needless);
    return { sha256, bytes, mediaType: kept.mediaType, isNew: kept.sealedAs === sealedAs };
  }

  async about(sha256: string): Promise<Blob | undefined> {
    const found = await this.keys.find(sha256);
    return found === undefined ? this.blobs.about(sha256) : blobOf(found.content);
  }

  async get(sha256: string): Promise<(Blob & { readonly content: AsyncIterable<Uint8Array> }) | undefined> {
    const found = await this.keys.find(sha256);
    if (found === undefined) return this.blobs.get(sha256);
    const sealed = await this.blobs.get(found.content.sealedAs);
    return sealed && { ...blobOf(found.content), content: opened(sealed.content, found.key, sha256) };
  }

  async remove(sha256: string): Promise<void> {
    const sealedAs = await this.keys.remove(sha256);
    if (sealedAs !== undefined) await this.blobs.remove(sealedAs);
    await this.removePlain(sha256);
  }

  /** Lets a key of its owner decrypt content. @throws StoreUnavailable */
  attach(sha256: string, owner: Pick<KeyOwner, 'stream'>, key: DataKey): Promise<void> {
    return this.keys.attach(sha256, owner, key);
  }

  /** Removes unencrypted content. @throws StoreUnavailable */
  async removePlain(sha256: string): Promise<void> {
    await this.blobs.remove(sha256);
  }

  /** Removes what only a destroyed key could decrypt. @throws StoreUnavailable */
  async release(key: string): Promise<void> {
    for (const needless of await this.keys.release(key)) await this.blobs.remove(needless);
  }

  /** Removes what was uploaded a week ago or earlier, and never attached. @throws StoreUnavailable */
  async releaseUnattached(): Promise<void> {
    for (const needless of await this.keys.releaseUnattached()) await this.blobs.remove(needless);
  }

  override close(): Promise<void> {
    return this.blobs.close();
  }
}

/** Content that is measured while being read. */
class Measured {
  readonly #hash = createHash('sha256');
  sha256 = '';
  bytes = 0;

  constructor(
    private readonly content: AsyncIterable<Uint8Array>,
    private readonly bounds: Pick<AboutBlob, 'limit' | 'expected'>,
  ) {}

  /** @throws BlobTooLarge, BlobDamaged */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const { limit, expected } = this.bounds;
    for await (const chunk of this.content) {
      this.bytes += chunk.length;
      if (this.bytes > limit) throw new BlobTooLarge(`it has more than ${limit} bytes`);
      this.#hash.update(chunk);
      yield chunk;
    }
    this.sha256 = this.#hash.digest('hex');
    if (expected !== undefined && expected !== this.sha256) throw new BlobDamaged(`its SHA-256 is ${this.sha256}, not ${expected}`);
  }
}

async function* opened(sealed: AsyncIterable<Uint8Array>, key: Buffer, sha256: string): AsyncGenerator<Uint8Array> {
  try {
    yield* openSegments(sealed, key);
  } catch (cause) {
    throw cause instanceof BlobDamaged ? cause : new BlobDamaged(`the content kept as ${sha256} was changed`, { cause });
  }
}

function blobOf({ sha256, bytes, mediaType }: Blob): Blob {
  return { sha256, bytes, mediaType };
}
