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
  /** Who finds agents for tickets: the policies' too, where both run. */
  readonly assigner?: Assigner;
  /** How often it looks for what is due while there is something, or while views change, in milliseconds (default 200). */
  readonly pollMs?: number;
  /** How often it looks at every contract again, in milliseconds (default 60,000): a ticket may be opened while its contract changes. */
  readonly sweepMs?: number;
}

/** A running timekeeper. */
export interface Timekeeper {
  /** Commands that it has sent, and the trouble that is being retried. */
  status(): { readonly sent: number; readonly lastError?: { readonly message: string; readonly at: string } };
  /** Finishes the commands in work. */
  stop(): Promise<void>;
}

/** A command that time brings about. */
type TimedCommand = {
  readonly [Name in Timed]: { readonly name: Name; readonly body: TicketCommands[Name] };
}[Timed];

type Timed = 'RecordSlaMoments' | 'RunEscalations' | 'RebaseSlaTerms' | 'EndHold';

/** Looks for what is due of one kind. */
interface Looking {
  /** Sends the commands that are due. @param isFresh of groups that are not, what the last look read is still so; @returns how many */
  look(now: Instant, signal: AbortSignal, isFresh: LookedAt['isFresh']): Promise<number>;
  /** When something will be due by the views as they are. */
  nextDue(now: Instant): Promise<Instant | undefined>;
}

/** Tickets of one look, and commands in work at once. */
const LOOK = 500;
const AT_ONCE = 16;
const LONGEST_PAUSE_MS = 30_000;
/** How long it rests at most where nothing is due, in milliseconds: views may have been built anew, and clocks may have been set. */
const LONGEST_REST_MS = 10_000;

const DUE = ['nextMomentAt', 'nextStepAt', 'holdEndsAt'] as const;
type DueField = (typeof DUE)[number];

/**
 * Sees to what time alone brings about: warnings and breaches of clocks, steps of escalation policies, holds that end, contracts that come into
 * force, absences, shifts that tickets wait for, and reminders of preventive actions and of reviews (of major incidents, of articles), leases of runners. What is due it reads from the
 * views; what it does are commands that decide by the ticket's own events, so that a view which is behind, or other timekeepers at the same
 * time, lead to nothing twice. Whatever it missed while nobody ran is due when it starts.
 */
export function startTimekeeper({ store, db, log, assigner, pollMs = 200, sweepMs = 60_000 }: TimekeeperOptions): Timekeeper {
  const stopping = new AbortController();
  const feeds = shareFeeds(store);
  const sources = { store, models: { db } };
  const tickets = db.collection<ViewDocument<TicketSla>>(ticketSla.name);
  const agreements = db.collection<ViewDocument<ClientContract>>(contracts.name);
  /** Revision that a ticket was at when a command was sent to it: until its view has moved on, nothing new is known. */
  const handled = new Map<string, number>();
  /** What is agreed with each client, and up to where in the log that is known. */
  const known = { position: -1, versions: new Map<string, ClientContract['versions']>() };
  /** Version of each client's contract that all its open tickets go by. */
  const settled = new Map<string, number>();
  let sweptAt = 0;
  let sent = 0;
  /** What each of those that look is failing of. */
  const trouble = new Map<string, { readonly message: string; readonly at: string }>();

  /** Sends a command to each ticket whose view has moved on since the last one. @returns how many were sent */
  async function toEach(
    due: readonly { readonly _id: string; readonly revision: number }[],
    command: (doc: { readonly revision: number }) => TimedCommand & { readonly key: string },
  ): Promise<number> {
    const fresh = due.filter(({ _id, revision }) => revision > (handled.get(_id) ?? -1));
    // What is due first is done first.
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

  /** The first instant of each kind, as the last look found it: where none was due, the next one that will be. */
  let firsts: ReadonlyMap<DueField, Instant> = new Map();

  /** The first instant of each of some kinds from a time on; of each by its own index, and all of them by one request. */
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
      // Those that have been seen to and wait for their view must not hide the ones behind them.
      if (done > 0 || due.length < LOOK || last === undefined) return done;
      after = { due: last[field] as Instant, id: last._id };
    }
  }

  async function readAgreements(): Promise<void> {
    // Only what tells which version holds; the terms are read when a ticket needs them.
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
    // What is due by another log's views is not due.
    await unlessOfOtherLog(sources);
    if (Date.now() - sweptAt > sweepMs) {
      sweptAt = Date.now();
      settled.clear();
      // What is not due any more need not be remembered.
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

  /** When something will be due by the views as they are. */
  async function nextDue(now: Instant): Promise<Instant | undefined> {
    // What was due before has been done, and waits for its view.
    const done = DUE.filter((field) => (firsts.get(field) ?? now) < now);
    const next = [...firsts.values()].filter((first) => first >= now);
    const afterThose = [...(await firstsFrom(done, now)).values()];
    const comingIntoForce = [...known.versions.values()].flat().map(({ effectiveFrom }) => effectiveFrom);
    return [...next, ...afterThose, ...comingIntoForce.filter((from) => from >= now)].sort()[0];
  }

  /** @param groups the views that it looks at: it rests while they stay as they are, and nothing is due */
  async function keepLooking(what: string, groups: readonly AnyGroup[], looking: Looking): Promise<void> {
    const news = new ViewNews(feeds, db, groups);
    let pause = pollMs;
    let readAllAt = -Infinity;
    while (!stopping.signal.aborted) {
      const began = performance.now();
      // Where looking itself takes that long, others need the stores too; and views are written a moment after the event.
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
        // What has come due meanwhile has waited already.
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

  // Side by side: a shift may begin with hundreds of tickets that have waited for it, and clocks do not wait for them.
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
