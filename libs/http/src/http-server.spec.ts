import { once } from 'node:events';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import type { Server as TlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { Controller, Get, Module, Post, Res } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply } from 'fastify';
import { createLog } from '#platform';
import { eventually } from '../../../test/eventually.js';
import { followCertificate, readCertificate } from './certificate.js';
import { httpAdapter, type HttpOptions, prepareHttp } from './http-server.js';
import { loggedUrl } from './problem-filter.js';

let streaming: FastifyReply['raw'] | undefined;

@Controller()
class Desk {
  @Get('events')
  events(@Res() reply: FastifyReply): void {
    reply.hijack();
    streaming = reply.raw;
    reply.raw.writeHead(200);
    reply.raw.write('begun\n');
  }

  @Post('commands')
  command(): object {
    return {};
  }
}

@Module({ controllers: [Desk] })
class DeskModule {}

const logged: string[] = [];
const log = createLog('info', { write: (line) => void logged.push(line) });
const apps: NestFastifyApplication[] = [];
afterEach(async () => {
  streaming?.destroy();
  for (const app of apps.splice(0)) await app.close();
});

async function serve(options: HttpOptions): Promise<{ readonly app: NestFastifyApplication; readonly port: number }> {
  const app = await NestFactory.create<NestFastifyApplication>(DeskModule, httpAdapter(options), { logger: false, bodyParser: false });
  apps.push(app);
  prepareHttp(app, log, options);
  await app.listen(0, '127.0.0.1');
  return { app, port: (app.getHttpServer().address() as AddressInfo).port };
}

it('logs no words that were searched for', () => {
  expect(loggedUrl('/v1/tickets?q=Jane%20Doe&sort=priority&q=')).toBe('/v1/tickets?q=[personal]&sort=priority&q=[personal]');
});

describe('slow clients', () => {
  /** What comes back, and that it ends, when no more than this is ever sent. */
  async function answerTo(port: number, sent: string): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket.setEncoding('utf8').on('data', (text: string) => (received += text));
    socket.write(sent);
    await once(socket, 'close');
    return received;
  }

  it('are cut off while they send a request, and never while they read a stream', async () => {
    const { port } = await serve({ timeouts: { headersMs: 1_000, requestMs: 1_500, keepAliveMs: 500 } });
    const reader = connect(port, '127.0.0.1').setEncoding('utf8');
    let read = '';
    reader.on('data', (text: string) => (read += text));
    reader.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await eventually(
      () => read,
      (text) => text.includes('begun'),
    );

    const [nothing, headers, body, idle, large] = await Promise.all([
      answerTo(port, ''),
      answerTo(port, 'GET /events HTTP/1.1\r\nHost: localhost\r\n'),
      answerTo(port, 'POST /commands HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{'),
      answerTo(port, 'POST /commands HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      answerTo(port, `GET /events HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`),
    ]);
    for (const answer of [nothing, headers, body]) {
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(answer).toContain('"code":"request-timeout"');
    }
    // Answered, and closed when no other request follows.
    expect(idle).toMatch(/^HTTP\/1\.1 201 /);
    expect(large).toMatch(/^HTTP\/1\.1 431 /);

    streaming?.end('still there\n');
    await eventually(
      () => read,
      (text) => text.includes('still there'),
    );
  });
});

describe('TLS', () => {
  const fixtures = ['libs/embedded-eventstoredb/fixtures/tls', 'libs/http/fixtures/tls'].map((folder) => join(process.cwd(), folder));
  let directory: string;
  let files: { readonly certFile: string; readonly keyFile: string };
  const put = async (folder = ''): Promise<void> => {
    await copyFile(join(folder, 'key.pem'), files.keyFile);
    await copyFile(join(folder, 'cert.pem'), files.certFile);
  };
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tierline-tls-'));
    files = { certFile: join(directory, 'cert.pem'), keyFile: join(directory, 'key.pem') };
    await put(fixtures[0]);
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** The certificate that a new connection is shown, and the answer's headers. */
  const ask = (port: number) =>
    new Promise<{ readonly certificate: PeerCertificate; readonly headers: object; readonly status: number | undefined }>(
      (resolve, reject) => {
        const headers = { Host: 'desk.example' };
        get({ port, host: '127.0.0.1', path: '/nothing', headers, agent: false, rejectUnauthorized: false }, (response) => {
          response.resume();
          const certificate = (response.socket as TLSSocket).getPeerCertificate();
          response.on('end', () => resolve({ certificate, headers: response.headers, status: response.statusCode }));
        }).on('error', reject);
      },
    );

  it('uses its certificate, which can be renewed while in use', async () => {
    const { app, port } = await serve({ certificate: await readCertificate(files) });
    const unfollow = followCertificate(app.getHttpServer() as TlsServer, files, log, 20);
    try {
      const first = await ask(port);
      expect(first.status).toBe(404);
      expect(first.headers).toMatchObject({
        'strict-transport-security': 'max-age=31536000',
        'content-security-policy': expect.stringMatching(/^default-src 'none'/) as string,
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
      });

      await writeFile(files.certFile, 'This is no certificate');
      await eventually(
        () => logged,
        (lines) => lines.some((line) => line.includes('the previous one stays in use')),
      );
      expect((await ask(port)).certificate.fingerprint256).toBe(first.certificate.fingerprint256);

      await put(fixtures[1]);
      await eventually(
        () => ask(port),
        ({ certificate }) => certificate.fingerprint256 !== first.certificate.fingerprint256,
      );
    } finally {
      unfollow();
    }
  });

  it('does not start with the key of another certificate', async () => {
    await copyFile(join(fixtures[1] ?? '', 'key.pem'), files.keyFile);
    await expect(readCertificate(files)).rejects.toThrow(/key/);
  });
});
