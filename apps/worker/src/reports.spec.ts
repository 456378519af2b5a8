import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import PostalMime from 'postal-mime';
import { type AboutBlob, type BlobStore, FolderBlobStore } from '#blobs';
import { readAggregate, StoreUnavailable } from '#eventsourcing';
import { deliverReports } from '#notifications';
import { createLog } from '#platform';
import { type DeliveryTarget, report, type ReportRun, reportViews, team, ticketViews } from '#ticketing';
import { type Deliverer, deliveries, deliveryHealth, type Patience, patience as usualPatience } from '#webhooks';
import { commandsTo } from '../../../libs/ticketing-app/src/testing/send-command.js';
import { eventually } from '../../../test/eventually.js';
import { MailServer } from '../../../test/mail-server.js';
import { type TestStores, testStores } from '../../../test/stores.js';
import { startReporter } from './reporter.js';
import { startWorker } from './worker.js';

const logged: string[] = [];
const log = createLog('warn', { write: (line) => void logged.push(line) });
const patience: Patience = { ...usualPatience, firstMs: 20, longestMs: 50, breakAfter: Infinity };

let stores: TestStores;
let mail: MailServer;
let blobs: FolderBlobStore;
let folder = '';
let deliverer: Deliverer | undefined;

const UNLUCKY = 'unlucky-client';
/** How often a document of theirs was not kept. */
let unkept = 0;

beforeAll(async () => {
  // A deliverer of its own folder would take up what other tests report.
  [stores, mail] = await Promise.all([testStores({ empty: true }), new MailServer().start()]);
  const { store, mongo, directory, onClose } = stores;
  blobs = await FolderBlobStore.open(join(directory, 'attachments'));
  folder = join(directory, 'reports');
  const worker = startWorker({ store, db: mongo.db, groups: [reportViews, ticketViews], policies: [], log });
  onClose(() => worker.stop());
  const reporter = startReporter({ store, db: mongo.db, blobs: { put }, log });
  onClose(() => reporter.stop());
});
afterEach(() => deliverer?.stop());
afterAll(async () => {
  await stores?.close();
  await mail?.close();
});

/** Keeps documents, unless they are of a client for whom that fails. */
async function put(content: AsyncIterable<Uint8Array>, about: AboutBlob): ReturnType<BlobStore['put']> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  const page = Buffer.concat(chunks);
  if (page.includes(UNLUCKY)) {
    unkept++;
    throw new StoreUnavailable('the disk is full');
  }
  return blobs.put(
    (async function* () {
      yield page;
    })(),
    about,
  );
}

function deliver(url: string, more: Partial<Patience> = {}): void {
  const { store, mongo } = stores;
  const sending = { url, from: 'tierline@example.com' };
  deliverer = deliverReports({ store, db: mongo.db, log, blobs, folder, mail: sending, patience: { ...patience, ...more }, pollMs: 20 });
}

const tell = commandsTo(() => stores.store);

async function withMail(name: string): Promise<DeliveryTarget> {
  await tell(team, name, 'DefineTeam', { name, tiers: ['L1'] });
  await tell(team, name, 'SetTeamContact', { email: `${name}@example.com` });
  return { by: 'email', to: { kind: 'team', team: name } };
}

/** Has a report made of October 2020, in Berlin. */
async function reportTo(name: string, deliverTo: readonly DeliveryTarget[], client = 'northwind'): Promise<void> {
  await tell(report, name, 'DefineReport', { client, every: 'month', zone: 'Europe/Berlin', deliverTo });
  await tell(report, name, 'RequestReportRun', { on: '2020-10-31' });
}

/** The run of a report, once it is known what became of each of its deliveries. */
async function delivered(name: string): Promise<ReportRun> {
  const run = async () => (await readAggregate(stores.store, report, name)).state?.runs[0];
  const done = await eventually(run, (one) => one !== undefined && (one.deliveries ?? []).length === one.deliverTo?.length);
  if (done === undefined) throw new Error('there is no run');
  return { ...done, deliveries: (done.deliveries ?? []).toSorted((one, other) => one.target - other.target) };
}

