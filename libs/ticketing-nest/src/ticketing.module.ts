import { type DynamicModule, Inject, Module } from '@nestjs/common';
import { Command, CommandHandler, CqrsModule, type ICommandHandler, type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { type Aggregate, type CommandsOf, EventStore } from '#eventsourcing';
import {
  type CommandResult,
  ReadModels,
  runCommand,
  type SentCommand,
  type SentContext,
  type Sources,
  unlessOfOtherLog,
} from '#ticketing-app';

/** Any command of any aggregate, on the command bus. */
export class RunCommand<Of extends Aggregate = Aggregate, Name extends keyof CommandsOf<Of> = keyof CommandsOf<Of>>
  extends Command<CommandResult<Of, Name>>
  implements SentCommand<Of, Name>
{
  constructor(
    readonly aggregate: Of,
    /** Undefined for what begins an aggregate without a name, such as a ticket. */
    readonly id: string | undefined,
    readonly name: Name,
    readonly body: CommandsOf<Of>[Name],
    readonly context: SentContext,
  ) {
    super();
  }
}

@CommandHandler(RunCommand)
export class RunCommandHandler implements ICommandHandler<RunCommand> {
  constructor(@Inject(EventStore) private readonly store: EventStore) {}

  execute(command: RunCommand): Promise<CommandResult<Aggregate>> {
    return runCommand(this.store, command);
  }
}

/** Any query, on the query bus: a function of the read models, and what it is asked. */
export class RunQuery<Asked, Answer> extends Query<Answer> {
  constructor(
    readonly read: (sources: Sources, asked: Asked) => Promise<Answer>,
    readonly asked: Asked,
  ) {
    super();
  }
}

@QueryHandler(RunQuery)
export class RunQueryHandler implements IQueryHandler<RunQuery<unknown, unknown>> {
  constructor(
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(ReadModels) private readonly models: ReadModels,
  ) {}

  async execute({ read, asked }: RunQuery<unknown, unknown>): Promise<unknown> {
    const sources = { store: this.store, models: this.models };
    await unlessOfOtherLog(sources);
    return read(sources, asked);
  }
}

/** Binds the application to Nest's buses: one handler for all commands, one for all queries. */
@Module({})
export class TicketingModule {
  static on(store: EventStore, readModels: ReadModels): DynamicModule {
    return {
      module: TicketingModule,
      imports: [CqrsModule.forRoot()],
      providers: [
        { provide: EventStore, useValue: store },
        { provide: ReadModels, useValue: readModels },
        RunCommandHandler,
        RunQueryHandler,
      ],
      exports: [CqrsModule, EventStore, ReadModels],
    };
  }
}
