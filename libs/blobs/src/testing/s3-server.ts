import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sign } from 'aws4';
import type { S3Bucket } from '../s3-blob-store.js';

/**
 * The parts of S3 that the contract needs: checks each request's signature (Signature Version 4, with another library than the signer's)
 * and the hash of the body, and keeps objects in memory.
 */
export interface S3Server extends Required<S3Bucket> {
  readonly objects: Map<string, { readonly content: Buffer; readonly type: string }>;
  /** Ends a request for an object before it is handled, while it returns true. */
  interrupt: (request: IncomingMessage) => boolean;
  /** Whether it supports conditional writes: not all stores do. */
  conditions: boolean;
  /** Called before an object is stored: another writer may be faster. */
  beforeKept: (key: string) => void;
  close(): Promise<void>;
}

export async function startS3Server(): Promise<S3Server> {
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
  const objects: S3Server['objects'] = new Map();
  const region = 'eu-central-1';
  const http = createServer((request, reply) => {
    void answer(request, reply).catch(() => request.destroy());
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  const server: S3Server = {
    bucket: 'tierline-attachments',
    region,
    endpoint: `http://127.0.0.1:${port}`,
    credentials,
    objects,
    interrupt: () => false,
    conditions: true,
    beforeKept: () => {},
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };

  async function answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const refuse = (status: number, code: string) => {
      request.resume();
      reply.writeHead(status, { 'content-type': 'application/xml' });
      reply.end(method === 'HEAD' ? undefined : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
    };
    if (!isSigned(request)) return refuse(403, 'SignatureDoesNotMatch');
    const [, bucket, ...rest] = new URL(url, server.endpoint).pathname.split('/');
    const key = decodeURIComponent(rest.join('/'));
    if (bucket !== server.bucket) return refuse(404, 'NoSuchBucket');
    if (key === '') return void reply.writeHead(200).end();
    if (server.interrupt(request)) return void request.destroy();
    if (method === 'PUT') {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece as Buffer);
      const content = Buffer.concat(pieces);
      if (createHash('sha256').update(content).digest('hex') !== request.headers['x-amz-content-sha256'])
        return refuse(400, 'XAmzContentSHA256Mismatch');
      if ('if-none-match' in request.headers && !server.conditions) return refuse(501, 'NotImplemented');
      server.beforeKept(key);
      if (request.headers['if-none-match'] === '*' && objects.has(key)) return refuse(412, 'PreconditionFailed');
      objects.set(key, { content, type: request.headers['content-type'] ?? 'binary/octet-stream' });
      return void reply.writeHead(200, { etag: '"e"' }).end();
    }
    if (method === 'DELETE') {
      objects.delete(key);
      return void reply.writeHead(204).end();
    }
    const kept = objects.get(key);
    if (kept === undefined) return refuse(404, 'NoSuchKey');
    reply.writeHead(200, { 'content-type': kept.type, 'content-length': kept.content.length });
    reply.end(method === 'HEAD' ? undefined : kept.content);
  }

  function isSigned({ method = '', url = '', headers }: IncomingMessage): boolean {
    const { authorization = '' } = headers;
    const signed = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';') ?? [];
    const ofIt = Object.fromEntries(signed.map((name) => [name, String(headers[name])]));
    const again = sign({ host: headers.host ?? '', method, path: url, service: 's3', region, headers: ofIt }, credentials);
    return signed.includes('x-amz-content-sha256') && String(again.headers?.['Authorization']) === authorization;
  }

  return server;
}
