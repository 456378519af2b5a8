import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobDamaged, FolderBlobStore } from '#blobs';
import { hash, isBlobStore, pieces, read } from '../../blobs/src/testing/blob-store-contract.js';
import { storeWithKeys, type TestStores, testStores } from '../../../test/stores.js';
import { type PersonalKeys, SealedBlobs } from './index.js';
import type { AttachmentKeys } from './attachment-keys.js';

let folder: string;
let stores: TestStores;
let keys: PersonalKeys;
let attachments: AttachmentKeys;
let plain: FolderBlobStore;
let blobs: SealedBlobs;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tierline-sealed-blobs-'));
  stores = await testStores();
  ({ keys, attachments } = await storeWithKeys(stores));
  plain = await FolderBlobStore.open(folder);
  blobs = new SealedBlobs(plain, attachments);
});
afterAll(async () => {
  await stores?.close();
  await rm(folder, { recursive: true, force: true });
});

const put = (content: Uint8Array) => blobs.put(pieces(content), { mediaType: 'text/plain', limit: 10_000_000 });
const contentOf = async (content: Uint8Array) => {
  const found = await blobs.get(hash(content));
  return found && (await read(found.content));
};
/** Whatever is in the folder, by path. */
async function files(): Promise<ReadonlyMap<string, Buffer>> {
  const all = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = all.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []));
  return new Map(await Promise.all(paths.map(async (path) => [path, await readFile(path)] as const)));
}
const owner = (person: string, stream: string) => ({ client: 'northwind', person, stream });
async function attach(content: Uint8Array, person: string, stream: string): Promise<string> {
  const key = await keys.forWriting(owner(person, stream));
  await attachments.attach(hash(content), { stream }, key);
  return key.id;
}
/** As the eraser does. */
async function forget(person: string, key: string): Promise<void> {
  await keys.destroy({ client: 'northwind', person }, 'forgotten', new Date());
  await blobs.release(key);
}

describe('attachments, encrypted in a folder', () => {
  isBlobStore(async () => blobs);

  it.each([0, 1, 65_535, 65_536, 65_537, 3 * 65_536, 200_001])('are returned intact: %d bytes, in chunks of any size', async (size) => {
    const content = randomBytes(size);
    await blobs.put(pieces(content, 7_001), { mediaType: 'text/plain', limit: size });
    expect((await contentOf(content))?.equals(content)).toBe(true);
  });

  it('cannot be read in the folder, neither content nor name', async () => {
    const content = Buffer.from(`a secret ${randomBytes(8).toString('hex')} `.repeat(10_000));
    const { sha256 } = await put(content);
    for (const [path, bytes] of await files()) {
      expect(path).not.toContain(sha256);
      expect(bytes.includes(content.subarray(0, 20))).toBe(false);
    }
  });

  it('are read where they were kept in the clear before, and removed', async () => {
    const content = randomBytes(1_000);
    await plain.put(pieces(content), { mediaType: 'text/csv', limit: 1_000 });
    expect((await contentOf(content))?.equals(content)).toBe(true);
    expect(await put(content)).toMatchObject({ isNew: false, mediaType: 'text/csv' });
    await blobs.removePlain(hash(content));
    expect(await contentOf(content)).toBeUndefined();
  });

  it('are gone with their last owner, and no backup of the folder restores them', async () => {
    const content = randomBytes(100_000);
    await put(content);
    const [jane, bob] = [await attach(content, 'jane', 'ticket-1'), await attach(content, 'bob', 'ticket-2')];
    const backup = await files();
    await forget('jane', jane);
    expect((await contentOf(content))?.equals(content)).toBe(true);
    await keys.destroy({ client: 'northwind', person: 'bob' }, 'forgotten', new Date());
    // From when the key is gone, whatever else is there.
    expect(await contentOf(content)).toBeUndefined();
    await blobs.release(bob);
    expect((await files()).size).toBe(backup.size - 2);
    for (const [path, bytes] of backup) await writeFile(path, bytes);
    expect(await contentOf(content)).toBeUndefined();
    expect(await put(content)).toMatchObject({ isNew: true });
    expect((await contentOf(content))?.equals(content)).toBe(true);
  });

  it('can be attached again by whoever brings them again', async () => {
    const content = randomBytes(10);
    await put(content);
    const kim = await attach(content, 'kim', 'ticket-3');
    expect(await put(content)).toMatchObject({ isNew: false });
    await forget('kim', kim);
    const lee = await attach(content, 'lee', 'ticket-4');
    expect((await contentOf(content))?.equals(content)).toBe(true);
    await forget('lee', lee);
    expect(await contentOf(content)).toBeUndefined();
  });

  it('are removed a week later where nobody attached them', async () => {
    const [content, attached] = [randomBytes(10), randomBytes(10)];
    for (const one of [content, attached]) await put(one);
    await attach(attached, 'max', 'ticket-5');
    await blobs.releaseUnattached();
    expect((await contentOf(content))?.equals(content)).toBe(true);
    const eightDaysAgo = new Date(Date.now() - 8 * 86_400_000);
    await stores.mongo.db.collection('personal_keys').updateMany({}, { $set: { madeAt: eightDaysAgo } });
    // Another process does it.
    const { attachments: others } = await storeWithKeys(stores);
    await new SealedBlobs(plain, others).releaseUnattached();
    expect(await contentOf(content)).toBeUndefined();
    await put(content);
    expect((await contentOf(content))?.equals(content)).toBe(true);
    expect((await contentOf(attached))?.equals(attached)).toBe(true);
  });

  it.each([
    ['cut at a segment', (bytes: Buffer) => bytes.subarray(0, 65_552)],
    [
      'with segments in another order',
      (bytes: Buffer) => Buffer.concat([bytes.subarray(65_552, 131_104), bytes.subarray(0, 65_552), bytes.subarray(131_104)]),
    ],
  ])("are not returned %s, even if the folder's hash matches", async (_what, change) => {
    const content = randomBytes(150_000);
    const { sha256 } = await put(content);
    const kept = await stores.mongo.db.collection<{ _id: string; sealedAs: string }>('attachment_keys').findOne({ _id: sha256 });
    const sealed = await plain.get(kept?.sealedAs ?? '');
    const changed = change(await read(sealed!.content));
    const { sha256: sealedAs } = await plain.put(pieces(changed), { mediaType: 'text/plain', limit: Infinity });
    await stores.mongo.db.collection<{ _id: string }>('attachment_keys').updateOne({ _id: sha256 }, { $set: { sealedAs } });
    await expect(contentOf(content)).rejects.toThrow(BlobDamaged);
  });
});
