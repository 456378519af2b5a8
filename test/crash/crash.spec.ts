import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient, START, streamNameFilter } from '@eventstore/db-client';
import { deterministicId, type EventMetadata } from '#eventsourcing';
import { EventStoreDB } from '#eventstoredb';
import { connectMongo, diagnoseGroup } from '#mongo';
import { AttachmentKeys, MasterKeyFile, PersonalEvents, PersonalKeys } from '#privacy';
import { ticketViews } from '#ticketing';
import { viewsCaughtUp } from '../../apps/cli/src/caught-up.js';
import { build, keyIn, Program } from './built-program.js';

/** A command that was sent, and what was answered to it before the process died, if anything. */
interface Sent {
  readonly key: string;
  readonly path: string;
  readonly body: object;
  answer?: {
    readonly ticketId: string;
    readonly revision: number;
    readonly repeated: boolean;
    readonly events: readonly { readonly type: string }[];
  };
}

const ROUNDS = 3;
const AT_ONCE = 32;

const opening = (summary: string): object => ({
  client: 'northwind',
  kind: 'incident',
  summary,
  reporter: { id: 'j.doe' },
  channel: 'phone',
  impact: 'low',
  urgency: 'low',
});

/** An API, and the header that it is asked with. */
interface Api {
  readonly api: string;
  readonly key: ReturnType<typeof keyIn>;
}

async function send({ api, key }: Api, sent: Sent): Promise<void> {
  const response = await fetch(api + sent.path, {
    method: 'POST',
    headers: { ...key, 'Content-Type': 'application/json', 'Idempotency-Key': sent.key, 'X-Actor-Id': 'crash-test' },
    body: JSON.stringify(sent.body),
  });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`${sent.path} was answered with ${response.status}: ${JSON.stringify(answer)}`);
  sent.answer = answer as NonNullable<Sent['answer']>;
}

/** The id that the API gives to a command with this key. */
const commandIdOf = ({ path, key }: Sent): string =>
  deterministicId('command', /^\/v1\/tickets\/([^/]+)/.exec(path)?.[1] ?? 'tickets', key);

/** Sends tickets and steps on them, many at once, until the process dies. Returns what was sent. */
async function sendUntilDead(api: Api, round: number, onAnswer: (answered: number) => void): Promise<Sent[]> {
  const all: Sent[] = [];
  let answered = 0;
  let dead = false;
  const sender = async (number: number): Promise<void> => {
    for (let index = 0; !dead; index++) {
      const ticket: Sent = {
        key: `round-${round}-sender-${number}-ticket-${index}`,
        path: '/v1/tickets',
        body: opening(`Round ${round}, sender ${number}, ticket ${index}`),
      };
      const commands = [ticket];
      for (let command = commands.shift(); command !== undefined && !dead; command = commands.shift()) {
        all.push(command);
        try {
          await send(api, command);
          onAnswer(++answered);
        } catch (error) {
          // A connection that broke is what this is about; a problem that was answered is none.
          if ((error as Error).name !== 'TypeError') throw error;
          dead = true;
        }
        if (command === ticket && ticket.answer !== undefined) {
          const { ticketId } = ticket.answer;
          for (const step of ['first', 'second', 'third']) {
            commands.push({
              key: `${ticket.key}-${step}`,
              path: `/v1/tickets/${ticketId}/diagnostic-steps`,
              body: { action: `The ${step} step`, outcome: 'noted' },
            });
          }
        }
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, number) => sender(number)));
  return all;
}

/** All ticket events of the log, by the command that made them, as the client of the database itself reads them. */
async function eventsByCommand(
  url: string,
): Promise<Map<string, { readonly id: string; readonly stream: string; readonly revision: number; readonly type: string }[]>> {
  const client = EventStoreDBClient.connectionString(url);
  const found = new Map<string, { id: string; stream: string; revision: number; type: string }[]>();
  const subscription = client.subscribeToAll({ fromPosition: START, filter: streamNameFilter({ prefixes: ['ticket-'] }) });
  try {
    await new Promise<void>((resolve, reject) => {
      subscription
        .on('data', ({ event }) => {
          if (event === undefined) return;
          const { commandId } = event.metadata as unknown as EventMetadata;
          found.set(commandId, [
            ...(found.get(commandId) ?? []),
            { id: event.id, stream: event.streamId, revision: Number(event.revision), type: event.type },
          ]);
        })
        .on('caughtUp', resolve)
        .on('error', reject);
    });
  } finally {
    await subscription.unsubscribe();
    await client.dispose();
  }
  return found;
}

