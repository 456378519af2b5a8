import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler, type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EventStore, type Executed, readAggregate, type Refusal } from '#eventsourcing';
import {
  agent,
  type AgentCommands,
  type AgentDocument,
  type AgentEvents,
  agents,
  type Team,
  team,
  type TeamCommands,
  type TeamEvents,
  teams,
} from '#ticketing';
import { type Page, reached, readByName, ReadModels, view } from './read-models.js';
import { runCommand, type SentContext } from './run-command.js';

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
    return runCommand(this.store, team, id, name, body, context);
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
  return runCommand(store, agent, id, name, body, context);
}

/** Every team, by id. */
export class TeamsQuery extends Query<Page<Team>> {
  constructor(
    readonly limit: number,
    /** The team that the page comes after. */
    readonly after?: string,
  ) {
    super();
  }
}

/** Every agent, by id. */
export class AgentsQuery extends Query<Page<AgentDocument>> {
  constructor(
    readonly limit: number,
    /** The agent that the page comes after. */
    readonly after?: string,
  ) {
    super();
  }
}

/** The agents of some ids, as far as there are any. */
export class AgentsOfIdsQuery extends Query<readonly AgentDocument[]> {
  constructor(readonly ids: readonly string[]) {
    super();
  }
}

@QueryHandler(TeamsQuery)
export class TeamsHandler implements IQueryHandler<TeamsQuery> {
  constructor(@Inject(ReadModels) private readonly models: ReadModels) {}

  execute({ limit, after }: TeamsQuery): Promise<Page<Team>> {
    return readByName(this.models, teams.name, limit, after);
  }
}

@QueryHandler(AgentsQuery)
export class AgentsHandler implements IQueryHandler<AgentsQuery> {
  constructor(@Inject(ReadModels) private readonly models: ReadModels) {}

  execute({ limit, after }: AgentsQuery): Promise<Page<AgentDocument>> {
    return readByName(this.models, agents.name, limit, after);
  }
}

@QueryHandler(AgentsOfIdsQuery)
export class AgentsOfIdsHandler implements IQueryHandler<AgentsOfIdsQuery> {
  constructor(@Inject(ReadModels) private readonly models: ReadModels) {}

  async execute({ ids }: AgentsOfIdsQuery): Promise<readonly AgentDocument[]> {
    const found = view<AgentDocument>(this.models, agents.name).find(
      { _id: { $in: [...ids] } },
      { projection: { _id: 0, position: 0, revision: 0 } },
    );
    return (await reached(found.sort({ _id: 1 }).toArray())) as AgentDocument[];
  }
}

/** A team as the log has it now. */
export function readTeam(store: EventStore, id: string) {
  return readAggregate(store, team, id);
}

/** An agent as the log has it now: who has just left is seen to have. */
export function readAgent(store: EventStore, id: string) {
  return readAggregate(store, agent, id);
}
