import { setTimeout as sleep } from 'node:timers/promises';
import type { BlobStore } from '#blobs';
import { type Actor, deterministicId, type EventStore, instantFrom, isRefusal, readAggregate } from '#eventsourcing';
import { type Mongo, shareFeeds, type ViewDocument, type ViewLog, ViewNews } from '#mongo';
import { dueRun, omitUndefined, report as aggregate, type ReportNow, reports, reportViews, ticketViews } from '#ticketing';
import { readClientReport, runSystemCommand, unlessOfOtherLog } from '#ticketing-app';

export interface ReporterOptions {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  /** Storage of documents, unencrypted: they name no person. */
  readonly blobs: Pick<BlobStore, 'put'>;
  readonly log: ViewLog;
}

const REPORTER: Actor = { id: 'reporter', kind: 'system' };

/** Longest rest if nothing is due, and after a failure, in milliseconds: clocks may be set. */
const LONGEST_REST_MS = 10_000;
/** How long it waits for views that are behind, in milliseconds. */
const BEHIND_MS = 100;
/** Shortest rest, in milliseconds, however much happens. */
const LEAST_REST_MS = 500;
const LIMIT = 50 * 1024 * 1024;

/**
 * Makes the scheduled reports that are due, one after another. Each run is an event of the report, decided in its own stream: several
 * reporters, or one that was killed, make each report once. Whatever became due during a downtime is due at the start.
 */
export function startReporter({ store, db, blobs, log }: ReporterOptions): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const feeds = shareFeeds(store);
  const news = new ViewNews(feeds, db, [reportViews]);
  /** Data of reports. It makes none due. */
  const tickets = new ViewNews(feeds, db, [ticketViews]);
  const sources = { store, models: { db } };
  const view = db.collection<ViewDocument<ReportNow>>(reports.name);
  /** Reports that could not be made, and when to try again: they do not hold up the others. */
  const resting = new Map<string, number>();

  /** Makes the next report of a schedule. @returns false if none is due, or it cannot be made yet */
  async function make(name: string): Promise<boolean> {
    const { state } = await readAggregate(store, aggregate, name);
    const due = state === null ? undefined : dueRun(state, instantFrom(Date.now()));
    if (state === null || due === undefined) return false;
    const { client, every, zone, runs } = state;
    const asked = { report: name, client, every, zone, ...due, since: runs.at(-1)?.madeAt };
    const content = await readClientReport(sources, asked);
    if (isRefusal(content)) {
      log.warn({ report: name, refused: content.refused }, `a report cannot be made yet: ${content.message}`);
      return false;
    }
    // The renderer is loaded with the first report.
    const { renderReport } = await import('#reports');
    const document = Buffer.from(renderReport(content));
    const { sha256, bytes } = await blobs.put(
      (async function* () {
        yield document;
      })(),
      { mediaType: 'text/html; charset=utf-8', limit: LIMIT },
    );
    const { position, evaluatedAt } = content;
    const commandId = deterministicId('report', name, due.from, String(due.request ?? ''), sha256);
    const context = { commandId, actor: REPORTER, correlationId: commandId, causationId: commandId };
    const body = omitUndefined({ ...due, position, evaluatedAt, sha256, bytes });
    // If another reporter was first, at another position, this document may belong to no report. It stays: another report may have the same
    // one.
    await runSystemCommand(store, { aggregate, id: name, name: 'RecordReportRun', body, context });
    return true;
  }

  /** @returns when the next one is due */
  async function look(): Promise<string | undefined> {
    await unlessOfOtherLog(sources);
    const now = instantFrom(Date.now());
    for (const { _id } of await view
      .find({ dueAt: { $lte: now } }, { projection: { _id: 1 } })
      .sort({ dueAt: 1 })
      .toArray()) {
      if ((resting.get(_id) ?? 0) > Date.now()) continue;
      resting.delete(_id);
      try {
        while (!stopping.signal.aborted && (await make(_id)));
      } catch (error) {
        resting.set(_id, Date.now() + LONGEST_REST_MS);
        log.warn({ err: error, report: _id }, 'a report cannot be made; tried again');
      }
    }
    const [next] = await view
      .find({ dueAt: { $gt: now } }, { projection: { dueAt: 1 } })
      .sort({ dueAt: 1 })
      .limit(1)
      .toArray();
    return next?.dueAt;
  }

  async function keepLooking(): Promise<void> {
    while (!stopping.signal.aborted) {
      const counted = news.count;
      let rest = BEHIND_MS;
      try {
        // The views include what has happened by now before it is reported on.
        if ((await news.areShown()) && (await tickets.areShown())) {
          const dueAt = await look();
          rest = dueAt === undefined ? LONGEST_REST_MS : Math.max(0, Math.min(LONGEST_REST_MS, Date.parse(dueAt) - Date.now() + 1));
        }
        await news.wait(counted, rest, stopping.signal);
        await sleep(LEAST_REST_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      } catch (error) {
        log.warn({ err: error }, 'reports cannot be made; tried again');
        await sleep(LONGEST_REST_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  }

  const running = keepLooking();
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all([running, news.stop(), tickets.stop()]);
    },
  };
}
