import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from '#blobs';
import { type Actor, deterministicId, isRefusal, readAggregate } from '#eventsourcing';
import type { LoggedEvent } from '#feeds';
import type { MailConfig } from '#platform';
import {
  cloudEventType,
  datesInWords,
  datesOf,
  type DeliveryTarget,
  isSubscribed,
  type Message,
  omitUndefined,
  type PublicEvents,
  report,
  type ReportEvents,
  reports,
  reportViews,
  targetsAt,
  webhook,
} from '#ticketing';
import { contactOf, runSystemCommand } from '#ticketing-app';
import {
  type Attempt,
  deliver,
  type Deliverer,
  type DeliverOptions,
  type DeliverWebhooksOptions,
  type Parcel,
  type Patience,
  patience,
  progress,
  REPORTS,
  type Tried,
} from '#webhooks';
import { failureOf, notTried } from './undelivered.js';

export interface DeliverReportsOptions extends Omit<DeliverOptions, 'destinations' | 'groups'> {
  /** Storage of documents. */
  readonly blobs: Pick<BlobStore, 'get'>;
  /** Parent of the folders of reports. */
  readonly folder: string;
  /** The mail server; without one, e-mails are not delivered. */
  readonly mail?: MailConfig | undefined;
  readonly patience?: Patience;
}

const DELIVERER: Actor = { id: 'report-deliverer', kind: 'system' };
/** How long a mail server may be silent, and take in total, in milliseconds. */
const MAIL_TIMES = { silenceMs: 15_000, wholeMs: 120_000 };

/** Bytes of a report's name in the names of its files, which have at most 255 with everything that is added. */
const LONGEST_NAME = 150;

/** Each waits by itself, for three days. */
const usualPatience: Patience = { ...patience, breakAfter: Infinity };

/** A report on its way to one target. */
interface Sent extends Pick<ReportEvents['ReportRunCompleted'], 'report' | 'run' | 'from' | 'to' | 'zone' | 'sha256'> {
  readonly client: string;
  readonly index: number;
  readonly target: DeliveryTarget;
}

/** Delivers each report to its folders and by e-mail: at least once, with the same name or message id. The outcome is recorded with it. */
export function deliverReports({ blobs, folder, mail, patience = usualPatience, ...options }: DeliverReportsOptions): Deliverer {
  const { store, db, log } = options;
  let isNeeded = false;

  async function send({ body, event }: Parcel, abandoned: AbortSignal): Promise<Tried> {
    const began = performance.now();
    const sent = JSON.parse(body) as Sent;
    const { sha256, target, client } = sent;
    if (target.by === 'webhook') {
      const { state } = await readAggregate(store, webhook, target.webhook);
      return isSubscribed(state) ? { outcome: 'taken', ms: 0 } : notTried('no-address');
    }
    const document = await blobs.get(sha256);
    if (document === undefined) throw new Error(`the document ${sha256} is not where it was kept`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of document.content) chunks.push(chunk);
    const content = Buffer.concat(chunks);
    const file = fileNameOf(sent);
    if (target.by === 'folder') {
      await writeWhole(join(folder, target.folder), file, content).catch((error: Error) => {
        log.warn(
          { report: sent.report, run: sent.run, folder: target.folder, err: error },
          'a report cannot be written to its folder; tried again',
        );
        throw error;
      });
      return { outcome: 'taken', ms: Math.round(performance.now() - began) };
    }
    const contact = await contactOf(store, target.to, client);
    if (contact === 'not-of-client') return notTried(contact);
    if (contact?.email === undefined) return notTried('no-address');
    if (mail === undefined) return notTried('not-configured');
    // The mail client is loaded with the first message.
    const { mailer } = await import('./mail.js');
    const message = {
      id: event,
      to: contact.email,
      ...messageOf(sent),
      attachment: { filename: file, content, contentType: document.mediaType },
    };
    return mailer(mail, MAIL_TIMES)(message, abandoned);
  }

  async function settled({ body }: Parcel, outcome: Tried['outcome'], _tries: number, last: Attempt): Promise<void> {
    const { report, run, index, target } = JSON.parse(body) as Sent;
    // An existing webhook gets the run with its other events, and `webhookReports` records the outcome.
    if (target.by !== 'webhook' || outcome !== 'taken') await record({ store, log }, { report, run, target: index }, outcome, last);
  }

  return deliver({
    ...options,
    groups: [reportViews],
    destinations: async () => {
      // If there has never been a delivery, nothing is read.
      isNeeded ||=
        (await db.collection(reports.name).findOne({ deliverTo: { $exists: true } })) !== null ||
        (await progress(db).findOne({ _id: REPORTS })) !== null;
      if (!isNeeded) return [];
      return [
        {
          id: REPORTS,
          revision: 1,
          generation: 1,
          from: 'start',
          replays: [],
          patience,
          filter: { types: ['ReportRunCompleted'] },
          sees: () => true,
          parcels: parcelsOf,
          send: (parcel, _at, abandoned) => send(parcel, abandoned),
          settled,
        },
      ];
    },
  });
}

