import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { instantFrom, type NewEvent } from '#eventsourcing';
import { connectMongo, type Mongo } from '#mongo';
import { terminal } from '#platform';
import { type TestStores, testStores } from '../../../test/stores.js';
import { run } from './command-line.js';
import { showProgress } from './progress.js';

/** Clears the screen, sets the window's title, returns to the line's start, turns direction round, hides what follows. */
const hostile = 'x\u001b[2J\u001b]0;owned\u0007\r\u009b8m\u202edrawkcab\u2066\u200b\ufeff\u{e0041}\u007fend';
const spelled = 'x\\u001b[2J\\u001b]0;owned\\u0007\\r\\u009b8m\\u202edrawkcab\\u2066\\u200b\\ufeff\\udb40\\udc41\\u007fend';
const steers = /[^\n\P{Cc}]|\p{Cf}|[\u2028\u2029]/u;

let stores: TestStores;
/** The database that the command line uses unless its URL names another one. */
let tierlineViews: Mongo;
const ticketId = randomUUID();

/** A ticket as older versions have taken it: with anything in its texts. */
const event = (index: number, type: string, data: object): NewEvent => {
  const at = instantFrom(Date.parse('2026-01-05T10:00:00Z') + index * 60_000);
  return {
    id: randomUUID(),
    type,
    data,
    metadata: {
      commandId: `command ${index} ${hostile}`,
      commandType: 'Command',
      correlationId: hostile,
      causationId: hostile,
      actor: { id: hostile, kind: 'agent', name: hostile },
      client: hostile,
      effectiveAt: at,
      recordedAt: at,
      schemaVersion: 1,
      imported: { system: hostile, key: hostile, row: 1, said: { [hostile]: hostile }, deviations: [hostile] },
    },
  };
};

beforeAll(async () => {
  stores = await testStores({ empty: true });
  tierlineViews = await connectMongo(stores.mongodbUrl);
  stores.onClose(() => tierlineViews.close());
  await stores.store.append(`ticket-${ticketId}`, 'no-stream', [
    event(0, 'TicketOpened', {
      client: hostile,
      kind: 'incident',
      summary: `${hostile}\nTicket forged`,
      description: `first line\r\n${hostile}`,
      reporter: { id: hostile, name: hostile },
      channel: 'phone',
      impact: 'low',
      urgency: 'low',
      priority: 'low',
      tier: 'L1',
      team: hostile,
      service: hostile,
    }),
    event(1, 'TicketAssigned', { assignee: { id: hostile, name: hostile } }),
    event(2, 'InternalNoteAdded', { text: hostile }),
  ]);
});
afterAll(() => stores.close(), 30_000);

async function tierline(...words: string[]): Promise<{ code: number; out: string; errors: string }> {
  const written = { out: '', errors: '' };
  const code = await run(words, {
    env: { EVENTSTORE_URL: stores.eventStoreUrl, MONGODB_URL: stores.mongodbUrl, DATA_DIR: stores.directory },
    out: terminal({ write: (text: string) => (written.out += text) }),
    errors: terminal({ write: (text: string) => (written.errors += text) }),
    signal: new AbortController().signal,
  });
  return { code, ...written };
}

describe('what a requester wrote steers no terminal', () => {
  it('in a replayed life, and passes for no line of its own', async () => {
    const { code, out } = await tierline('replay', ticketId);
    expect({ code, forged: /^Ticket forged/m.test(out), steers: steers.test(out) }).toEqual({ code: 0, forged: false, steers: false });
    expect(out.split(spelled).length).toBeGreaterThan(20);
    expect(out).toContain('first line\n');
  });

  it('in a life as JSON, which says the same', async () => {
    const { code, out } = await tierline('replay', ticketId, '--json');
    expect({ code, steers: steers.test(out) }).toEqual({ code: 0, steers: false });
    const [opened] = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(opened).toMatchObject({ actor: { name: hostile }, data: { summary: `${hostile}\nTicket forged` } });
  });

  it('in what the doctor finds, and in what is built anew', async () => {
    const rebuilt = await tierline('rebuild');
    const details = tierlineViews.db.collection<{ _id: string }>('ticket_details');
    await details.updateOne({ _id: ticketId }, { $set: { service: `other ${hostile}` } });
    await details.insertOne({ _id: hostile });
    const { code, out } = await tierline('doctor');
    expect([rebuilt.code, code]).toEqual([0, 1]);
    expect(out).toContain(`"other ${spelled}"`);
    expect(out).toContain(spelled);
    expect(steers.test(rebuilt.out + rebuilt.errors + out)).toBe(false);
  });

  it('in what a simulation compares, as a table and as JSON', async () => {
    const contract = join(stores.directory, 'contract.json');
    const minute = { critical: { work: 1 }, high: { work: 1 }, medium: { work: 1 }, low: { work: 1 } };
    writeFileSync(contract, JSON.stringify({ tierTargets: { L1: minute } }));
    const table = await tierline('simulate', '--contract', contract);
    const json = await tierline('simulate', '--contract', contract, '--json');
    expect([table.code, json.code]).toEqual([0, 0]);
    expect(table.out).toContain(`client ${spelled}`);
    expect(JSON.parse(json.out).totals.byClient).toMatchObject([{ client: hostile }]);
    expect(steers.test(table.out + json.out)).toBe(false);
  });

  it('in a report', async () => {
    const { code, out } = await tierline('report', 'bpic2013');
    expect({ code, steers: steers.test(out) }).toEqual({ code: 1, steers: false });
  });

  it.each([
    [['replay', hostile]],
    [['replay', ticketId, '--as-of', hostile]],
    [['replay', ticketId, `--${hostile}`]],
    [[hostile]],
    [['rebuild', hostile]],
    [['doctor', hostile]],
    [['import', 'bpic2013', hostile]],
    [['simulate', '--contract', hostile]],
    [['simulate', '--contract', 'x', '--limit', hostile]],
    [['backup', hostile, '--dir', hostile]],
    [['mongodb', '--dir', hostile, '--port', hostile]],
    [['eventstore', '--dir', hostile, '--tls-cert', hostile, '--tls-key', hostile]],
  ])('in the complaint about a wrong command line (%#)', async (words) => {
    const { code, out, errors } = await tierline(...words);
    expect(code).toBeGreaterThan(0);
    expect(errors).toMatch(/\\u001b|\\u202e/);
    expect(steers.test(out + errors)).toBe(false);
  });

  it('in the progress of a long command', () => {
    let text = '';
    const stream = { isTTY: false, write: (more: string) => (text += more) } as unknown as NodeJS.WriteStream;
    const clock = Date.now;
    const progress = showProgress(hostile, 'events', stream);
    try {
      Date.now = () => clock() + 60_000;
      progress.update(1, 2, hostile);
    } finally {
      Date.now = clock;
    }
    expect(text).toBe(`${spelled}: 1 of 2 events (50 %), ${spelled}\n`);
  });
});
