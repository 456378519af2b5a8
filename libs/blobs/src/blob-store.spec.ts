import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreUnavailable } from '#eventsourcing';
import { loadConfig } from '#platform';
import { type BlobStore, BlobDamaged, BlobTooLarge } from './blob-store.js';
import { FolderBlobStore } from './folder-blob-store.js';
import { type S3Bucket, S3BlobStore } from './s3-blob-store.js';
import { type S3Server, startS3Server } from './testing/s3-server.js';

const hash = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

async function* pieces(content: Uint8Array, size = 64 * 1024) {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

async function read(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of content) all.push(piece);
  return Buffer.concat(all);
}

/** What every store of attachments does. */
function isBlobStore(open: () => Promise<BlobStore>): void {
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
      // Nothing is the same everywhere: on a shared store it may be there.
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

  it('keeps nothing of what is too large, is something else, or does not come to its end', async () => {
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

describe('a folder', () => {
  let folder: string;
  afterAll(() => rm(folder, { recursive: true, force: true }));

  isBlobStore(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tierline-blobs-'));
    return FolderBlobStore.open(folder);
  });
});

describe('a bucket', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
  });
  afterAll(() => server.close());

  const put = (store: BlobStore, content: Uint8Array) => store.put(pieces(content), { mediaType: 'text/plain', limit: 10_000_000 });
  const incoming = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('tierline-attachments-'));

  // On the bucket that the environment names, where it names one.
  isBlobStore(() => S3BlobStore.open(loadConfig(process.env).s3 ?? server));

  it('never gives changed content as if it were whole', async () => {
    const store = await S3BlobStore.open(server);
    const content = randomBytes(200_000);
    await put(store, content);
    server.objects.set(`attachments/${hash(content)}`, { content: Buffer.alloc(200_000), type: 'text/plain' });
    const found = await store.get(hash(content));
    await expect(read(found?.content ?? pieces(Buffer.alloc(0)))).rejects.toThrow(BlobDamaged);
    await store.close();
  });

  it('keeps what somebody else was faster to bring', async () => {
    const store = await S3BlobStore.open(server);
    const content = randomBytes(1000);
    server.beforeKept = (key) => server.objects.set(key, { content, type: 'text/csv' });
    expect(await put(store, content)).toMatchObject({ isNew: false, mediaType: 'text/csv' });
    server.beforeKept = () => {};
    await store.close();
  });

  it('keeps content where there are no conditions', async () => {
    const store = await S3BlobStore.open(server);
    const content = randomBytes(100_000);
    server.conditions = false;
    expect(await put(store, content)).toMatchObject({ isNew: true, bytes: 100_000 });
    server.conditions = true;
    expect(await put(store, content)).toMatchObject({ isNew: false });
    await store.close();
  });

  it('says when it is away, and keeps nothing half', async () => {
    const before = await incoming();
    const store = await S3BlobStore.open(server);
    const content = randomBytes(2_000_000);
    for (const method of ['HEAD', 'PUT', 'GET']) {
      server.interrupt = (request) => request.method === method;
      await expect(method === 'GET' ? store.get(hash(content)) : put(store, content)).rejects.toThrow(StoreUnavailable);
    }
    server.interrupt = () => false;
    expect(server.objects.has(`attachments/${hash(content)}`)).toBe(false);
    expect(await put(store, content)).toMatchObject({ isNew: true });
    await store.close();
    expect(await incoming()).toEqual(before);
  });

  it.each<[string, Partial<S3Bucket>, RegExp]>([
    ['the bucket is not there', { bucket: 'another' }, /404/],
    ['the keys are wrong', { credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'guessed' } }, /403/],
    ['the region is wrong', { region: 'us-west-1' }, /403/],
    ['nobody answers', { endpoint: 'http://127.0.0.1:1' }, /ECONNREFUSED/],
  ])('is refused at once where %s', async (_what, wrong, message) => {
    const opening = S3BlobStore.open({ ...server, ...wrong });
    await expect(opening).rejects.toThrow(StoreUnavailable);
    await expect(opening).rejects.toThrow(message);
  });
});
