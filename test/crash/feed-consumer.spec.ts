import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../eventually.js';
import { build, keyIn, opening, Program } from './built-program.js';

const consumer = resolve(import.meta.dirname, '../../examples/feed-consumer/consumer.py');
const TICKETS = 60;
const KILLS = 12;

/** A consumer of the event feed in another language, which is killed again and again while events come, and the server too, once. */
describe('a consumer of the event feed', () => {
  let directory = '';
  let standalone: Program | undefined;

  beforeAll(async () => {
    await build();
    directory = await mkdtemp(join(tmpdir(), 'tierline-feed-'));
  }, 300_000);
  afterAll(async () => {
    await standalone?.end('SIGTERM');
    await rm(directory, { recursive: true, force: true });
  });

  it('has every event, each once, in order, however often it is killed', async () => {
    const dataDir = join(directory, 'data');
    const sqlite = join(directory, 'events.sqlite');
    standalone = Program.standalone({ DATA_DIR: dataDir });
    const { api } = await standalone.ready(dataDir);
    const key = keyIn(dataDir);
    const env = { ...process.env, API_URL: api, TIERLINE_KEY: key.Authorization.replace('Bearer ', '') };
    const begin = (): ChildProcess => spawn('python3', [consumer, sqlite], { env, stdio: 'inherit' });
    const post = async (path: string, body: object) => {
      const answer = await fetch(api + path, {
        method: 'POST',
        headers: { ...key, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(await answer.text());
      return (await answer.json()) as { readonly ticketId: string };
    };

    let kills = 0;
    let running = begin();
    const producing = (async () => {
      for (let n = 0; n < TICKETS; n++) {
        const { ticketId } = await post('/v1/tickets', opening);
        for (let step = 0; step < 8; step++)
          await post(`/v1/tickets/${ticketId}/diagnostic-steps`, { action: `step ${step}`, outcome: 'o' });
      }
    })();
    let isDone = false;
    void producing.then(() => (isDone = true)).catch(() => (isDone = true));
    while (!isDone || kills < KILLS) {
      await pause(50 + Math.random() * 400);
      running.kill('SIGKILL');
      await once(running, 'exit');
      kills++;
      running = begin();
    }
    await producing;

    const answered = await fetch(`${api}/v1/events/digest`, { headers: key });
    const digest = (await answered.json()) as { readonly count: number; readonly sha256: string };
    const stored = () => {
      const script =
        'import sqlite3, sys\nfor (id,) in sqlite3.connect(sys.argv[1]).execute("SELECT id FROM events ORDER BY number"): print(id)';
      return spawnSync('python3', ['-c', script, sqlite], { encoding: 'utf8' }).stdout;
    };
    const lines = (text: string) => text.split('\n').length - 1;
    const all = await eventually(stored, (text) => lines(text) >= digest.count);
    running.kill('SIGKILL');
    await once(running, 'exit');
    console.log(`${digest.count} events, ${kills} kills`);
    expect([lines(all), createHash('sha256').update(all).digest('hex')]).toEqual([digest.count, digest.sha256]);
    expect(digest.count).toBeGreaterThan(TICKETS * 9 - 1);
  }, 300_000);
});
