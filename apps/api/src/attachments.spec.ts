import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, truncate, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { eventually } from '../../../test/eventually.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

const sha256 = (content: Uint8Array, encoding: 'hex' | 'base64' = 'hex') => createHash('sha256').update(content).digest(encoding);

async function upload(content: Uint8Array, headers: Record<string, string> = {}, query = '?mediaType=text/plain') {
  const answer = await fetch(`${api.url}/v1/attachments${query}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream', ...headers },
    body: content as never,
  });
  return { status: answer.status, location: answer.headers.get('location'), json: (await answer.json()) as Record<string, unknown> };
}

/** What has come of an upload that is over is kept under its hash, or is gone. */
const nothingIncoming = () =>
  eventually(
    () => readdir(join(api.attachmentsDir, 'incoming')),
    ({ length }) => length === 0,
  );

describe('/v1/attachments', () => {
  it('keeps content by its hash and gives it back, byte for byte', async () => {
    const content = randomBytes(3 * 1024 * 1024);
    const digest = `sha-256=:${sha256(content, 'base64')}:`;
    const kept = await upload(content, { 'Content-Digest': digest });
    expect(kept).toMatchObject({
      status: 201,
      location: `/v1/attachments/${sha256(content)}`,
      json: { sha256: sha256(content), bytes: content.length, mediaType: 'text/plain', url: `attachment:${sha256(content)}` },
    });
    const answer = await fetch(api.url + kept.location);
    expect(Buffer.from(await answer.arrayBuffer()).equals(content)).toBe(true);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/plain',
      'content-length': String(content.length),
      'content-disposition': `attachment; filename="${sha256(content)}"`,
      'x-content-type-options': 'nosniff',
      etag: `"${sha256(content)}"`,
    });
  });

  it('keeps the same content once, also when many bring it at once', async () => {
    const content = randomBytes(1000);
    const answers = await Promise.all(Array.from({ length: 8 }, () => upload(content)));
    for (const { status, json } of answers) expect([[200, 201].includes(status), json.sha256]).toEqual([true, sha256(content)]);
    expect(await upload(content, {}, '?mediaType=image/png')).toMatchObject({ status: 200, json: { mediaType: 'text/plain' } });
    await nothingIncoming();
  });

  it('is what evidence can refer to', async () => {
    const opened = await send(api.url, 'POST', '/v1/tickets', {
      body: { client: api.client, kind: 'incident', summary: 's', reporter: { id: 'r' }, channel: 'chat', impact: 'low', urgency: 'low' },
    });
    const { json } = await upload(Buffer.from('the log'));
    const answer = await send(api.url, 'POST', `/v1/tickets/${opened.json.ticketId}/evidence`, {
      body: { name: 'x.log', kind: 'log', ...json },
    });
    expect(answer.json).toMatchObject({ events: [{ type: 'EvidenceAttached', data: { url: json.url, bytes: 7 } }] });
  });

  it('refuses content that is not what its digest says, and keeps nothing of it', async () => {
    const content = randomBytes(100);
    const digest = `sha-256=:${sha256(randomBytes(1), 'base64')}:`;
    expect((await upload(content, { 'Content-Digest': digest })).json).toMatchObject({ status: 422, code: 'digest-mismatch' });
    expect((await send(api.url, 'GET', `/v1/attachments/${sha256(content)}`)).json).toMatchObject({
      status: 404,
      code: 'attachment-not-found',
    });
    expect((await upload(content, { 'Content-Digest': 'md5=:x:' })).json).toMatchObject({ status: 400, code: 'invalid-header' });
    await nothingIncoming();
  });

  it('refuses more than ten megabytes, whether they are announced or not', async () => {
    const limit = 10 * 1024 * 1024;
    expect((await upload(Buffer.alloc(limit))).status).toBe(201);
    const announced = request(`${api.url}/v1/attachments`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': limit + 1 },
    });
    announced.on('error', () => {});
    announced.flushHeaders();
    const [refused] = (await once(announced, 'response')) as [{ statusCode: number; resume(): void }];
    refused.resume();
    expect(refused.statusCode).toBe(413);
    announced.destroy();

    const chunked = request(`${api.url}/v1/attachments`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream', 'Transfer-Encoding': 'chunked' },
    });
    chunked.on('error', () => {});
    chunked.end(Buffer.alloc(limit + 1));
    const [tooMuch] = (await once(chunked, 'response')) as [{ statusCode: number; resume(): void }];
    tooMuch.resume();
    expect(tooMuch.statusCode).toBe(413);
    await nothingIncoming();
  });

  it('never serves content that has changed on disk as if it were intact', async () => {
    const [cut, changed] = [randomBytes(200_000), randomBytes(200_000)];
    const keys = api.mongo.db.collection<{ _id: string; sealedAs: string }>('attachment_keys');
    const fileOf = async (_id: string) => {
      const { sealedAs = '' } = (await keys.findOne({ _id })) ?? {};
      return join(api.attachmentsDir, sealedAs.slice(0, 2), sealedAs);
    };
    for (const content of [cut, changed]) await upload(content);
    await truncate(await fileOf(sha256(cut)), 100_000);
    await writeFile(await fileOf(sha256(changed)), Buffer.concat([changed.subarray(1), changed.subarray(0, 1)]));
    for (const content of [cut, changed]) {
      const reading = async () => {
        const answer = await fetch(`${api.url}/v1/attachments/${sha256(content)}`);
        await answer.arrayBuffer();
        if (!answer.ok) throw new Error(String(answer.status));
      };
      await expect(reading()).rejects.toThrow();
    }
  });

  it.each([
    ['JSON', { 'Content-Type': 'application/json' }, '', 415, 'unsupported-media-type'],
    ['text', { 'Content-Type': 'text/plain' }, '', 415, 'unsupported-media-type'],
    ['a media type that is none', {}, '?mediaType=text', 400, 'invalid-query'],
  ])('refuses %s', async (_what, headers, query, status, code) => {
    expect((await upload(Buffer.from('{}'), headers as Record<string, string>, query)).json).toMatchObject({ status, code });
  });

  it.each(['x', '..%2f..%2fetc%2fpasswd', 'A'.repeat(64), '0'.repeat(63), 'incoming'])('knows no attachment %s', async (name) => {
    expect((await send(api.url, 'GET', `/v1/attachments/${name}`)).json).toMatchObject({ status: 404, code: 'attachment-not-found' });
  });

  it('is the only address that takes bytes', async () => {
    const answer = await fetch(`${api.url}/v1/tickets`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream' },
      body: 'x',
    });
    expect((await answer.json()) as object).toMatchObject({ status: 415, code: 'unsupported-media-type' });
  });
});
