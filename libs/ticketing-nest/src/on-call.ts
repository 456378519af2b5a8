import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler, type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EventStore, type Executed, type Instant, readAggregate, type Refusal } from '#eventsourcing';
import {
  absenceAt,
  agents,
  type AgentDocument,
  answersAt,
  inOrder,
  onCall,
  type OnCallCommands,
  type OnCallDocument,
  type OnCallEvents,
  type Answering,
  type OnCallSchedule,
  onCallSchedules,
} from '#ticketing';
import { type Page, reached, readByName, ReadModels, view } from './read-models.js';
import { runCommand, type SentContext } from './run-command.js';

/** Any command of an on-call schedule. */
export class RunOnCallCommand<Name extends keyof OnCallCommands = keyof OnCallCommands> extends Command<Executed<OnCallEvents> | Refusal> {
  constructor(
    readonly name: Name,
    readonly body: OnCallCommands[Name],
    readonly context: SentContext,
  ) {
    super();
  }
}

@CommandHandler(RunOnCallCommand)
export class RunOnCallCommandHandler implements ICommandHandler<RunOnCallCommand> {
  constructor(@Inject(EventStore) private readonly store: EventStore) {}

  execute({ name, body, context }: RunOnCallCommand): Promise<Executed<OnCallEvents> | Refusal> {
    return runCommand(this.store, onCall, body.schedule, name, body, context);
  }
}

/** Every schedule, by name. */
export class OnCallSchedulesQuery extends Query<Page<OnCallDocument>> {
  constructor(
    readonly limit: number,
    /** The schedule that the page comes after. */
    readonly after?: string,
  ) {
    super();
  }
}

@QueryHandler(OnCallSchedulesQuery)
export class OnCallSchedulesHandler implements IQueryHandler<OnCallSchedulesQuery> {
  constructor(@Inject(ReadModels) private readonly models: ReadModels) {}

  execute({ limit, after }: OnCallSchedulesQuery): Promise<Page<OnCallDocument>> {
    return readByName(this.models, onCallSchedules.name, limit, after);
  }
}

/** A schedule as the log has it now: an override counts from the moment it was answered. */
export function readOnCall(store: EventStore, schedule: string) {
  return readAggregate(store, onCall, schedule);
}

/** Who is on call at an instant. Who has left or is absent is passed over; who is no agent of the desk is taken to be there. */
export async function whoIsOnCall(models: ReadModels, schedule: OnCallSchedule, at: Instant): Promise<Answering> {
  const ids = [...new Set([...inOrder(schedule, at)].map(({ id }) => id))];
  if (ids.length === 0) return { passedOver: [] };
  const found = await reached(
    view<AgentDocument>(models, agents.name)
      .find({ _id: { $in: ids } })
      .toArray(),
  );
  const away = new Set(found.filter((agent) => !agent.active || absenceAt(agent, at) !== undefined).map(({ _id }) => _id));
  return answersAt(schedule, at, ({ id }) => !away.has(id));
}
