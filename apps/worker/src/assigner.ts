import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Actor,
  deterministicId,
  type EventStore,
  instantFrom,
  type Instant,
  type Position,
  isRefusal,
  type ReactionContext,
  readAggregate,
  type Refusal,
  StoreUnavailable,
} from '#eventsourcing';
import type { Mongo, ViewDocument } from '#mongo';
import {
  absenceAt,
  agent as agentAggregate,
  type AgentDocument,
  type Agent,
  agents,
  type AssignmentChoice,
  type AssignmentRequest,
  assignmentRequest,
  type AssignmentTasks,
  type Candidate,
  candidatesFor,
  chooseAgent,
  leastLoaded,
  type NobodyFound,
  type QueueEntry,
  type Roster,
  type Team,
  team as teamAggregate,
  teams,
  termsOf,
  ticketViews,
  ticket,
  tierQueue,
  type UnassignedBecause,
  type Workload,
} from '#ticketing';
import { groupPosition, runSystemCommand } from '#ticketing-app';
import { unlessDeleted } from './due-commands.js';

/** Result of a task: its events. */
type Done = { readonly events: readonly unknown[] };
type Sender = Pick<ReactionContext, 'commandId' | 'correlationId' | 'causationId' | 'actor'>;

const NOTHING: Done = { events: [] };

/** Assignments by this process that the view may not include yet; the maximum number kept. */
const MOST_UNSEEN = 10_000;

/**
 * Assigns tickets to agents, and takes them from agents who are away. Roster and workloads come from the views; whether the chosen agent is
 * there comes from the log, before and after. One ticket is handled at a time, and assignments made here count at once, so that many
 * simultaneous tickets are spread. Actions of others (claims, other workers) count as soon as the view includes them.
 */
