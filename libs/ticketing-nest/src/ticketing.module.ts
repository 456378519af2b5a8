import { type DynamicModule, Inject, Module } from '@nestjs/common';
import { Command, CommandHandler, CqrsModule, type ICommandHandler, type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { type Aggregate, type CommandsOf, EventStore } from '#eventsourcing';
import type { Forbidden } from '#ticketing';
import {
  type AppQuery,
  type Asker,
  type CommandResult,
  ReadModels,
  runCommand,
  runQuery,
  type SentCommand,
  type SentContext,
  WebhookNetworks,
} from '#ticketing-app';

/** Any command of any aggregate, on the command bus. */
export class RunCommand<Of extends Aggregate = Aggregate, Name extends keyof CommandsOf<Of> = keyof CommandsOf<Of>>
  extends Command<CommandResult<Of, Name>>
  implements SentCommand<Of, Name>
{
  constructor(
    readonly aggregate: Of,
    /** Undefined for commands that create an aggregate without a given id, such as a ticket. */
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
  constructor(
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(ReadModels) private readonly models: ReadModels,
    @Inject(WebhookNetworks) private readonly networks: WebhookNetworks,
  ) {}

  execute({ context, ...command }: RunCommand): Promise<CommandResult<Aggregate>> {
    return runCommand(this.store, { ...command, context: { models: this.models, networks: this.networks, ...context } });
  }
}

/** Any query, on the query bus: principal, name, and arguments. */
export class RunQuery<Asked, Answer> extends Query<Answer | Forbidden> {
  constructor(
    readonly asker: Asker,
    readonly query: AppQuery<Asked, Answer>,
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

  execute({ asker, query, asked }: RunQuery<unknown, unknown>): Promise<unknown> {
    return runQuery({ store: this.store, models: this.models }, query, asker, asked);
  }
}

/** Binds the application to Nest's buses: one handler for all commands, one for all queries. */
@Module({})
export class TicketingModule {
  static on(store: EventStore, readModels: ReadModels, networks: WebhookNetworks): DynamicModule {
    return {
      module: TicketingModule,
      imports: [CqrsModule.forRoot()],
      providers: [
        { provide: EventStore, useValue: store },
        { provide: ReadModels, useValue: readModels },
        { provide: WebhookNetworks, useValue: networks },
        RunCommandHandler,
        RunQueryHandler,
      ],
      exports: [CqrsModule, EventStore, ReadModels],
    };
  }
}
