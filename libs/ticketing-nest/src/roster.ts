import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler, type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EventStore, type Executed, type Refusal } from '#eventsourcing';
import {
  agent,
  type AgentCommands,
  type AgentDocument,
  type AgentEvents,
  agents,
  type AgentState,
  agentUpcasters,
  type Team,
  team,
  type TeamCommands,
  type TeamEvents,
  teams,
  type TeamState,
  teamUpcasters,
} from '#ticketing';
import { reached, ReadModels, view } from './read-models.js';
import { readAggregate, runCommand, type SentContext } from './run-command.js';

/** Any command of a team. */
export class RunTeamCommand<Name extends keyof TeamCommands = keyof TeamCommands> extends Command<Executed<TeamEvents> | Refusal> {
  constructor(
    readonly team: string,
    readonly name: Name,
    readonly body: TeamCommands[Name],
    readonly context: SentContext,
  ) {
    super();
  }
}

@CommandHandler(RunTeamCommand)
export class RunTeamCommandHandler implements ICommandHandler<RunTeamCommand> {
  constructor(@Inject(EventStore) private readonly store: EventStore) {}

  execute({ team: id, name, body, context }: RunTeamCommand): Promise<Executed<TeamEvents> | Refusal> {
    return runCommand(this.store, { decider: team, upcasters: teamUpcasters, noun: 'team' }, id, name, body, context);
  }
}

/** Any command of an agent. */
export class RunAgentCommand<Name extends keyof AgentCommands = keyof AgentCommands> extends Command<Executed<AgentEvents> | Refusal> {
  constructor(
    readonly agent: string,
    readonly name: Name,
    readonly body: AgentCommands[Name],
    readonly context: SentContext,
  ) {
    super();
  }
}

@CommandHandler(RunAgentCommand)
export class RunAgentCommandHandler implements ICommandHandler<RunAgentCommand> {
  constructor(@Inject(EventStore) private readonly store: EventStore) {}

  execute(command: RunAgentCommand): Promise<Executed<AgentEvents> | Refusal> {
    return runAgentCommand(this.store, command);
  }
}

/** Runs a command of an agent: also for those who have no bus. */
export function runAgentCommand(
  store: EventStore,
  { agent: id, name, body, context }: Pick<RunAgentCommand, 'agent' | 'name' | 'body' | 'context'>,
): Promise<Executed<AgentEvents> | Refusal> {
  return runCommand(store, { decider: agent, upcasters: agentUpcasters, noun: 'agent' }, id, name, body, context);
}

/** Every team, by id. */
export class TeamsQuery extends Query<readonly Team[]> {}

/** Every agent, or those of some ids, by id. */
export class AgentsQuery extends Query<readonly AgentDocument[]> {
  constructor(readonly ids?: readonly string[]) {
    super();
  }
}

const MOST_LISTED = 10_000;
const asItIs = { projection: { _id: 0, position: 0, revision: 0 } } as const;

@QueryHandler(TeamsQuery)
export class TeamsHandler implements IQueryHandler<TeamsQuery> {
  constructor(@Inject(ReadModels) private readonly models: ReadModels) {}

  async execute(): Promise<readonly Team[]> {
    const found = view<Team>(this.models, teams.name).find({}, asItIs);
    return (await reached(found.sort({ _id: 1 }).limit(MOST_LISTED).toArray())) as Team[];
  }
}

@QueryHandler(AgentsQuery)
export class AgentsHandler implements IQueryHandler<AgentsQuery> {
  constructor(@Inject(ReadModels) private readonly models: ReadModels) {}

  async execute({ ids }: AgentsQuery): Promise<readonly AgentDocument[]> {
    const found = view<AgentDocument>(this.models, agents.name).find(ids === undefined ? {} : { _id: { $in: [...ids] } }, asItIs);
    return (await reached(found.sort({ _id: 1 }).limit(MOST_LISTED).toArray())) as AgentDocument[];
  }
}

/** A team as the log has it now. */
export function readTeam(store: EventStore, id: string) {
  return readAggregate<TeamEvents, TeamState>(store, team, teamUpcasters, id);
}

/** An agent as the log has it now: who has just left is seen to have. */
export function readAgent(store: EventStore, id: string) {
  return readAggregate<AgentEvents, AgentState>(store, agent, agentUpcasters, id);
}
