import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandsOf, instantFrom, type NewEvent } from '#eventsourcing';
import { connectMongo, type Mongo } from '#mongo';
import { createLog, terminal } from '#platform';
import { report, reportViews } from '#ticketing';
import { findCredential, runSystemCommand } from '#ticketing-app';
import { type TestStores, testStores } from '../../../test/stores.js';
import { startWorker } from '../../worker/src/worker.js';
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
afterAll(() => stores.close());

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
  it('in a replayed life, and cannot imitate a line of ours', async () => {
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

  it('in what was extracted, which is there once it is whole', async () => {
    const out = join(stores.directory, `${hostile.replaceAll('/', '')}.parquet`);
    const { code, out: said } = await tierline('extract', 'ticket-facts', '--out', out);
    expect({ code, steers: steers.test(said) }).toEqual({ code: 0, steers: false });
    expect(readFileSync(out).subarray(-4).toString()).toBe('PAR1');
    const [, upTo = ''] = /--after (\d+\/\d+)\n$/.exec(said) ?? [];
    const log = join(stores.directory, 'events.xes');
    expect(await tierline('extract', 'event-log', '--out', log)).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+ rows in/) });
    expect(readFileSync(log, 'utf8')).toContain(`<trace>\n<string key="concept:name" value="${ticketId}"/>`);
    expect(await tierline('extract', 'event-log', '--out', log, '--after', upTo)).toMatchObject({
      out: expect.stringMatching(/^0 rows in/),
    });
    const wrong = await tierline('extract', 'ticket-facts', '--out', log);
    expect(wrong).toMatchObject({ code: 1, errors: expect.stringContaining('Formats are ndjson, csv, parquet') });
    const nowhere = join(stores.directory, 'not-there', 'facts.csv');
    const unwritten = await tierline('extract', 'ticket-facts', '--out', nowhere);
    expect(unwritten).toMatchObject({ code: 1, errors: expect.stringContaining(`${nowhere} cannot be written: ENOENT`) });
  });

  it.each([
    [['extract', hostile, '--out', hostile]],
    [['replay', hostile]],
    [['replay', ticketId, '--as-of', hostile]],
    [['replay', ticketId, `--${hostile}`]],
    [[hostile]],
    [['rebuild', hostile]],
    [['doctor', hostile]],
    [['import', 'bpic2013', hostile]],
    [['import', hostile, 'log.csv']],
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

describe('import', () => {
  it('names the mappings that there are where one is unknown, and takes one log at a time', async () => {
    const unknown = await tierline('import', 'unknown', 'log.csv');
    expect(unknown).toMatchObject({ code: 2, errors: expect.stringMatching(/unknown mapping 'unknown'[^]*servicenow[^]*--map FILE/) });
    const two = await tierline('import', '--map', 'x.yaml', 'log.csv', 'other.csv');
    expect(two).toMatchObject({ code: 2, errors: expect.stringContaining("'other.csv' is one too many") });
  });
});

describe('proof', () => {
  it('is sealed, exported and verified, and changes are named', async () => {
    const [pack, changed] = ['pack.ndjson', 'changed.ndjson'].map((name) => join(stores.directory, name)) as [string, string];
    expect(await tierline('seal')).toMatchObject({ code: 0, out: expect.stringContaining('Sealed') as string });
    expect(await tierline('seal')).toMatchObject({ code: 0, out: expect.stringContaining('Nothing new') as string });
    expect(await tierline('export', '--ticket', ticketId.toUpperCase(), '--out', pack)).toMatchObject({ code: 0, errors: '' });
    expect(await tierline('export', '--ticket', ticketId, '--out', pack)).toMatchObject({ code: 1 });
    expect(await tierline('export', '--out', changed)).toMatchObject({ code: 1 });
    expect(await tierline('export', '--ticket', randomUUID(), '--out', changed)).toMatchObject({ code: 1 });
    const verified = await tierline('verify', pack, '--heads', join(stores.directory, 'tree-heads.ndjson'));
    expect(verified).toMatchObject({ code: 0, out: expect.stringContaining('integrity     holds\ncompleteness  holds') as string });
    expect(JSON.parse((await tierline('verify', '--json', pack)).out)).toMatchObject({ integrity: true, completeness: true, events: 3 });
    const report = join(stores.directory, 'report.json');
    expect(await tierline('report', 'root-cause', '--ticket', ticketId, '--format', 'json', '--out', report)).toMatchObject({ code: 0 });
    expect(await tierline('verify', pack, '--report', report)).toMatchObject({
      code: 0,
      out: expect.stringContaining('report        holds'),
    });
    await writeFile(report, (await readFile(report, 'utf8')).replaceAll('T10:00:00', 'T09:00:00'));
    const told = await tierline('verify', pack, '--report', report);
    expect(told).toMatchObject({ code: 1, out: expect.stringContaining(`ticket/${ticketId}/0 is not as in the pack`) });
    expect(told.out).toContain('its digest is not that of its content');
    await writeFile(changed, 'no pack\n');
    const unreadable = await tierline('verify', changed, '--report', report);
    expect(unreadable).toMatchObject({ code: 1, out: expect.stringContaining('integrity     FAILS') });
    expect(unreadable.out).toContain(`ticket/${ticketId}/0 is not in the pack`);
    expect((await tierline('report', 'root-cause', '--ticket', ticketId)).out).toContain('# Root cause report: ');
    expect(await tierline('report', 'root-cause')).toMatchObject({ code: 1 });
    await writeFile(changed, (await readFile(pack, 'utf8')).replace('"impact":"low"', '"impact":"high"'));
    const failed = await tierline('verify', changed);
    expect(failed).toMatchObject({ code: 1, out: expect.stringContaining(`event-not-in-tree ticket-${ticketId}@0 (integrity)`) as string });
    expect(await tierline('verify', join(stores.directory, 'nowhere'))).toMatchObject({ code: 1 });
  });

  it('of the log itself: the doctor finds a broken chain', async () => {
    expect((await tierline('doctor')).out).toMatch(/^ok   log: 3 events in 1 stream, every chain of hashes holds; 1 tree head since/m);
    expect(await tierline('seal', '--new-key', '--rebuild')).toMatchObject({ code: 0 });
    const stream = `ticket-${randomUUID()}`;
    const [opened, noted] = [event(0, 'TicketOpened', { client: 'c' }), event(1, 'InternalNoteAdded', { text: 'n' })];
    // Its key is not there, and nobody had it destroyed.
    const personal = [{ key: randomUUID(), fields: ['data.text'], box: '' }];
    const forged = { ...noted, metadata: { ...noted.metadata, personal, hash: 'a'.repeat(64) } };
    await stores.store.append(stream, 'no-stream', [opened, forged]);
    const { code, out } = await tierline('doctor');
    expect(code).toBe(1);
    expect(out).toContain(`${stream}: wrong-hash at event 1`);
    expect(out).toMatch(/^BAD {2}personal data: .* 1 in 1 stream are lost: their keys are missing/m);
  });
});

describe('reports', () => {
  const client = 'reported';
  let worker: { stop(): Promise<void> };
  beforeAll(() => {
    worker = startWorker({
      store: stores.store,
      db: tierlineViews.db,
      groups: [reportViews],
      policies: [],
      log: createLog('silent', { write: () => {} }),
    });
  });
  afterAll(() => worker.stop());

  it('are defined, listed with what came of their last run, paused, resumed, run and retired', async () => {
    expect(await tierline('reports', 'list')).toEqual({ code: 0, out: 'There are no reports\n', errors: '' });
    const flags = ['--client', client, '--every', 'month', '--zone', 'Europe/Berlin', '--to-folder', 'a', '--to-team', 'desk'];
    const defined = await tierline('reports', 'define', 'monthly', ...flags);
    expect(defined).toMatchObject({ code: 0, errors: '' });
    expect(defined.out).toMatch(/^Defined; the next one is due \d{4}-\d\d-01T0[45]:00:00\.000Z\n$/);
    expect((await tierline('reports', 'define', 'monthly', ...flags)).out).toMatch(/^Nothing has changed; /);
    const file = join(stores.directory, 'schedule.json');
    await writeFile(file, JSON.stringify({ client, every: 'week', deliverTo: [{ by: 'folder', folder: 'b' }] }));
    expect((await tierline('reports', 'define', 'weekly', '--file', file, '--hour', '9')).code).toBe(0);

    expect((await tierline('reports', 'run', 'monthly', '--on', '2020-10-31')).out).toBe(
      'A run of 2020-10-01 to 2020-10-31 is requested: a worker makes it\n',
    );
    expect((await tierline('reports', 'run', 'monthly', '--on', '2020-10-01')).out).toBe('It is requested already: a worker makes it\n');
    await tell('RecordReportRun', {
      from: instantFrom(Date.parse('2020-09-30T22:00:00Z')),
      to: instantFrom(Date.parse('2020-10-31T23:00:00Z')),
      request: 1,
      position: '1/1',
      evaluatedAt: instantFrom(Date.parse('2020-10-31T23:00:00Z')),
      sha256: 'a'.repeat(64),
      bytes: 1,
    });
    await tell('RecordReportDelivery', { run: 1, target: 0 });
    await tell('RecordReportDelivery', { run: 1, target: 1, failed: { because: 'no-address' } });
    expect((await tierline('reports', 'pause', 'weekly')).out).toBe('Paused\n');

    const { out } = await tierline('reports', 'list');
    const [, monthly = '', weekly = ''] = out.split('\n').filter((line) => /report|monthly|weekly/.test(line));
    expect(monthly).toMatch(
      /monthly .* reported .* month .* 1: 2020-10-01 to 2020-10-31 .* delivered to 1 of 2; e-mail to desk: no-address/,
    );
    expect(weekly).toMatch(/weekly .* reported .* week .* paused .* none/);
    expect(JSON.parse((await tierline('reports', 'list', '--json')).out)).toMatchObject([
      { report: 'monthly', zone: 'Europe/Berlin', dueAt: expect.any(String), lastRun: { run: 1 }, deliverTo: [{}, { by: 'email' }] },
      { report: 'weekly', every: 'week', hour: 9, state: 'paused' },
    ]);
    expect((await tierline('reports', 'resume', 'weekly')).out).toBe('Resumed\n');
    expect((await tierline('reports', 'resume', 'weekly')).out).toBe('Nothing has changed\n');
    expect((await tierline('reports', 'retire', 'weekly')).out).toBe('Retired; its runs stay\n');
    const names = async (...more: string[]) =>
      (JSON.parse((await tierline('reports', 'list', '--json', ...more)).out) as { report: string }[]).map((one) => one.report);
    expect([await names(), await names('--all')]).toEqual([['monthly'], ['monthly', 'weekly']]);
  });

  it.each([
    [['define', 'x', '--client', client], 'every is required'],
    [['define', 'x', '--client', client, '--every', 'year'], 'every must be one of the following values: day, week, month'],
    [['define', 'x', '--client', client, '--every', 'day', '--zone', 'Mars/Base'], 'zone: '],
    [['define', 'x', '--client', client, '--every', 'day', '--to-folder', '../x'], 'deliverTo[0].folder: must be the name of a folder'],
    [['define', 'x', '--client', client, '--every', 'day', '--to-webhook', randomUUID()], 'deliverTo[0].webhook: must be a webhook'],
    [['define', 'x', '--file', '/nowhere.json'], '/nowhere.json cannot be read: ENOENT'],
    [['pause', 'none'], 'There is no such report'],
    [['run', 'none', '--on', '31.10.2026'], 'on must be a date such as'],
  ])('are refused in words that name the field: %j', async (words, complaint) => {
    const { code, out, errors } = await tierline('reports', ...words);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(errors).toContain(complaint);
  });

  async function tell<Name extends keyof CommandsOf<typeof report>>(name: Name, body: CommandsOf<typeof report>[Name]): Promise<void> {
    const commandId = randomUUID();
    const context = { commandId, actor: { id: 'reporter', kind: 'system' as const }, correlationId: commandId, causationId: commandId };
    expect(await runSystemCommand(stores.store, { aggregate: report, id: 'monthly', name, body, context })).not.toHaveProperty('refused');
  }
});

describe('keys', () => {
  const find = (token: string) => findCredential(stores.store, token.trim(), instantFrom(Date.now()));
  const idOf = (token: string) => token.split('_')[1] ?? '';

  it('are issued, shown without their secrets, and revoked', async () => {
    const issuing = ['keys', 'issue', 'Gateway', '--id', 'gateway', '--roles', 'service,assistant', '--clients', 'a,b', '--tiers', 'L1'];
    const issued = await tierline(
      ...issuing,
      '--routes',
      'GET /v1/tickets,POST /v1/tickets',
      '--on-behalf-of',
      '--expires',
      '2999-01-01T00:00:00Z',
    );
    expect(issued).toMatchObject({ code: 0, errors: '' });
    expect(issued.out).toMatch(/^tierline_[0-9a-f]{20}_[0-9a-f]{72}\n$/);
    expect(await find(issued.out)).toMatchObject({
      form: 'key',
      label: 'Gateway',
      routes: ['GET /v1/tickets', 'POST /v1/tickets'],
      expiresAt: '2999-01-01T00:00:00.000Z',
      principal: { kind: 'service', id: 'gateway', roles: ['service', 'assistant'], clients: ['a', 'b'], tiers: ['L1'], onBehalfOf: true },
    });
    const key = idOf(issued.out);
    const shown = await tierline('keys', 'show', key);
    expect(JSON.parse(shown.out)).toMatchObject({ key, issuedBy: { id: 'operator', kind: 'system' } });
    expect(shown.out).not.toMatch(/hash|[0-9a-f]{64}/);
    expect((await tierline('keys', 'revoke', key)).out).toMatch(/^Revoked at /);
    expect(JSON.parse((await tierline('keys', 'show', key)).out)).toHaveProperty('revokedAt');
    expect((await tierline('keys', 'revoke', key)).out).toBe('It was revoked already\n');
  });

  it('are refused with roles, instants and ids that are none', async () => {
    for (const words of [
      ['issue', 'x', '--id', 'x', '--roles', 'root'],
      ['issue', 'x\u001b[2J', '--id', 'x', '--roles', 'agent'],
      ['issue', 'x', '--id', 'x\u202e', '--roles', 'agent'],
      ['issue', 'x', '--id', 'x', '--roles', 'agent', '--clients', 'a,'],
      ['issue', 'x', '--id', 'x', '--roles', 'agent', '--tiers', 'L9'],
      ['issue', 'x', '--id', 'x', '--roles', 'agent', '--expires', 'soon'],
      ['issue', 'x', '--id', 'x', '--roles', 'agent', '--expires', '2020-01-01T00:00:00Z'],
      ['issue', 'x', '--id', 'x', '--roles', 'agent', '--routes', '/v1/tickets'],
      ['issue', 'x', '--id', 'x', '--roles', 'agent', '--kind', 'system'],
      ['show', '0'.repeat(20)],
      ['revoke', '0'.repeat(20)],
    ]) {
      const { code, out, errors } = await tierline('keys', ...words);
      expect([words, out, code > 0, errors.length > 0]).toEqual([words, '', true, true]);
    }
  });

  it('come as links for accounts that are there', async () => {
    const { code, out, errors } = await tierline('login-link', '--account', 'nobody');
    expect([code, out]).toEqual([1, '']);
    expect(errors).toContain('There is no such account');
  });

  it('come as links to log in with, too', async () => {
    const { code, out } = await tierline('login-link', '--id', 'ada', '--name', 'Ada', '--roles', 'lead', '--clients', 'a');
    expect([code, out.slice(0, 34)]).toEqual([0, 'http://127.0.0.1:3000/login#tierli']);
    expect(await find(out.split('#')[1] ?? '')).toMatchObject({
      form: 'link',
      principal: { kind: 'person', id: 'ada', name: 'Ada', roles: ['lead'], clients: ['a'], tiers: 'all' },
    });
  });
});
