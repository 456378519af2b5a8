import type { Blob } from '#blobs';
import { isDuplicateKey, type Mongo } from '#mongo';
import { type DataKey, DURABLE, type KeyOwner, orStoreUnavailable, type PersonalKeys } from './personal-keys.js';
import { openBox, type SealedBox, sealBox } from './sealed-box.js';

/** Content that is stored encrypted. */
export interface SealedContent extends Blob {
  /** SHA-256 of the stored form. */
  readonly sealedAs: string;
}

/** The content's own key is in the box of each holder: a ticket with it as evidence, the message that it is, or, until then, nobody. */
interface ContentDocument extends Omit<SealedContent, 'sha256'> {
  /** SHA-256 of the content. */
  readonly _id: string;
  readonly holders: readonly SealedBox[];
}

/** How long content may wait to be attached, in milliseconds. */
const UNATTACHED_MS = 7 * 24 * 3_600_000;

/**
 * Encryption of attachments: each has its own key, which is encrypted with the key of each person and ticket that has it. The same content
 * is stored once; after all keys of its holders are destroyed, it cannot be decrypted.
 */
export class AttachmentKeys {
  private constructor(
    private readonly contents: ReturnType<typeof contentCollection>,
    private readonly keys: PersonalKeys,
  ) {}

  static async open({ db }: Pick<Mongo, 'db'>, keys: PersonalKeys): Promise<AttachmentKeys> {
    const contents = contentCollection(db);
    await contents.createIndex({ 'holders.key': 1 });
    return new AttachmentKeys(contents, keys);
  }

  /**
   * Registers content and its key. If it is already stored, it can be attached once more.
   * @returns what is stored under that name, and what is no longer needed
   * @throws StoreUnavailable
   */
  async add(fresh: SealedContent, key: Buffer): Promise<{ readonly kept: SealedContent; readonly needless?: string }> {
    const { sha256, sealedAs, bytes, mediaType } = fresh;
    const nobody = unattached(sha256);
    for (;;) {
      const there = await this.#find(sha256);
      const known = await this.#keyOf(there);
      if (there !== null && known !== undefined) {
        if (await this.#hold(there, known, nobody, await this.keys.forWritingOnce(nobody)))
          return { kept: contentOf(there), needless: sealedAs };
        continue;
      }
      const holders = [sealBox(await this.keys.forWritingOnce(nobody), nobody, sha256, key)];
      const document = { _id: sha256, sealedAs, bytes, mediaType, holders };
      if (there === null) {
        if (await this.#inserted(document)) return { kept: fresh };
        continue;
      }
      // All of its holders are forgotten, and it is about to be removed.
      const filter = { _id: sha256, sealedAs: there.sealedAs };
      const { matchedCount } = await orStoreUnavailable(() => this.contents.replaceOne(filter, document, DURABLE));
      if (matchedCount > 0) return { kept: fresh, needless: there.sealedAs };
    }
  }

  /** Content and its key; undefined if there is none, or all of its holders are forgotten. @throws StoreUnavailable */
  async find(sha256: string): Promise<{ readonly content: SealedContent; readonly key: Buffer } | undefined> {
    const there = await this.#find(sha256);
    const key = await this.#keyOf(there);
    return there === null || key === undefined ? undefined : { content: contentOf(there), key };
  }

  /** Lets a person's key decrypt content, if it is stored here. @throws StoreUnavailable */
  async attach(sha256: string, owner: Pick<KeyOwner, 'stream'>, key: DataKey): Promise<void> {
    const there = await this.#find(sha256);
    const known = await this.#keyOf(there);
    if (there === null || known === undefined || !(await this.#hold(there, known, owner, key))) return;
    const { stream } = unattached(sha256);
    if (!there.holders.some((holder) => holder.stream === stream)) return;
    await orStoreUnavailable(() => this.contents.updateOne({ _id: sha256 }, { $pull: { holders: { stream } } }));
    await this.keys.discard({ stream });
  }

  /** Removes a destroyed key's owner as a holder. @returns names of content without holders @throws StoreUnavailable */
  async release(key: string): Promise<readonly string[]> {
    const needless: string[] = [];
    for (const { _id, sealedAs } of await orStoreUnavailable(() => this.contents.find({ 'holders.key': key }).toArray())) {
      const only = { _id, 'holders.key': key, holders: { $size: 1 } };
      const { deletedCount } = await orStoreUnavailable(() => this.contents.deleteOne(only, DURABLE));
      if (deletedCount > 0) needless.push(sealedAs);
      else await orStoreUnavailable(() => this.contents.updateOne({ _id }, { $pull: { holders: { key } } }, DURABLE));
    }
    return needless;
  }

  /** Destroys the keys of content that was never attached. @returns names of content without holders @throws StoreUnavailable */
  async releaseUnattached(): Promise<readonly string[]> {
    const needless: string[] = [];
    for (const { key, stream } of await this.keys.madeBefore(UNATTACHED, new Date(Date.now() - UNATTACHED_MS))) {
      needless.push(...(await this.release(key)));
      await this.keys.discard({ stream });
    }
    return needless;
  }

  /** Registers that content is gone. @returns the name of what is no longer needed @throws StoreUnavailable */
  async remove(sha256: string): Promise<string | undefined> {
    return (await orStoreUnavailable(() => this.contents.findOneAndDelete({ _id: sha256 }, DURABLE)))?.sealedAs;
  }

  #find(sha256: string): Promise<ContentDocument | null> {
    return orStoreUnavailable(() => this.contents.findOne({ _id: sha256 }));
  }

  async #keyOf(there: ContentDocument | null): Promise<Buffer | undefined> {
    for (const holder of there?.holders ?? []) {
      const key = await openBox(this.keys, holder, there?._id ?? '');
      if (key instanceof Buffer) return key;
    }
    return undefined;
  }

  /** False if the content was removed in the meantime. */
  async #hold(
    { _id, sealedAs, holders }: ContentDocument,
    content: Buffer,
    owner: Pick<KeyOwner, 'stream'>,
    key: DataKey,
  ): Promise<boolean> {
    if (holders.some((holder) => holder.key === key.id)) return true;
    const push = { $push: { holders: sealBox(key, owner, _id, content) } };
    return (await orStoreUnavailable(() => this.contents.updateOne({ _id, sealedAs }, push, DURABLE))).matchedCount > 0;
  }

  async #inserted(document: ContentDocument): Promise<boolean> {
    try {
      await orStoreUnavailable(() => this.contents.insertOne(document, DURABLE));
      return true;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  }
}

const UNATTACHED = 'unattached-';

/** The owner of content until someone attaches it. */
const unattached = (sha256: string): KeyOwner => ({ client: '', person: '', stream: `${UNATTACHED}${sha256}` });

function contentOf({ _id: sha256, sealedAs, bytes, mediaType }: ContentDocument): SealedContent {
  return { sha256, sealedAs, bytes, mediaType };
}

function contentCollection(db: Mongo['db']) {
  return db.collection<ContentDocument>('attachment_keys');
}
