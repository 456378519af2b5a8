import { type DynamicModule, Module } from '@nestjs/common';
import type { EventStore } from '#eventsourcing';
import { JsonLog } from '#platform';
import { type ReadModels, TicketingModule } from '#ticketing-nest';
import { BatchController } from './batch.controller.js';
import { ContractsController } from './contracts.controller.js';
import { DocsController } from './docs.controller.js';
import { EventFeedController } from './event-feed.controller.js';
import { HealthController } from './health.controller.js';
import { SimulationsController } from './simulations.controller.js';
import { SlaController } from './sla.controller.js';
import { TicketCommandsController } from './ticket-commands.controller.js';
import { TicketViewsController } from './ticket-views.controller.js';

/** The HTTP edge: commands in, views and events out. */
@Module({
  controllers: [
    TicketCommandsController,
    BatchController,
    TicketViewsController,
    SlaController,
    SimulationsController,
    ContractsController,
    EventFeedController,
    HealthController,
    DocsController,
  ],
})
export class ApiModule {
  static on(store: EventStore, readModels: ReadModels, log: JsonLog): DynamicModule {
    return { module: ApiModule, imports: [TicketingModule.on(store, readModels)], providers: [{ provide: JsonLog, useValue: log }] };
  }
}