export class Assigner {
  readonly #queue;
  readonly #teams;
  readonly #agents;
  readonly #unseen = new Map<string, { readonly agent: string; readonly revision: number; readonly at: Instant }>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: EventStore,
    private readonly db: Mongo['db'],
  ) {
    this.#queue = db.collection<ViewDocument<QueueEntry>>(tierQueue.name);
    this.#teams = db.collection<ViewDocument<Team>>(teams.name);
    this.#agents = db.collection<ViewDocument<AgentDocument>>(agents.name);
  }

  /** Teams and agents from the views. */
  async roster(): Promise<Roster> {
    const [allTeams, allAgents] = await Promise.all([this.#teams.find({}).toArray(), this.#agents.find({ active: true }).toArray()]);
    return { teams: allTeams, agents: allAgents };
  }

  /**
   * Finds an agent for a ticket that needs one: assigned, or recorded that there is nobody. Quiet if it needs none, or this is recorded
   * already.
   */
  findAgent(ticketId: string, sender: Sender): Promise<Done | Refusal> {
    const mine = this.#turn.then(() => this.#findAgent(ticketId, sender));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #findAgent(ticketId: string, sender: Sender): Promise<Done | Refusal> {
    const { state } = await readAggregate(this.store, ticket, ticketId);
    const request = state === null ? undefined : assignmentRequest(state, termsOf(state));
    // With an assignee, this may be an attempt that was interrupted before checking that the assignee is still there.
    if (request === undefined)
      return state?.assignee === undefined ? NOTHING : this.releaseIfAway(ticketId, { assignee: state.assignee.id }, sender);
    const found = await this.#choose(request);
    const result = await runSystemCommand(this.store, {
      aggregate: ticket,
      id: ticketId,
      name: 'AssignAutomatically',
      body: { request, found },
      context: sender,
    });
    if (isRefusal(result) || !('agent' in found) || result.events.length === 0) return result;
    const { id } = found.agent;
    const at = instantFrom(Date.now());
    if (this.#unseen.size >= MOST_UNSEEN) this.#unseen.clear();
    this.#unseen.set(ticketId, { agent: id, revision: result.revision, at });
    // Someone may have gone away during the assignment: the code that takes tickets from absent agents may have looked before it.
    await this.releaseIfAway(ticketId, { assignee: id }, sender);
    return result;
  }

  /** The choice by the views, once the log confirms it; each round learns more from the log, so there are few. */
  async #choose(request: AssignmentRequest): Promise<AssignmentChoice | NobodyFound> {
    let { teams, agents } = await this.roster();
    for (;;) {
      const candidates = candidatesFor(request, { teams, agents }, instantFrom(Date.now()));
      if ('because' in candidates) return candidates;
      const choice = chooseAgent(candidates, await this.#workloads(candidates)) as AssignmentChoice;
      const { agent, team } = choice;
      const [ofTeam, ofAgent] = await Promise.all([
        readAggregate(this.store, teamAggregate, team),
        readAggregate(this.store, agentAggregate, agent.id),
      ]);
      teams = [...teams.filter((one) => one.team !== team), ...(ofTeam.state === null ? [] : [ofTeam.state])];
      agents = [...agents.filter((one) => one.agent !== agent.id), ...(ofAgent.state === null ? [] : [ofAgent.state])];
      const current = candidatesFor(request, { teams, agents }, instantFrom(Date.now()));
      if (!('because' in current) && current.some((one) => one.agent.id === agent.id && one.team === team)) return choice;
    }
  }

  /** Open tickets of the candidates; for the least loaded also when they last got one. */
  async #workloads(candidates: readonly Candidate[]): Promise<ReadonlyMap<string, Workload>> {
    const unseen = [...this.#unseen.keys()];
    const seen = unseen.length === 0 ? [] : await this.#queue.find({ _id: { $in: unseen } }, { projection: { revision: 1 } }).toArray();
    for (const { _id, revision } of seen) if (revision >= (this.#unseen.get(_id)?.revision ?? 0)) this.#unseen.delete(_id);
    const counted = await this.#queue
      .aggregate<{ _id: string; openTickets: number }>([
        {
          $match: {
            'assignee.id': { $in: candidates.map(({ agent }) => agent.id) },
            queued: true,
            _id: { $nin: [...this.#unseen.keys()] },
          },
        },
        { $group: { _id: '$assignee.id', openTickets: { $sum: 1 } } },
      ])
      .toArray();
    const openTickets = new Map(counted.map(({ _id, openTickets }) => [_id, openTickets]));
    const last = new Map<string, Instant>();
    for (const { agent, at } of this.#unseen.values()) {
      openTickets.set(agent, (openTickets.get(agent) ?? 0) + 1);
      last.set(agent, at);
    }
    const least = leastLoaded(candidates, openTickets);
    if (least.length > 1) {
      const unknown = least.filter(({ agent }) => !last.has(agent.id));
      await Promise.all(
        unknown.map(async ({ agent: { id } }) => {
          const [newest] = await this.#queue
            .find({ 'assignee.id': id }, { projection: { assignedAt: 1 } })
            .sort({ assignedAt: -1 })
            .limit(1)
            .toArray();
          if (newest?.assignedAt !== undefined) last.set(id, newest.assignedAt);
        }),
      );
    }
    return new Map(
      candidates.map(({ agent: { id } }) => {
        const lastAssignedAt = last.get(id);
        return [id, { openTickets: openTickets.get(id) ?? 0, ...(lastAssignedAt === undefined ? {} : { lastAssignedAt }) }];
      }),
    );
  }

  /** Takes a ticket from its assignee, if they have left, or are absent and want their tickets released. */
  async releaseIfAway(ticketId: string, { assignee }: AssignmentTasks['ReleaseIfAway'], sender: Sender): Promise<Done> {
    const because = goneBecause((await readAggregate(this.store, agentAggregate, assignee)).state, instantFrom(Date.now()));
    if (because === undefined) return NOTHING;
    return this.#unassign(ticketId, assignee, because, because === 'left' ? 'Has left the desk' : 'Is absent', sender);
  }

  /**
   * Takes the open tickets of someone who is away, while that is so.
   * @throws StoreUnavailable while the view does not include the latest assignments
   */
  async releaseTickets(agent: string, { because, reason, team, since }: AssignmentTasks['ReleaseTickets'], sender: Sender): Promise<Done> {
    if (!(await this.#isSo(agent, because, team))) return NOTHING;
    await this.#untilSeen(since);
    const theirs = await this.#queue
      .find({ 'assignee.id': agent, queued: true, ...(team === undefined ? {} : { team }) }, { projection: { _id: 1 } })
      .toArray();
    const events: unknown[] = [];
    for (const { _id } of theirs) events.push(...(await this.#unassign(_id, agent, because, reason, sender)).events);
    return { events };
  }

  /** Waits until the view includes every ticket event up to a position. */
  async #untilSeen(position: Position): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      const at = await groupPosition({ db: this.db }, ticketViews.name);
      if (at !== undefined && at.commit >= position.commit) return;
      const filter = { streamPrefixes: [ticketViews.streamPrefix] };
      let behind = false;
      for await (const next of this.store.readAll(filter, at)) {
        behind = next.position.commit <= position.commit;
        break;
      }
      if (!behind) return;
      await sleep(20);
    }
    throw new StoreUnavailable(`${ticketViews.name} is not that far yet`);
  }

  async #isSo(agent: string, because: UnassignedBecause, team: string | undefined): Promise<boolean> {
    if (team !== undefined) return !(await readAggregate(this.store, teamAggregate, team)).state?.members.includes(agent);
    return goneBecause((await readAggregate(this.store, agentAggregate, agent)).state, instantFrom(Date.now())) === because;
  }

  async #unassign(
    ticketId: string,
    from: string,
    because: Exclude<UnassignedBecause, 'requested'>,
    reason: string,
    sender: Sender,
  ): Promise<Done> {
    const context = { ...sender, commandId: deterministicId('unassign', sender.commandId, ticketId) };
    const result = await unlessDeleted(
      runSystemCommand(this.store, {
        aggregate: ticket,
        id: ticketId,
        name: 'UnassignTicket',
        body: { reason, because, from },
        context,
      }),
    );
    return result === undefined || isRefusal(result) ? NOTHING : result;
  }
}

/** Why an agent's open tickets must be reassigned at an instant; undefined if they may stay. */
function goneBecause(agent: Agent | null, at: Instant): 'left' | 'absent' | undefined {
  if (agent === null) return undefined;
  if (!agent.active) return 'left';
  return absenceAt(agent, at)?.handBack ? 'absent' : undefined;
}

const ASSIGNER: Actor = { id: 'policy:automatic-assignment', kind: 'system' };

/** A new attempt for a ticket without an agent. */
export function newAttempt(): Sender {
  const commandId = randomUUID();
  return { commandId, correlationId: commandId, causationId: commandId, actor: ASSIGNER };
}
