import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startEmbeddedEventStoreDB } from '#embedded-eventstoredb';
import { startEmbeddedMongoDB } from '#embedded-mongodb';
import { instantFrom, isRefusal, streamName } from '#eventsourcing';
import { EventStoreDB } from '#eventstoredb';
import { runTicketCommand } from '#ticketing-nest';
import { build, Program } from './built-program.js';

const TICKETS = 120;
const MINUTE = 60_000;
const ofResponse = ['SlaThresholdReached 50', 'SlaThresholdReached 75', 'SlaThresholdReached 90', 'SlaBreached '];

describe('two workers, one of which is killed in the middle', () => {
  const closing: (() => Promise<unknown>)[] = [];
  beforeAll(() => build(), 300_000);
  afterAll(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  }, 60_000);

  it('tell each warning and each breach once', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tierline-timekeeper-'));
    closing.push(() => rm(directory, { recursive: true, force: true }));
    const events = await startEmbeddedEventStoreDB({ directory: join(directory, 'events'), port: 0 });
    closing.push(() => events.close());
    const views = await startEmbeddedMongoDB({ directory: join(directory, 'views'), port: 0 });
    closing.push(() => views.close());
    const store = EventStoreDB.connect(events.url);
    closing.push(() => store.close());

    // Twenty minutes ago: fifteen were promised for the response.
    const effectiveAt = instantFrom(Date.now() - 20 * MINUTE);
    const opening = {
      client: 'northwind',
      kind: 'incident',
      summary: 's',
      reporter: { id: 'joe' },
      channel: 'phone',
      impact: 'high',
      urgency: 'critical',
    } as const;
    const ids = await Promise.all(
      Array.from({ length: TICKETS }, async () => {
        const commandId = randomUUID();
        const context = {
          commandId,
          repeatable: false,
          actor: { id: 'ada', kind: 'agent' as const },
          correlationId: commandId,
          causationId: commandId,
        };
        const opened = await runTicketCommand(store, {
          ticketId: undefined,
          name: 'OpenTicket',
          body: { ...opening, effectiveAt },
          context,
        });
        if (isRefusal(opened)) throw new Error(JSON.stringify(opened));
        return opened.ticketId;
      }),
    );
    const told = async (id: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const { type, data } of store.readStream(streamName('ticket', id))) {
        if (type.startsWith('Sla')) found.push(`${type} ${(data as { percent?: number }).percent ?? ''}`);
      }
      return found;
    };
    const toldTickets = async () => (await Promise.all(ids.map(told))).filter((moments) => moments.length > 0).length;

    const env = { EVENTSTORE_URL: events.url, MONGODB_URL: views.url };
    const [first, second] = [Program.worker(env), Program.worker(env)];
    closing.push(() => Promise.all([first.end('SIGTERM'), second.end('SIGTERM')]));
    const until = Date.now() + 60_000;
    while ((await toldTickets()) < TICKETS / 10) {
      if (Date.now() > until) throw new Error(`nothing was told:\n${first.stderr}${second.stderr}`);
      await pause(5);
    }
    const killedAt = await toldTickets();
    expect(await first.end('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
    while ((await toldTickets()) < TICKETS) {
      if (Date.now() > until) throw new Error(`only ${await toldTickets()} of ${TICKETS}, ${killedAt} at the kill:\n${second.stderr}`);
      await pause(50);
    }
    // Long enough for a timekeeper that would tell something again.
    await pause(1_000);
    for (const id of ids) expect(await told(id)).toEqual(ofResponse);
  }, 120_000);
});
