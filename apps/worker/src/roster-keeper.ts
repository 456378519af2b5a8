import type { EventStore, Instant } from '#eventsourcing';
import type { LookedAt, Mongo, ViewDocument } from '#mongo';
import {
  agent,
  type AgentDocument,
  agents,
  agentViews,
  nextRosterMoment,
  NOBODY_REASONS,
  type QueueEntry,
  type Team,
  teams,
  teamViews,
  tierQueue,
} from '#ticketing';
import { type Assigner, newAttempt } from './assigner.js';
import { DueCommands, unlessDeleted } from './due-commands.js';

/** Waiting tickets per look. */
const LOOK = 500;

/**
 * Effects of time and of roster changes: absences that begin and end, and a new attempt for every ticket without an agent when a shift
 * begins, when someone comes back, and when teams or agents change. Part of the timekeeper.
 */
export class RosterKeeper {
  readonly #teams;
  readonly #agents;
  readonly #queue;
  readonly #absences;
  /** Log position of the roster at the last look. */
  #rosterAt: number | undefined;
  #nextMoment: Instant | undefined;
  /** Waiting tickets up to this position have been tried with the current roster. */
  #triedUpTo = -1;

  constructor(
    store: EventStore,
    db: Mongo['db'],
    private readonly assigner: Assigner,
  ) {
    this.#teams = db.collection<ViewDocument<Team>>(teams.name);
    this.#agents = db.collection<ViewDocument<AgentDocument>>(agents.name);
    this.#absences = new DueCommands(store, db, {
      aggregate: agent,
      group: agentViews,
      view: agents,
      field: 'nextAbsenceMoment',
      command: 'RecordAbsenceMoments',
    });
    this.#queue = db.collection<ViewDocument<QueueEntry>>(tierQueue.name);
  }

  /** @returns how many commands were sent */
  async look(now: Instant, signal: AbortSignal, isFresh: LookedAt['isFresh']): Promise<number> {
    const told = await this.#absences.look(now, signal, isFresh);
    const at = isFresh(teamViews) || isFresh(agentViews) ? await this.#position() : this.#rosterAt;
    if (at !== this.#rosterAt || (this.#nextMoment !== undefined && this.#nextMoment <= now)) {
      this.#nextMoment = nextRosterMoment(await this.assigner.roster(), now);
      this.#rosterAt = at;
      this.#triedUpTo = -1;
    }
    return told + (await this.#tryAgain(signal));
  }

  /** When something will be due by the current views: a shift, or the start or end of an absence. */
  async nextDue(now: Instant): Promise<Instant | undefined> {
    return [(await this.#absences.nextDue(now)) ?? [], this.#nextMoment ?? []].flat().sort()[0];
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
