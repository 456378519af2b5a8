import { type DynamicModule, Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { EventStore } from '#eventsourcing';
import { ContractsHandler, RunAgreeContractHandler } from './contracts.js';
import { OnCallSchedulesHandler, RunOnCallCommandHandler } from './on-call.js';
import { ReadModels } from './read-models.js';
import { ReactionsHandler } from './reactions-query.js';
import { AgentsHandler, AgentsOfIdsHandler, RunAgentCommandHandler, RunTeamCommandHandler, TeamsHandler } from './roster.js';
import { RunTicketCommandHandler } from './run-ticket-command.js';
import { RunTicketFilterCommandHandler, TicketFiltersHandler } from './ticket-filters.js';
import { TicketListHandler } from './ticket-list-query.js';
import { SlaBoardHandler } from './sla-board-query.js';
import { TicketAutopsyHandler } from './ticket-autopsy.js';
import { TicketWhyHandler } from './ticket-why.js';
import { TicketDetailsHandler, TicketHistoryHandler, TicketSlaHandler, TierQueueHandler } from './ticket-queries.js';

/** Binds the ticket domain to Nest's buses: one handler for all commands, one for each view. */
@Module({})
export class TicketingModule {
  static on(store: EventStore, readModels: ReadModels): DynamicModule {
    return {
      module: TicketingModule,
      imports: [CqrsModule.forRoot()],
      providers: [
        { provide: EventStore, useValue: store },
        { provide: ReadModels, useValue: readModels },
        RunTicketCommandHandler,
        RunAgreeContractHandler,
        ContractsHandler,
        RunOnCallCommandHandler,
        OnCallSchedulesHandler,
        RunTeamCommandHandler,
        TeamsHandler,
        RunAgentCommandHandler,
        AgentsHandler,
        AgentsOfIdsHandler,
        TicketDetailsHandler,
        TicketHistoryHandler,
        TicketSlaHandler,
        TierQueueHandler,
        TicketListHandler,
        TicketAutopsyHandler,
        SlaBoardHandler,
        TicketWhyHandler,
        ReactionsHandler,
        RunTicketFilterCommandHandler,
        TicketFiltersHandler,
      ],
      exports: [CqrsModule, EventStore, ReadModels],
    };
  }
}
