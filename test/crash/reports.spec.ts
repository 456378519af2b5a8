import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import PostalMime from 'postal-mime';
import { type EventStore, instantFrom, isRefusal, streamName } from '#eventsourcing';
import { EventStoreDB } from '#eventstoredb';
import { report, type ReportEvents } from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
import { eventually } from '../eventually.js';
import { MailServer } from '../mail-server.js';
import { build, keyIn, opening, Program } from './built-program.js';

const KILLS = 6;
const DAYS = 8;
const DAY = 24 * 60 * 60_000;
const mailbox = 'desk@example.com';

const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

/** Everything that `npm start` runs is killed while it makes reports that are due, and delivers them. */
describe('scheduled reports', () => {
  let directory = '';
  let standalone: Program | undefined;
  let store: EventStoreDB | undefined;
  const mail = new MailServer();

  beforeAll(async () => {
    await build();
    directory = await mkdtemp(join(tmpdir(), 'tierline-reports-'));
    await mail.start();
  }, 300_000);
  afterAll(async () => {
    await store?.close();
    await standalone?.end('SIGTERM');
    await mail.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('are made once for each period, whole, and delivered at least once with one id, although everything is killed', async () => {
    const dataDir = join(directory, 'data');
    const folder = join(directory, 'reports');
    const env = { DATA_DIR: dataDir, REPORTS_DIR: folder, SMTP_URL: mail.url, MAIL_FROM: 'tierline@example.com' };
    const start = async () => {
      standalone = Program.standalone(env);
      const { api, eventStoreUrl } = await standalone.ready(dataDir);
      const headers = { ...keyIn(dataDir), 'Content-Type': 'application/json' };
      const request = async (method: string, path: string, body?: object) => {
        const answer = await fetch(api + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
        if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
        return answer;
      };
      await store?.close();
      store = EventStoreDB.connect(eventStoreUrl);
      return { request, store };
    };
    /** SHA-256 of each file in the folder, by its name. */
    const delivered = async (): Promise<ReadonlyMap<string, string>> => {
      const names = await readdir(join(folder, 'desk')).catch(() => []);
      const shown = names.filter((name) => !name.startsWith('.'));
      return new Map(await Promise.all(shown.map(async (name) => [name, sha256(await readFile(join(folder, 'desk', name)))] as const)));
    };

    let { request, store: log } = await start();
    await request('POST', '/v1/teams/desk', { name: 'Desk', tiers: ['L1'] });
    await request('POST', '/v1/teams/desk/contact', { email: mailbox });
    await request('POST', '/v1/tickets', opening);
    const reports: string[] = [];
    /** What was found in the folder after each kill: a name with what it held. */
    const found: (readonly [string, string])[] = [];
    for (let kills = 0; kills <= KILLS; kills++) {
      const name = `daily-${kills}`;
      reports.push(name);
      await define(log, name);
      const before = await runsOf(log, reports);
      // While the first are made, delivered, or a few are.
      await eventually(
        () => runsOf(log, reports),
        ({ length }) => length > before.length + (kills % 3),
      );
      if (kills === KILLS) break;
      await pause(Math.random() * 400);
      await standalone?.end('SIGKILL');
      found.push(...(await delivered()));
      ({ request, store: log } = await start());
    }

    const all = await eventually(
      () => runsOf(log, reports),
      (runs) => runs.length >= reports.length * DAYS && runs.every(({ deliveries }) => deliveries.length >= 2),
    );
    // Long enough for a reporter or deliverer that would do something again.
    await pause(1_000);
    expect(await runsOf(log, reports)).toEqual(all);
    for (const name of reports) {
      const runs = all.filter((run) => run.report === name);
      expect(runs.map(({ run }) => run)).toEqual(runs.map((_, index) => index + 1));
      // Each period once: it begins where the one before it ends.
      expect(runs.slice(1).map(({ from }) => from)).toEqual(runs.slice(0, -1).map(({ to }) => to));
      for (const { run, sha256: digest, deliveries } of runs) {
        expect(deliveries.toSorted()).toEqual(['ReportRunDelivered 0', 'ReportRunDelivered 1']);
        const answer = await request('GET', `/v1/reports/${name}/runs/${run}/document`);
        expect(sha256(new Uint8Array(await answer.arrayBuffer()))).toBe(digest);
      }
    }
    const fileOf = (run: (typeof all)[number]) => `${run.report}-${run.from.slice(0, 10)}-${run.run}.html`;
    const files = new Map(all.map((run) => [fileOf(run), run.sha256]));
    // Nothing else either: no file that a kill left half written.
    expect((await readdir(join(folder, 'desk'))).toSorted()).toEqual([...files.keys()].toSorted());
    expect(await delivered()).toEqual(files);
    for (const [name, content] of found) expect([name, content]).toEqual([name, files.get(name)]);

    const mails = await Promise.all(mail.at(mailbox).map((raw) => PostalMime.parse(raw, { attachmentEncoding: 'arraybuffer' })));
    const ids = new Map<string, string | undefined>();
    for (const { messageId, attachments } of mails) {
      const [attachment] = attachments;
      const name = attachment?.filename ?? '';
      expect([name, sha256(new Uint8Array(attachment?.content as ArrayBuffer))]).toEqual([name, files.get(name)]);
      expect(ids.get(name) ?? messageId).toBe(messageId);
      ids.set(name, messageId);
    }
    expect([...ids.keys()].toSorted()).toEqual([...files.keys()].toSorted());
    expect(new Set(ids.values()).size).toBe(files.size);
    console.log(`${all.length} runs of ${reports.length} reports, ${KILLS} kills, ${mails.length - files.size} e-mails came twice`);
  }, 300_000);
});

/** Defines a report as if it had been days ago: as many periods are due. */
async function define(store: EventStore, name: string): Promise<void> {
  const commandId = randomUUID();
  const deliverTo = [
    { by: 'folder', folder: 'desk' },
    { by: 'email', to: { kind: 'team', team: 'desk' } },
  ] as const;
  const schedule = { client: opening.client, every: 'day', zone: 'UTC', hour: 0, deliverTo } as const;
  const body = { ...schedule, effectiveAt: instantFrom(Date.now() - DAYS * DAY) };
  const context = { commandId, actor: { id: 'ada', kind: 'agent' as const }, correlationId: commandId, causationId: commandId };
  const defined = await runSystemCommand(store, { aggregate: report, id: name, name: 'DefineReport', body, context });
  if (isRefusal(defined)) throw new Error(defined.message);
}

type Run = ReportEvents['ReportRunCompleted'] & { readonly deliveries: readonly string[] };

/** The runs that the streams of these reports tell of, each with what was told of its deliveries. */
async function runsOf(store: EventStore, reports: readonly string[]): Promise<readonly Run[]> {
  const all: (Run & { readonly deliveries: string[] })[] = [];
  for (const name of reports) {
    for await (const { type, data } of store.readStream(streamName(report, name))) {
      if (type === 'ReportRunCompleted') all.push({ ...(data as ReportEvents['ReportRunCompleted']), deliveries: [] });
      const { run, target } = data as ReportEvents['ReportRunDelivered'];
      if (/^ReportRun(Und|D)elivered$/.test(type))
        all.find((one) => one.report === name && one.run === run)?.deliveries.push(`${type} ${target}`);
    }
  }
  return all;
}
