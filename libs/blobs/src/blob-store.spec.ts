import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreUnavailable } from '#eventsourcing';
import { loadConfig } from '#platform';
import { type BlobStore, BlobDamaged } from './blob-store.js';
import { FolderBlobStore } from './folder-blob-store.js';
import { type S3Bucket, S3BlobStore } from './s3-blob-store.js';
import { hash, isBlobStore, pieces, read } from './testing/blob-store-contract.js';
import { type S3Server, startS3Server } from './testing/s3-server.js';

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

  it('never returns changed content as if it were intact', async () => {
    const store = await S3BlobStore.open(server);
    const content = randomBytes(200_000);
    await put(store, content);
    server.objects.set(`attachments/${hash(content)}`, { content: Buffer.alloc(200_000), type: 'text/plain' });
    const found = await store.get(hash(content));
    await expect(read(found?.content ?? pieces(Buffer.alloc(0)))).rejects.toThrow(BlobDamaged);
    await store.close();
  });

  it('keeps content that someone else stored first', async () => {
    const store = await S3BlobStore.open(server);
    const content = randomBytes(1000);
    server.beforeKept = (key) => server.objects.set(key, { content, type: 'text/csv' });
    expect(await put(store, content)).toMatchObject({ isNew: false, mediaType: 'text/csv' });
    server.beforeKept = () => {};
    await store.close();
  });

  it('stores content without conditional writes', async () => {
    const store = await S3BlobStore.open(server);
    const content = randomBytes(100_000);
    server.conditions = false;
    expect(await put(store, content)).toMatchObject({ isNew: true, bytes: 100_000 });
    server.conditions = true;
    expect(await put(store, content)).toMatchObject({ isNew: false });
    await store.close();
  });

  it('reports when it is unavailable, and stores nothing partially', async () => {
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
