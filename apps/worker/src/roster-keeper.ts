import { type Actor, deterministicId, type EventStore, type Instant, StreamDeleted } from '#eventsourcing';
import type { Mongo, ViewDocument } from '#mongo';
import {
  agent,
  type AgentDocument,
  agents,
  nextRosterMoment,
  NOBODY_REASONS,
  type QueueEntry,
  type Team,
  teams,
  tierQueue,
} from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
import { type Assigner, newAttempt } from './assigner.js';

export const TIMEKEEPER: Actor = { id: 'timekeeper', kind: 'system' };

/** Absences, or waiting tickets, of one look. */
const LOOK = 500;

/**
 * What time and changes of the roster bring about: absences that begin and end, and a new attempt for every ticket that found nobody when a
 * shift begins, when somebody comes back, and when teams or agents change. Part of the timekeeper.
 */
export class RosterKeeper {
  readonly #teams;
  readonly #agents;
  readonly #queue;
  /** Revision that an agent was at when a command was sent: until the view has moved on, nothing new is known. */
  readonly #handled = new Map<string, number>();
  /** Where in the log the roster was when it was last looked at. */
  #rosterAt: number | undefined;
  #nextMoment: Instant | undefined;
  /** Waiting tickets up to this position have been tried with the roster as it is. */
  #triedUpTo = -1;

  constructor(
    private readonly store: EventStore,
    db: Mongo['db'],
    private readonly assigner: Assigner,
  ) {
    this.#teams = db.collection<ViewDocument<Team>>(teams.name);
    this.#agents = db.collection<ViewDocument<AgentDocument>>(agents.name);
    this.#queue = db.collection<ViewDocument<QueueEntry>>(tierQueue.name);
  }

  /** @returns how many commands were sent */
  async look(now: Instant, signal: AbortSignal): Promise<number> {
    const told = await this.#tellAbsences(now);
    const at = await this.#position();
    if (at !== this.#rosterAt || (this.#nextMoment !== undefined && this.#nextMoment <= now)) {
      this.#nextMoment = nextRosterMoment(await this.assigner.roster(), now);
      this.#rosterAt = at;
      this.#triedUpTo = -1;
    }
    return told + (await this.#tryAgain(signal));
  }

  /** When something will be due by the views as they are: a shift, or an absence that begins or ends. */
  async nextDue(now: Instant): Promise<Instant | undefined> {
    const [first] = await this.#agents
      .find({ nextAbsenceMoment: { $gt: now } }, { projection: { nextAbsenceMoment: 1 } })
      .sort({ nextAbsenceMoment: 1 })
      .limit(1)
      .toArray();
    return [first?.nextAbsenceMoment ?? [], this.#nextMoment ?? []].flat().sort()[0];
  }

  async #tellAbsences(now: Instant): Promise<number> {
    const due = await this.#agents
      .find({ nextAbsenceMoment: { $lte: now } }, { projection: { revision: 1 } })
      .sort({ nextAbsenceMoment: 1 })
      .limit(LOOK)
      .toArray();
    const fresh = due.filter(({ _id, revision }) => revision > (this.#handled.get(_id) ?? -1));
    for (const { _id, revision } of fresh) {
      const commandId = deterministicId('timekeeper', 'agent', _id, String(revision));
      const context = { commandId, actor: TIMEKEEPER, correlationId: commandId, causationId: commandId };
      await unlessDeleted(runSystemCommand(this.store, { aggregate: agent, id: _id, name: 'RecordAbsenceMoments', body: {}, context }));
      this.#handled.set(_id, revision);
    }
    return fresh.length;
  }

  async #position(): Promise<number> {
    const newest = [this.#teams, this.#agents].map(async (view) => {
      const [last] = await view
        .find({}, { projection: { position: 1 } })
        .sort({ position: -1 })
        .limit(1)
        .toArray();
      return last?.position ?? -1;
    });
    return Math.max(...(await Promise.all(newest)));
  }

  async #tryAgain(signal: AbortSignal): Promise<number> {
    const waiting = await this.#queue
      .find({ nobodyFound: { $in: [...NOBODY_REASONS] }, position: { $gt: this.#triedUpTo } }, { projection: { position: 1 } })
      .sort({ position: 1 })
      .limit(LOOK)
      .toArray();
    let tried = 0;
    for (const { _id, position } of waiting) {
      if (signal.aborted) break;
      await unlessDeleted(this.assigner.findAgent(_id, newAttempt()));
      this.#triedUpTo = position;
      tried++;
    }
    return tried;
  }
}

/** What was tombstoned keeps its document: nothing is to be done about it, now or later. */
async function unlessDeleted(sent: Promise<unknown>): Promise<void> {
  await sent.catch((error: unknown) => {
    if (!(error instanceof StreamDeleted)) throw error;
  });
}
