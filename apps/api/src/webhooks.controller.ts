import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { QueryParameters } from '#http';
import { oneOf, type QueryOf } from '#platform';
import { type Asker, queries, type WebhookDelivery } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { type DeliveryDocument, WebhookSecrets } from '#webhooks';
import { Caller } from './caller.js';
import { taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { pageByName, pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});
const deliveriesQuery = {
  state: oneOf(['dead', 'waiting', 'delivered'] as const, 'Given up, pending or delivered; default: `dead`'),
  ...pageParameters,
};
const readDeliveriesQuery = new QueryParameters(deliveriesQuery);
const aWebhook = new PathName('webhook-not-found', 'There is no such webhook');

/** Subscriptions that send events to addresses. Commands create and change them. */
@Controller('v1/webhooks')
export class WebhooksController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(WebhookSecrets) private readonly secrets: WebhookSecrets,
  ) {}

  @Get()
  @documented((openapi) => openapi.documentWebhooks())
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.webhooks, { limit, after })));
    return pageByName(['webhooks'], query, read, ({ webhook }) => webhook);
  }

  @Get(':webhook')
  @documented((openapi) => openapi.documentWebhook())
  async one(
    @Param('webhook', aWebhook) webhook: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.webhook, { webhook }))));
  }

  @Get(':webhook/secret')
  @documented((openapi) => openapi.documentWebhookSecret())
  async secret(@Param('webhook', aWebhook) webhook: string, @Query(noQuery) _query: object, @Caller() caller: Asker) {
    const asked = new RunQuery(caller, queries.webhookSecret, { webhook });
    const { secretVersion: version, overlapUntil } = unlessRefused(await this.queries.execute(asked));
    return { secret: await this.secrets.of(webhook, version), version, ...(overlapUntil && { overlapUntil }) };
  }

  @Get(':webhook/deliveries')
  @documented((openapi) => openapi.documentDeliveries())
  @documented((openapi) => openapi.documentQuery(readDeliveriesQuery))
  async deliveries(
    @Param('webhook', aWebhook) webhook: string,
    @Query(readDeliveriesQuery) { state = 'dead', limit, cursor }: QueryOf<typeof deliveriesQuery>,
    @Caller() caller: Asker,
  ) {
    const read = async (most: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.deliveries, { webhook, state, limit: most, after })));
    const page = await pageByName(['deliveries', webhook, state], { limit, cursor }, read, ({ order, _id }) => `${order} ${_id}`);
    return { ...page, items: page.items.map(shown) };
  }
}

function shown({
  _id,
  order: _order,
  body: _body,
  failures: _failures,
  expiresAt: _expiresAt,
  ...delivery
}: DeliveryDocument): WebhookDelivery {
  return delivery;
}
