import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Webhook as Verifier } from 'standardwebhooks';
import { eventually } from '../eventually.js';
import { build, keyIn, opening, Program } from './built-program.js';

interface Taken {
  readonly id: string;
  readonly subject: string;
  readonly revision: number;
  readonly position: string;
}

const KILLS = 3;

/** Everything that `npm start` runs is killed while it delivers to a receiver that fails now and then. */
describe('a webhook', () => {
  let directory = '';
  let standalone: Program | undefined;
  let receiver: Server | undefined;

  beforeAll(async () => {
    await build();
    directory = await mkdtemp(join(tmpdir(), 'tierline-webhook-'));
  }, 300_000);
  afterAll(async () => {
    await standalone?.end('SIGTERM');
    receiver?.closeAllConnections();
    receiver?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('delivers every event, those of a ticket in order, even if everything is killed', async () => {
    const dataDir = join(directory, 'data');
    const env = { DATA_DIR: dataDir, WEBHOOK_NETWORKS: '127.0.0.0/8' };
    const taken: Taken[] = [];
    let secret = '';
    let forged = 0;
    let requests = 0;
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      request.on('end', () => {
        // One in twenty is not taken.
        if (++requests % 20 === 0) return void response.writeHead(500).end();
        try {
          taken.push(new Verifier(secret).verify(body, request.headers as Record<string, string>) as Taken);
        } catch {
          forged++;
        }
        response.writeHead(204).end();
      });
    }).listen(0, '127.0.0.1');
    receiver = server;
    await once(server, 'listening');

    const start = async () => {
      standalone = Program.standalone(env);
      const { api } = await standalone.ready(dataDir);
      const headers = { ...keyIn(dataDir), 'Content-Type': 'application/json' };
      return async <Answer>(method: string, path: string, body?: object): Promise<Answer> => {
        const answer = await fetch(api + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
        if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
        return (await answer.json()) as Answer;
      };
    };
    let ask = await start();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const { webhook } = await ask<{ webhook: string }>('POST', '/v1/webhooks', { url, allClients: true, from: 'start' });
    ({ secret } = await ask<{ secret: string }>('GET', `/v1/webhooks/${webhook}/secret`));

    for (let kills = 0; kills <= KILLS; kills++) {
      const tickets = await Promise.all(Array.from({ length: 8 }, () => ask<{ ticketId: string }>('POST', '/v1/tickets', opening)));
      const before = taken.length;
      for (let step = 0; step < 6; step++)
        for (const { ticketId } of tickets)
          await ask('POST', `/v1/tickets/${ticketId}/diagnostic-steps`, { action: `${step}`, outcome: 'o' });
      if (kills === KILLS) break;
      await eventually(
        () => taken.length,
        (length) => length > before,
      );
      await pause(Math.random() * 200);
      await standalone?.end('SIGKILL');
      ask = await start();
    }

    const types = ['TicketOpened', 'DiagnosticStepRecorded'];
    const digest = await ask<{ count: number; sha256: string }>('GET', `/v1/events/digest?types=${types.join(',')}`);
    const each = () => [
      ...new Map(taken.filter(({ subject }) => subject.startsWith('ticket/')).map((event) => [event.id, event])).values(),
    ];
    const all = await eventually(each, ({ length }) => length >= digest.count);
    const commitOf = ({ position }: Taken) => BigInt(position.split('/')[0] ?? '');
    const ids = all.toSorted((one, other) => (commitOf(one) < commitOf(other) ? -1 : 1)).map(({ id }) => `${id}\n`);
    expect(createHash('sha256').update(ids.join('')).digest('hex')).toBe(digest.sha256);
    const revisions = new Map<string, number[]>();
    for (const { subject, revision } of all) revisions.set(subject, [...(revisions.get(subject) ?? []), revision]);
    for (const [subject, seen] of revisions) expect([subject, seen]).toEqual([subject, [0, 1, 2, 3, 4, 5, 6]]);
    expect(forged).toBe(0);
    console.log(
      `${digest.count} events, ${KILLS} kills, ${requests} requests, ${taken.length - new Set(taken.map(({ id }) => id)).size} came twice`,
    );
  }, 300_000);
});