describe('a process that is killed in the middle of a stream of commands', () => {
  let dataDir: string | undefined;
  const started: Program[] = [];

  beforeAll(async () => {
    await build();
    dataDir = await mkdtemp(join(tmpdir(), 'tierline-crash-'));
  }, 300_000);

  afterAll(async () => {
    for (const program of started) await program.end('SIGKILL');
    if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true });
  });

  const start = async (): Promise<Api & { program: Program; eventStoreUrl: string; mongodbUrl: string }> => {
    const directory = dataDir ?? '';
    const program = Program.standalone({ DATA_DIR: directory });
    started.push(program);
    const running = await program.ready(directory);
    return { program, ...running, key: keyIn(directory) };
  };

  it('loses nothing acknowledged, does nothing twice, and its views become correct', async () => {
    const all: Sent[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const { program, ...api } = await start();
      const killAfter = 50 + Math.floor(Math.random() * 400);
      all.push(...(await sendUntilDead(api, round, (answered) => answered === killAfter && program.child.kill('SIGKILL'))));
      expect(await program.exited).toEqual({ code: null, signal: 'SIGKILL' });
    }
    const acknowledged = all.filter(({ answer }) => answer !== undefined);
    const unanswered = all.filter(({ answer }) => answer === undefined);
    expect(acknowledged.length).toBeGreaterThanOrEqual(ROUNDS * 50);
    expect(unanswered.length).toBeGreaterThan(0);

    const { program, eventStoreUrl, mongodbUrl, ...api } = await start();
    const log = await eventsByCommand(eventStoreUrl);
    for (const sent of acknowledged) {
      const events = log.get(commandIdOf(sent)) ?? [];
      expect(events.map(({ type }) => type)).toEqual(sent.answer?.events.map(({ type }) => type));
      expect(events.at(-1)).toMatchObject({ stream: `ticket-${sent.answer?.ticketId}`, revision: sent.answer?.revision });
    }
    // What was in work when it died was done as a whole, or not at all.
    for (const sent of unanswered) expect((log.get(commandIdOf(sent)) ?? []).length).toBeLessThanOrEqual(1);

    // Sending everything once more finishes what was not done, and repeats nothing.
    const known = new Set(log.keys());
    const wasDone = all.map((sent) => known.has(commandIdOf(sent)));
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, worker) => {
        for (let index = worker; index < all.length; index += AT_ONCE) {
          const sent = all[index] as Sent;
          await send(api, sent);
          expect(sent.answer?.repeated).toBe(wasDone[index]);
        }
      }),
    );
    const after = await eventsByCommand(eventStoreUrl);
    expect(after.size).toBe(all.length);
    const events = [...after.values()].flat();
    expect(events.length).toBe(all.length);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    expect(new Set(events.map(({ stream, revision }) => `${stream}@${revision}`)).size).toBe(events.length);

    const mongo = await connectMongo(mongodbUrl);
    const keys = await PersonalKeys.open(mongo, await MasterKeyFile.open(join(dataDir ?? '', 'personal-key')));
    const personal = new PersonalEvents(keys, await AttachmentKeys.open(mongo, keys));
    const store = EventStoreDB.connect(eventStoreUrl, { personal });
    try {
      await viewsCaughtUp({ store, mongo }, false, AbortSignal.timeout(60_000));
      const diagnoses = await diagnoseGroup({ db: mongo.db, store, group: ticketViews });
      expect(diagnoses).toHaveLength(ticketViews.faces.length + 1);
      for (const { view, different, behind, moving, compared } of diagnoses) {
        expect({ view, different, behind, moving }).toEqual({ view, different: 0, behind: 0, moving: 0 });
        expect(compared).toBeGreaterThan(0);
      }
    } finally {
      await store.close();
      await mongo.close();
    }
    expect(await program.end('SIGTERM')).toEqual({ code: 0, signal: null });
  });
});