describe('a report by e-mail', () => {
  it("has the run's document attached, and the same id however often it is sent", async () => {
    const to = await withMail('desk');
    mail.treats.set('desk@example.com', (nth) => (nth === 1 ? 'close' : nth === 2 ? { code: 451 } : 'take'));
    deliver(mail.url);
    await reportTo('Northwind: monthly', [to]);
    const { sha256, bytes, deliveries } = await delivered('Northwind: monthly');

    expect(deliveries).toEqual([{ target: 0, at: expect.any(String) }]);
    const sent = mail.at('desk@example.com');
    expect(sent).toHaveLength(3);
    const messages = await Promise.all(sent.map((raw) => PostalMime.parse(raw, { attachmentEncoding: 'arraybuffer' })));
    expect(new Set(messages.map(({ messageId }) => messageId)).size).toBe(1);
    for (const { from, to, subject, text, html, attachments } of messages) {
      expect({ from, to }).toMatchObject({ from: { address: 'tierline@example.com' }, to: [{ address: 'desk@example.com' }] });
      expect(subject).toBe('Service report for northwind, 2020-10-01 to 2020-10-31 (Northwind: monthly)');
      expect(text?.trimEnd()).toBe(
        'The service report "Northwind: monthly" for northwind is attached: 2020-10-01 to 2020-10-31, Europe/Berlin.\n' +
          'It is a page to open in a browser and to print.\n\n' +
          `Run 1. SHA-256 of the page: ${sha256}`,
      );
      expect(html).toBeUndefined();
      expect(attachments).toHaveLength(1);
      const [{ filename, mimeType, disposition, content } = { content: '' }] = attachments;
      expect({ mimeType, disposition }).toEqual({ mimeType: 'text/html', disposition: 'attachment' });
      expect(filename).toMatch(/^Northwind_monthly-[0-9a-f]{8}-2020-10-01-2020-10-31-1\.html$/);
      const page = Buffer.from(content as ArrayBuffer);
      expect([page.length, createHash('sha256').update(page).digest('hex')]).toEqual([bytes, sha256]);
    }
  });

  it('tells why it did not arrive, while the other targets have it', async () => {
    const [ok, wrong] = [await withMail('ok'), await withMail('wrong')];
    mail.treats.set('wrong@example.com', () => ({ code: 550 }));
    deliver(mail.url);
    await reportTo('refused', [wrong, { by: 'folder', folder: 'northwind' }, ok, { by: 'email', to: { kind: 'team', team: 'nobody' } }]);
    const { deliveries } = await delivered('refused');
    expect(deliveries).toMatchObject([
      { target: 0, failed: { because: 'refused', detail: expect.stringContaining('550') } },
      { target: 1 },
      { target: 2 },
      { target: 3, failed: { because: 'no-address' } },
    ]);
    expect(JSON.stringify(deliveries)).not.toContain('wrong@example.com');
    expect([mail.at('ok@example.com').length, mail.at('wrong@example.com').length]).toEqual([1, 1]);
    expect(await readdir(join(folder, 'northwind'))).toEqual(['refused-2020-10-01-2020-10-31-1.html']);
  });

  it('is given up where the mail server stays away or the folder cannot be written, which is told before', async () => {
    const to = await withMail('away');
    const gone = await new MailServer().start();
    const { url } = gone;
    await gone.close();
    deliver(url, { giveUpMs: 100 });
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'blocked'), '');
    await reportTo('away', [to, { by: 'folder', folder: 'away' }, { by: 'folder', folder: 'blocked' }]);
    const given = (await delivered('away')).deliveries;
    expect(given).toMatchObject([
      { target: 0, failed: { because: 'given-up', detail: expect.stringContaining('ECONNREFUSED') } },
      { target: 1 },
      { target: 2, failed: { because: 'given-up', detail: expect.stringContaining('EEXIST') } },
    ]);
    expect(logged.find((line) => line.includes('cannot be written to its folder'))).toContain('"folder":"blocked"');
    await eventually(
      () => deliveryHealth(stores.mongo.db, stores.store),
      ({ reports }) => reports?.state === 'running' && reports.waiting === 0 && reports.dead > 1,
    );
    const { tries } = (await eventually(
      () => deliveries(stores.mongo.db).findOne({ type: 'email', state: 'dead', 'attempts.error': /ECONNREFUSED/ }),
      (one) => one !== null,
    )) ?? { tries: 0 };
    expect(tries).toBeGreaterThan(1);
  });
});

describe('a report', () => {
  it('has its own file, whatever its name', async () => {
    const names = ['Отчёт', '..', 'a b', 'a_b', 'ß'.repeat(200)];
    deliver(mail.url);
    for (const name of names) await reportTo(name, [{ by: 'folder', folder: 'named' }]);
    for (const name of names) expect((await delivered(name)).deliveries).toEqual([{ target: 0, at: expect.any(String) }]);
    const files = await readdir(join(folder, 'named'));
    expect(files).toHaveLength(names.length);
    expect(files).toContain('Отчёт-2020-10-01-2020-10-31-1.html');
    expect(files.filter((file) => file.startsWith('.'))).toEqual([]);
  });

  it('that cannot be stored does not hold up the others', async () => {
    await reportTo('stuck', [], UNLUCKY);
    await eventually(() => expect(unkept).toBeGreaterThan(0));
    await reportTo('later', []);
    await delivered('later');
    expect((await readAggregate(stores.store, report, 'stuck')).state).toMatchObject({ runs: [], requests: [{ request: 1 }] });
  });
});