/** Records the outcome of runs sent to webhooks. Nothing is recorded for runs that are only subscribed to. */
export function webhookReports(stores: Pick<DeliverOptions, 'store' | 'log'>): NonNullable<DeliverWebhooksOptions['settled']> {
  return async (webhook, { type, body }, outcome, _tries, last) => {
    if (type !== cloudEventType('ReportRunCompleted')) return;
    const { data } = JSON.parse(body) as { readonly data: PublicEvents['ReportRunCompleted'] };
    const { report, run } = data;
    for (const target of targetsAt(webhook, data)) await record(stores, { report, run, target }, outcome, last);
  };
}

async function record(
  { store, log }: Pick<DeliverOptions, 'store' | 'log'>,
  { report: id, run, target }: Pick<Sent, 'report' | 'run'> & { readonly target: number },
  outcome: Tried['outcome'],
  last: Attempt,
): Promise<void> {
  // A delivery that was given up may arrive after all: another command.
  const commandId = deterministicId('report-delivered', id, String(run), String(target), ...(outcome === 'taken' ? [] : ['failed']));
  const context = { commandId, actor: DELIVERER, correlationId: commandId, causationId: commandId };
  const told = omitUndefined({ run, target, failed: outcome === 'taken' ? undefined : failureOf(outcome, last) });
  const result = await runSystemCommand(store, { aggregate: report, id, name: 'RecordReportDelivery', body: told, context });
  if (isRefusal(result)) log.warn({ report: id, run, refused: result.refused }, 'what became of a report cannot be recorded');
}

function parcelsOf({ event }: LoggedEvent): readonly Parcel[] {
  const { deliverTo = [], report, run, from, to, zone, sha256 } = event.data as ReportEvents['ReportRunCompleted'];
  return deliverTo.map((target, index) => {
    const sent: Sent = { report, run, from, to, ...(zone && { zone }), sha256, client: event.client, index, target };
    // Each on its own: none waits for another.
    const id = deterministicId(event.id, String(index));
    return { event: id, type: target.by, subject: id, position: event.position, body: JSON.stringify(sent) };
  });
}

/**
 * Names of reports are arbitrary text, and may be long: a digest distinguishes those that cannot be file names. The same period may be
 * reported on again.
 */
function fileNameOf({ report, run, ...period }: Sent): string {
  const spelled = Buffer.from(report.replace(/^\.|[^\p{L}\p{N}_.-]+/gu, '_'));
  const plain = spelled
    .subarray(0, LONGEST_NAME)
    .toString()
    .replace(/\uFFFD$/, '');
  const name = plain === report ? plain : `${plain}-${createHash('sha256').update(report).digest('hex').slice(0, 8)}`;
  const { first, last } = datesOf(period);
  return `${name}-${first === last ? first : `${first}-${last}`}-${run}.html`;
}

/** The message with an attached report. */
function messageOf({ report, run, client, sha256, ...period }: Sent): Message {
  const dates = datesInWords(period);
  return {
    subject: `Service report for ${client}, ${dates} (${report})`,
    text: `The service report "${report}" for ${client} is attached: ${dates}, ${period.zone ?? 'UTC'}.
It is a page to open in a browser and to print.

Run ${run}. SHA-256 of the page: ${sha256}
`,
  };
}

/** Writes a file durably and atomically: it gets its name once it is complete. */
async function writeWhole(folder: string, name: string, content: Buffer): Promise<void> {
  await mkdir(folder, { recursive: true });
  // Left by a killed process. If that is alive after all, its rename fails and it tries again.
  for (const left of await readdir(folder)) if (left.startsWith(`.${name}.`)) await rm(join(folder, left), { force: true });
  const fresh = join(folder, `.${name}.${randomUUID()}`);
  await writeFile(fresh, content, { flush: true });
  await rename(fresh, join(folder, name));
}
