import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { QueryParameters } from '#http';
import { flag, oneOf, type QueryOf, text } from '#platform';
import { BOARD_STATES, CLOCK_KINDS, TIERS } from '#ticketing';
import { type Asker, evaluatedAt, isPast, queries, type SlaBoardAsked } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { atLeastPosition, changedSince, cursorTo, PAGE, pageOfChanges, pageParameters, placeAfter } from './pages.js';
import { asOf as autopsyAsOf, inPast, whenParameters } from './past.js';
import { TicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

const autopsyQuery = { asOf: autopsyAsOf };
const readAutopsyQuery = new QueryParameters(autopsyQuery);

const boardQuery = {
  client: text('Only tickets of this client'),
  tier: oneOf(TIERS, 'Only tickets at this tier'),
  kind: oneOf(CLOCK_KINDS, 'Clocks of this kind, one per ticket; default: the clock of each ticket that is due first'),
  state: oneOf(
    BOARD_STATES,
    'Only clocks in this state: on track (`due`), past the first warning, past their due time, or paused and not breached',
  ),
  atRisk: flag('Only tickets with less (or not less) resolution time left than their current tier needs for its work'),
  ...pageParameters,
  atLeast: atLeastPosition,
  changedSince,
  ...whenParameters,
};
const readBoardQuery = new QueryParameters(boardQuery);

const restatementQuery = {
  knownAt: {
    ...whenParameters.knownAt,
    description: 'Only events recorded by then count as known then. Default: `asOf`, or now',
  },
  asOf: {
    ...whenParameters.asOf,
    description: 'Instant to view: later events are left out. Default: `knownAt`',
  },
};
const readRestatementQuery = new QueryParameters(restatementQuery);
const restatementsQuery = { ...restatementQuery, client: text('Only tickets of this client'), ...pageParameters };
const readRestatementsQuery = new QueryParameters(restatementsQuery);

/** The times to compare. */
function timesOf({ knownAt, asOf }: QueryOf<typeof restatementQuery>) {
  return { knownAt: knownAt ?? evaluatedAt({ asOf }), asOf };
}

/** Outcomes of promises, and their reasons. */
@Controller('v1')
export class SlaController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('tickets/:id/why')
  @documented((openapi) => openapi.documentView('why'))
  @documented((openapi) => openapi.documentQuery(readAutopsyQuery))
  async why(@Param('id', TicketId) id: string, @Query(readAutopsyQuery) query: QueryOf<typeof autopsyQuery>, @Caller() caller: Asker) {
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.why, { ticketId: id, asOf: query.asOf })));
  }

  @Get('tickets/:id/sla/autopsy')
  @documented((openapi) => openapi.documentView('autopsy'))
  @documented((openapi) => openapi.documentQuery(readAutopsyQuery))
  async autopsy(@Param('id', TicketId) id: string, @Query(readAutopsyQuery) query: QueryOf<typeof autopsyQuery>, @Caller() caller: Asker) {
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.autopsy, { ticketId: id, asOf: query.asOf })));
  }

  @Get('tickets/:id/sla-restatements')
  @documented((openapi) => openapi.documentView('restatement'))
  @documented((openapi) => openapi.documentQuery(readRestatementQuery))
  async restatement(
    @Param('id', TicketId) id: string,
    @Query(readRestatementQuery) query: QueryOf<typeof restatementQuery>,
    @Caller() caller: Asker,
  ) {
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.restatement, { ticketId: id, ...timesOf(query) })));
  }

  @Get('sla-restatements')
  @documented((openapi) => openapi.documentView('restatements'))
  @documented((openapi) => openapi.documentQuery(readRestatementsQuery))
  async restatements(@Query(readRestatementsQuery) query: QueryOf<typeof restatementsQuery>, @Caller() caller: Asker) {
    const { client, limit = PAGE, cursor } = query;
    const times = timesOf(query);
    const list = ['sla-restatements', times.knownAt, times.asOf, client];
    const [after] = placeAfter(list, cursor) ?? [];
    const asked = { ...times, client, limit, after: after === undefined ? undefined : String(after) };
    const { items, more, end } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.restatements, asked)));
    return { items, ...(more && end !== undefined ? { next: cursorTo(list, [end]) } : {}) };
  }

  @Get('sla-board')
  @documented((openapi) => openapi.documentView('board'))
  @documented((openapi) => openapi.documentQuery(readBoardQuery))
  async board(@Query(readBoardQuery) query: QueryOf<typeof boardQuery>, @Caller() caller: Asker) {
    const { client, tier, kind: key = 'any', state, atRisk, limit = PAGE, atLeast, changedSince: since, cursor, asOf, knownAt } = query;
    if (since !== undefined) {
      return pageOfChanges(['sla-board', key, client, tier], { since, limit, cursor }, { state, atRisk, asOf, knownAt }, async (changes) =>
        unlessRefused(
          await this.queries.execute(new RunQuery(caller, queries.changedBoard, { key, filter: { client, tier }, ...changes })),
        ),
      );
    }
    const when = { asOf, knownAt };
    const list = ['sla-board', key, client, tier, state, atRisk, ...inPast(when, { atLeast })];
    const place = placeAfter(list, cursor);
    const after = place && { due: String(place[0]), id: String(place[1]) };
    const asked: SlaBoardAsked = { key, filter: { client, tier, state, atRisk }, limit, after, atLeast };
    const board = unlessRefused(
      isPast(when)
        ? await this.queries.execute(new RunQuery(caller, queries.pastBoard, { ...asked, when }))
        : await this.queries.execute(new RunQuery(caller, queries.slaBoard, asked)),
    );
    const { items, more, evaluatedAt, end } = board;
    return { items, evaluatedAt, ...(more && end !== undefined ? { next: cursorTo(list, [end.due, end.id]) } : {}) };
  }
}
