import { setTimeout as sleep } from 'node:timers/promises';
import { type Aggregate, deterministicId, type EventStore, type Instant, instantFrom, isRefusal } from '#eventsourcing';
import { type AnyGroup, type LookedAt, type Mongo, shareFeeds, type ViewDocument, type ViewLog, ViewNews } from '#mongo';
import {
  automation,
  automationTasks,
  automationViews,
  agentViews,
  article,
  articles,
  articleViews,
  type ClientContract,
  contractInForce,
  contracts,
  contractViews,
  majorIncident,
  majorIncidents,
  majorIncidentViews,
  pinned,
  problem,
  problems,
  problemViews,
  teamViews,
  ticket,
  type TicketCommands,
  ticketSla,
  type TicketSla,
  ticketViews,
  TIMEKEEPER,
} from '#ticketing';
import { runSystemCommand, tzdata, unlessOfOtherLog } from '#ticketing-app';
import { Assigner } from './assigner.js';
import { type Due, DueCommands, unlessDeleted } from './due-commands.js';
import { RosterKeeper } from './roster-keeper.js';

export interface TimekeeperOptions {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  readonly log: ViewLog;
  /** Finds agents for tickets; shared with the policies if both run. */
  readonly assigner?: Assigner;
  /** How often it looks for due work while there is some, or while views change, in milliseconds (default 200). */
  readonly pollMs?: number;
  /** How often it checks every contract again, in milliseconds (default 60,000): a ticket may be opened while its contract changes. */
  readonly sweepMs?: number;
}

/** A running timekeeper. */
export interface Timekeeper {
  /** Number of commands sent, and the failure that is being retried. */
  status(): { readonly sent: number; readonly lastError?: { readonly message: string; readonly at: string } };
  /** Finishes the current commands. */
  stop(): Promise<void>;
}

/** A command caused by time. */
type TimedCommand = {
  readonly [Name in Timed]: { readonly name: Name; readonly body: TicketCommands[Name] };
}[Timed];

type Timed = 'RecordSlaMoments' | 'RunEscalations' | 'RebaseSlaTerms' | 'EndHold';

/** Looks for due work of one kind. */
interface Looking {
  /** Sends the due commands. @param isFresh for the other groups the result of the last look still holds; @returns how many */
  look(now: Instant, signal: AbortSignal, isFresh: LookedAt['isFresh']): Promise<number>;
  /** When something will be due by the current views. */
  nextDue(now: Instant): Promise<Instant | undefined>;
}

/** Tickets per look, and concurrent commands. */
const LOOK = 500;
const AT_ONCE = 16;
const LONGEST_PAUSE_MS = 30_000;
/** Longest rest if nothing is due, in milliseconds: views may have been rebuilt, and clocks may have been set. */
const LONGEST_REST_MS = 10_000;

const DUE = ['nextMomentAt', 'nextStepAt', 'holdEndsAt'] as const;
type DueField = (typeof DUE)[number];

/**
 * Performs what time alone brings about: warnings and breaches of clocks, steps of escalation policies, ends of holds, contracts that come
 * into force, absences, shifts that tickets wait for, reminders of preventive actions and of reviews (of major incidents, of articles),
 * leases of runners. It finds due work in the views; its commands decide by the ticket's own events, so that a late view, or several
 * timekeepers, do nothing twice. Whatever was missed during a downtime is due at the start.
 */
