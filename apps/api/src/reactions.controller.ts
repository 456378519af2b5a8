import { Controller, Get, Inject, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { REACTION_OUTCOMES } from '#eventsourcing';
import { QueryParameters } from '#http';
import { oneOf, type QueryOf, text } from '#platform';
import { policies } from '#ticketing';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { PAGE, pageAnswer, pageParameters, placeAfter } from './pages.js';
import { aTicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

const reactionsQuery = {
  outcome: oneOf(REACTION_OUTCOMES, 'Only reactions with a command of this outcome; `quiet`: no change needed'),
  policy: oneOf(
    policies.map(({ name }) => name),
    'Only reactions of this policy',
  ),
  client: text("Only reactions to events of this client's tickets"),
  ticket: aTicketId('Only reactions to events of this ticket, or with a command to it'),
  ...pageParameters,
};
const readReactionsQuery = new QueryParameters(reactionsQuery);

/** Reactions of policies to events. */
@Controller('v1/reactions')
export class ReactionsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentView('reactions'))
  @documented((openapi) => openapi.documentQuery(readReactionsQuery))
  async list(@Query(readReactionsQuery) query: QueryOf<typeof reactionsQuery>, @Caller() caller: Asker) {
    const { limit = PAGE, cursor, outcome, policy, client, ticket } = query;
    const list = ['reactions', outcome, policy, client, ticket];
    const [before] = placeAfter(list, cursor) ?? [];
    const filter = { outcome, policy, client, ticket };
    const asked = { filter, limit, before: before === undefined ? undefined : Number(before) };
    const page = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.reactions, asked)));
    return pageAnswer(list, page, ({ position }) => [position]);
  }
}
