import { Inject } from '@nestjs/common';
import { Command, CommandHandler, type ICommandHandler, type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EventStore, type Executed, type Refusal } from '#eventsourcing';
import {
  onCall,
  type OnCallCommands,
  type OnCallDocument,
  type OnCallEvents,
  type OnCallSchedule,
  onCallSchedules,
  onCallUpcasters,
} from '#ticketing';
import { reached, ReadModels, view } from './read-models.js';
import { readAggregate, runCommand, type SentContext } from './run-command.js';

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
    return runCommand(this.store, { decider: onCall, upcasters: onCallUpcasters, noun: 'schedule' }, body.schedule, name, body, context);
  }
}

/** Every schedule, by name. */
export class OnCallSchedulesQuery extends Query<readonly OnCallDocument[]> {}

@QueryHandler(OnCallSchedulesQuery)
export class OnCallSchedulesHandler implements IQueryHandler<OnCallSchedulesQuery> {
  constructor(@Inject(ReadModels) private readonly models: ReadModels) {}

  async execute(): Promise<readonly OnCallDocument[]> {
    const found = view<OnCallDocument>(this.models, onCallSchedules.name).find({}, { projection: { _id: 0, position: 0, revision: 0 } });
    return (await reached(found.sort({ _id: 1 }).limit(1_000).toArray())) as OnCallDocument[];
  }
}

/** A schedule as the log has it now: an override counts from the moment it was answered. */
export function readOnCall(store: EventStore, schedule: string) {
  return readAggregate<OnCallEvents, OnCallSchedule>(store, onCall, onCallUpcasters, schedule);
}