export function startTimekeeper({ store, db, log, assigner, pollMs = 200, sweepMs = 60_000 }: TimekeeperOptions): Timekeeper {
  const stopping = new AbortController();
  const feeds = shareFeeds(store);
  const sources = { store, models: { db } };
  const tickets = db.collection<ViewDocument<TicketSla>>(ticketSla.name);
  const agreements = db.collection<ViewDocument<ClientContract>>(contracts.name);
  /** Revision of a ticket when a command was sent to it: nothing new is known until its view changes. */
  const handled = new Map<string, number>();
  /** The agreement with each client, and up to which log position it is known. */
  const known = { position: -1, versions: new Map<string, ClientContract['versions']>() };
  /** Version of each client's contract that all of its open tickets go by. */
  const settled = new Map<string, number>();
  let sweptAt = 0;
  let sent = 0;
  /** Current failure of each kind of look. */
  const trouble = new Map<string, { readonly message: string; readonly at: string }>();

  /** Sends a command to each ticket whose view has changed since the last one. @returns how many were sent */
  async function toEach(
    due: readonly { readonly _id: string; readonly revision: number }[],
    command: (doc: { readonly revision: number }) => TimedCommand & { readonly key: string },
  ): Promise<number> {
    const fresh = due.filter(({ _id, revision }) => revision > (handled.get(_id) ?? -1));
    // In order of due time.
    const queue = fresh.values();
    const work = async (): Promise<void> => {
      for (const doc of queue) {
        if (stopping.signal.aborted) return;
        const { key, name, body } = command(doc);
        const commandId = deterministicId('timekeeper', doc._id, key);
        const context = { commandId, actor: TIMEKEEPER, correlationId: commandId, causationId: commandId };
        const result = await unlessDeleted(runSystemCommand(store, { aggregate: ticket, id: doc._id, name, body, context }));
        sent++;
        handled.set(doc._id, doc.revision);
        if (result !== undefined && isRefusal(result))
          log.warn({ ticketId: doc._id, name, refused: result.refused }, 'the timekeeper was refused');
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return fresh.length;
  }

  /** The first instant of each kind in the last look: if none was due, the next one. */
  let firsts: ReadonlyMap<DueField, Instant> = new Map();

  /** The first instant of each of some kinds from a time on; each by its own index, all in one request. */
  async function firstsFrom(fields: readonly DueField[], time: Instant | ''): Promise<ReadonlyMap<DueField, Instant>> {
    const [one, ...others] = fields.map((field) => [
      { $match: { [field]: { $gte: time } } },
      { $sort: { [field]: 1 } },
      { $limit: 1 },
      { $project: { _id: 0, field: { $literal: field }, at: `$${field}` } },
    ]);
    if (one === undefined) return new Map();
    const pipeline = [...one, ...others.map((other) => ({ $unionWith: { coll: ticketSla.name, pipeline: other } }))];
    const found = await tickets.aggregate<{ readonly field: DueField; readonly at: Instant }>(pipeline).toArray();
    return new Map(found.map(({ field, at }) => [field, at]));
  }

  /** Sends a command to each ticket whose view has an instant before now. @returns how many were sent */
  async function sendToDue(field: DueField, now: Instant, command: Parameters<typeof toEach>[1]): Promise<number> {
    const first = firsts.get(field);
    if (first === undefined || first >= now) return 0;
    for (let after: { readonly due: Instant; readonly id: string } | undefined; ;) {
      const next = after && { $or: [{ [field]: { $gt: after.due } }, { _id: { $gt: after.id } }] };
      const due = await tickets
        .find({ [field]: { $gte: after?.due ?? '', $lt: now }, ...next }, { projection: { _id: 1, revision: 1, [field]: 1 } })
        .sort({ [field]: 1, _id: 1 })
        .limit(LOOK)
        .toArray();
      const done = await toEach(due, command);
      const last = due.at(-1);
      // Tickets that are done and wait for their view must not hide those behind them.
      if (done > 0 || due.length < LOOK || last === undefined) return done;
      after = { due: last[field] as Instant, id: last._id };
    }
  }

  async function readAgreements(): Promise<void> {
    // Only what decides which version is in force; the terms are read when a ticket needs them.
    const projection = { client: 1, position: 1, 'versions.version': 1, 'versions.effectiveFrom': 1 };
    for (const { client, position, versions } of await agreements.find({ position: { $gt: known.position } }, { projection }).toArray()) {
      known.versions.set(client, versions);
      known.position = Math.max(known.position, position);
    }
  }

  async function rebaseTerms(now: Instant): Promise<number> {
    let done = 0;
    for (const [client, versions] of known.versions) {
      const inForce = contractInForce({ versions }, now);
      if (inForce === undefined || settled.get(client) === inForce.version) continue;
      const behind = await tickets
        .find({ client, open: true, contractVersion: { $lt: inForce.version } }, { projection: { _id: 1, revision: 1 } })
        .limit(LOOK)
        .toArray();
      if (behind.length === 0) {
        settled.set(client, inForce.version);
        continue;
      }
      const whole = (await agreements.findOne({ _id: client }))?.versions.find(({ version }) => version === inForce.version);
      if (whole === undefined) continue;
      const body = { contract: pinned(whole, tzdata), effectiveFrom: whole.effectiveFrom };
      done += await toEach(behind, () => ({ key: `terms/${inForce.version}`, name: 'RebaseSlaTerms', body }));
    }
    return done;
  }

  async function look(now: Instant, _: AbortSignal, isFresh: LookedAt['isFresh']): Promise<number> {
    // Instants in views of another log do not count.
    await unlessOfOtherLog(sources);
    if (Date.now() - sweptAt > sweepMs) {
      sweptAt = Date.now();
      settled.clear();
      // Entries that are no longer due can be dropped.
      if (handled.size > 100_000) handled.clear();
    }
    firsts = await firstsFrom(DUE, '');
    const told = await sendToDue('nextMomentAt', now, ({ revision }) => ({
      key: `moments/${revision}`,
      name: 'RecordSlaMoments',
      body: {},
    }));
    const ran = await sendToDue('nextStepAt', now, ({ revision }) => ({ key: `steps/${revision}`, name: 'RunEscalations', body: {} }));
    const resumed = await sendToDue('holdEndsAt', now, ({ revision }) => ({ key: `hold/${revision}`, name: 'EndHold', body: {} }));
    if (isFresh(contractViews)) await readAgreements();
    return told + ran + resumed + (await rebaseTerms(now));
  }

  /** When something will be due by the current views. */
  async function nextDue(now: Instant): Promise<Instant | undefined> {
    // What was due before has been done, and waits for its view.
    const done = DUE.filter((field) => (firsts.get(field) ?? now) < now);
    const next = [...firsts.values()].filter((first) => first >= now);
    const afterThose = [...(await firstsFrom(done, now)).values()];
    const comingIntoForce = [...known.versions.values()].flat().map(({ effectiveFrom }) => effectiveFrom);
    return [...next, ...afterThose, ...comingIntoForce.filter((from) => from >= now)].sort()[0];
  }

  /** @param groups the views that it reads: it rests while they are unchanged, and nothing is due */
  async function keepLooking(what: string, groups: readonly AnyGroup[], looking: Looking): Promise<void> {
    const news = new ViewNews(feeds, db, groups);
    let pause = pollMs;
    let readAllAt = -Infinity;
    while (!stopping.signal.aborted) {
      const began = performance.now();
      // If the look itself takes that long, others need the stores too; and views are written a moment after the event.
      const untilNext = () => Math.max(pollMs / 10, pollMs - (performance.now() - began));
      try {
        const counted = news.count;
        const anew = began - readAllAt >= LONGEST_REST_MS;
        const { areShown, isFresh } = await news.look(anew);
        const now = instantFrom(Date.now());
        const done = await looking.look(now, stopping.signal, isFresh);
        if (anew) readAllAt = began;
        trouble.delete(what);
        if (done === 0 && areShown) {
          const due = await looking.nextDue(now);
          const rest = due === undefined ? LONGEST_REST_MS : Math.min(LONGEST_REST_MS, Date.parse(due) - Date.now() + 1);
          if (rest > untilNext()) await news.wait(counted, rest, stopping.signal);
        }
        // What has become due in the meantime has waited already.
        pause = done >= LOOK ? 0 : untilNext();
      } catch (error) {
        readAllAt = -Infinity;
        trouble.set(what, { message: error instanceof Error ? error.message : String(error), at: instantFrom(Date.now()) });
        pause = Math.min(LONGEST_PAUSE_MS, Math.max(pollMs, pause * 2));
        log.warn({ err: error }, `the timekeeper tries again in ${pause} ms`);
      }
      await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
    await news.stop();
  }

  function keepSending<Of extends Aggregate>(what: string, due: Due<Of>): Promise<void> {
    return keepLooking(what, [due.group], new DueCommands(store, db, due));
  }

  // Concurrently: a shift may begin with hundreds of waiting tickets, which must not delay clocks.
  const running = Promise.all([
    keepLooking('tickets', [ticketViews, contractViews], { look, nextDue }),
    keepLooking('roster', [ticketViews, teamViews, agentViews], new RosterKeeper(store, db, assigner ?? new Assigner(store, db))),
    keepSending('reminders', {
      aggregate: problem,
      group: problemViews,
      view: problems,
      field: 'nextReminderAt',
      command: 'RemindOfActions',
    }),
    keepSending('reviews', {
      aggregate: majorIncident,
      group: majorIncidentViews,
      view: majorIncidents,
      field: 'nextReminderAt',
      command: 'RemindOfIncidentReview',
    }),
    keepSending('articles', {
      aggregate: article,
      group: articleViews,
      view: articles,
      field: 'nextReminderAt',
      command: 'RemindOfArticleReview',
    }),
    keepSending('leases', {
      aggregate: automation,
      group: automationViews,
      view: automationTasks,
      field: 'leaseUntil',
      command: 'ExpireLease',
    }),
  ]);

  return {
    status: () => {
      const [lastError] = trouble.values();
      return lastError === undefined ? { sent } : { sent, lastError };
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
