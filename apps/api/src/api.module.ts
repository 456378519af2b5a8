import { type DynamicModule, Module } from '@nestjs/common';
import type { EventStore } from '#eventsourcing';
import { RateLimits } from '#http';
import type { IdentityProvider } from '#oidc';
import { JsonLog } from '#platform';
import { PersonalKeys, SealedBlobs } from '#privacy';
import { aggregates } from '#ticketing';
import { Accounts, type ReadModels } from '#ticketing-app';
import { TicketingModule } from '#ticketing-nest';
import { Networks, WebhookSecrets } from '#webhooks';
import { AccountsController } from './accounts.controller.js';
import { ApiDocument } from './api-document.js';
import { KnownRoutes } from './known-routes.js';
import { ArticlesController } from './articles.controller.js';
import { AlertsController, AlertSourcesController, MaintenanceController } from './alerts.controller.js';
import { AttachmentsController } from './attachments.controller.js';
import { AuditorReadsController } from './auditor-reads.controller.js';
import { AutomationTasksController } from './automation-tasks.controller.js';
import { BatchController } from './batch.controller.js';
import { commandsController } from './commands.controller.js';
import { ContractsController } from './contracts.controller.js';
import { OnCallController } from './on-call.controller.js';
import { PasswordsController, PrincipalController, SessionsController } from './sessions.controller.js';
import { SealsController } from './seals.controller.js';
import { DocsController } from './docs.controller.js';
import { EventFeedController, FeedReaders } from './event-feed.controller.js';
import { FiltersController } from './filters.controller.js';
import { historyControllers } from './history.controller.js';
import { HealthController } from './health.controller.js';
import { InboundMailController, OWN_ADDRESSES } from './inbound-mail.controller.js';
import { KpisController } from './kpis.controller.js';
import { KeysController } from './keys.controller.js';
import { IDENTITY_PROVIDER, LogInController } from './log-in.controller.js';
import { MajorIncidentsController } from './major-incidents.controller.js';
import { McpController } from './mcp.controller.js';
import { OwnAccountController, PasskeyChallengesController } from './own-account.controller.js';
import { PrivacyController } from './privacy.controller.js';
import { SelfServiceController } from './self-service.controller.js';
import { ProblemsController } from './problems.controller.js';
import { ReactionsController } from './reactions.controller.js';
import { AgentsController, TeamsController } from './roster.controller.js';
import { RootCauseReportsController } from './root-cause-reports.controller.js';
import { ReportsController } from './reports.controller.js';
import { ScheduledReportsController } from './scheduled-reports.controller.js';
import { SchemasController } from './schemas.controller.js';
import { SimulationsController } from './simulations.controller.js';
import { SlaController } from './sla.controller.js';
import { StatusController } from './status.controller.js';
import { TicketViewsController } from './ticket-views.controller.js';
import { WebhooksController } from './webhooks.controller.js';

/** The HTTP edge: commands in, views and events out. */
@Module({
  controllers: [
    ...aggregates.map(commandsController),
    BatchController,
    AttachmentsController,
    InboundMailController,
    AlertsController,
    AlertSourcesController,
    MaintenanceController,
    MajorIncidentsController,
    AutomationTasksController,
    StatusController,
    TicketViewsController,
    ...historyControllers,
    SlaController,
    KpisController,
    ReportsController,
    ScheduledReportsController,
    SimulationsController,
    ContractsController,
    OnCallController,
    SealsController,
    ReactionsController,
    AuditorReadsController,
    TeamsController,
    AgentsController,
    FiltersController,
    ProblemsController,
    RootCauseReportsController,
    ArticlesController,
    SelfServiceController,
    PrivacyController,
    KeysController,
    SessionsController,
    PrincipalController,
    PasswordsController,
    AccountsController,
    OwnAccountController,
    PasskeyChallengesController,
    LogInController,
    EventFeedController,
    WebhooksController,
    HealthController,
    DocsController,
    McpController,
    SchemasController,
  ],
})
export class ApiModule {
  static on(
    store: EventStore,
    readModels: ReadModels,
    blobs: SealedBlobs,
    keys: PersonalKeys,
    secrets: WebhookSecrets,
    accounts: Accounts,
    limits: RateLimits,
    log: JsonLog,
    identityProvider?: IdentityProvider,
    ownAddresses: readonly string[] = [],
    networks = new Networks([]),
  ): DynamicModule {
    return {
      module: ApiModule,
      imports: [TicketingModule.on(store, readModels, networks)],
      providers: [
        { provide: SealedBlobs, useValue: blobs },
        { provide: PersonalKeys, useValue: keys },
        { provide: WebhookSecrets, useValue: secrets },
        { provide: Accounts, useValue: accounts },
        { provide: RateLimits, useValue: limits },
        { provide: JsonLog, useValue: log },
        ApiDocument,
        KnownRoutes,
        { provide: IDENTITY_PROVIDER, useValue: identityProvider ?? null },
        { provide: OWN_ADDRESSES, useValue: ownAddresses },
        { provide: FeedReaders, useValue: new FeedReaders() },
      ],
    };
  }
}
