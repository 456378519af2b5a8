import { createHash, randomBytes } from 'node:crypto';
import { type BlobStore, BlobDamaged, BlobTooLarge } from '../blob-store.js';

export const hash = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

/** Content as it arrives over a connection. */
export async function* pieces(content: Uint8Array, size = 64 * 1024) {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

export async function read(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of content) all.push(piece);
  return Buffer.concat(all);
}

/** What every store of attachments does. */
export function isBlobStore(open: () => Promise<BlobStore>): void {
  let store: BlobStore;
  beforeAll(async () => {
    store = await open();
  });
  afterAll(async () => {
    await store?.close();
  });
  const put = (content: Uint8Array, about: { mediaType?: string; limit?: number; expected?: string } = {}) =>
    store.put(pieces(content), { mediaType: 'text/plain', limit: 10_000_000, ...about });

  it('gives back what it was given, byte for byte, with its media type', async () => {
    for (const size of [0, 1, 3_000_000]) {
      const content = randomBytes(size);
      // Empty content is the same everywhere: on a shared store it may exist.
      expect(await put(content, { mediaType: 'image/png', expected: hash(content) })).toEqual({
        sha256: hash(content),
        bytes: size,
        mediaType: 'image/png',
        isNew: expect.any(Boolean),
      });
      const found = await store.get(hash(content));
      expect(found).toMatchObject({ sha256: hash(content), bytes: size });
      expect((await read(found?.content ?? pieces(Buffer.from('nothing')))).equals(content)).toBe(true);
    }
  });

  it('removes content, also what is not there, and takes it again', async () => {
    const content = randomBytes(1_000);
    await put(content);
    for (let time = 0; time < 2; time++) await store.remove(hash(content));
    expect(await store.get(hash(content))).toBeUndefined();
    expect(await put(content)).toMatchObject({ isNew: true });
  });

  it('keeps the same content once, as it was brought first', async () => {
    const content = randomBytes(100_000);
    expect(await put(content, { mediaType: 'text/csv' })).toMatchObject({ isNew: true });
    expect(await put(content, { mediaType: 'text/html' })).toMatchObject({ isNew: false, mediaType: 'text/csv', bytes: 100_000 });
    const many = randomBytes(100_000);
    const answers = await Promise.all(Array.from({ length: 5 }, () => put(many)));
    expect(new Set(answers.map(({ sha256 }) => sha256))).toEqual(new Set([hash(many)]));
    expect((await read((await store.get(hash(many)))?.content ?? pieces(Buffer.alloc(0)))).equals(many)).toBe(true);
  });

  it('keeps nothing of content that is too large, different or incomplete', async () => {
    const content = randomBytes(200_000);
    await expect(put(content, { limit: 199_999 })).rejects.toThrow(BlobTooLarge);
    await expect(put(content, { expected: hash(randomBytes(1)) })).rejects.toThrow(BlobDamaged);
    const broken = async function* () {
      yield content.subarray(0, 100_000);
      throw new Error('the line was cut');
    };
    await expect(store.put(broken(), { mediaType: 'text/plain', limit: 10_000_000 })).rejects.toThrow('the line was cut');
    expect(await store.get(hash(content))).toBeUndefined();
    expect(await store.get(hash(content.subarray(0, 100_000)))).toBeUndefined();
    expect(await put(content, { limit: 200_000 })).toMatchObject({ isNew: true });
  });

  it.each(['', 'x', '../../etc/passwd', 'A'.repeat(64), '0'.repeat(64)])('knows nothing called %j', async (name) => {
    expect(await store.get(name)).toBeUndefined();
  });
}
