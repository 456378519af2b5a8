import { Body, Controller, HttpCode, Inject, type OnModuleDestroy, Post, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { instantFrom, parseInstant, StoreUnavailable } from '#eventsourcing';
import { JsonBody, Problem, QueryParameters } from '#http';
import { contractTerms, momentIn, SimulateContract, type Simulation } from '#ticketing';
import { queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { answerAborted, Caller, type Known, whenLeft } from './caller.js';
import { documented } from './documented.js';
import { unlessRefused } from './ticket-problems.js';

const ROWS = 100;

/** What if another contract had applied? Reads the log, changes and stores nothing. */
@Controller('v1/simulations')
export class SimulationsController implements OnModuleDestroy {
  readonly #closing = new AbortController();

  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  onModuleDestroy(): void {
    this.#closing.abort();
  }

  @Post()
  @HttpCode(200)
  @documented((openapi) => openapi.documentSimulation())
  async run(
    @Body(new JsonBody(SimulateContract)) body: SimulateContract,
    // There are no parameters, and an unknown one is refused rather than ignored.
    @Query(new QueryParameters({})) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Known,
  ): Promise<Simulation | undefined> {
    const contract = unlessRefused(contractTerms(body.terms));
    const now = instantFrom(Date.now());
    const asOf = instantOf(body.asOf) ?? now;
    if (asOf > now) {
      throw Problem.of('invalid-body', 'What has not happened yet cannot be replayed', {
        faults: [{ field: 'asOf', message: 'must not be in the future' }],
      });
    }
    const left = whenLeft(caller, reply);
    try {
      const { client, limit = ROWS } = body;
      const momentOf = (given: string | undefined) => (given === undefined ? undefined : momentIn(contract.calendar.zone, given));
      const request = { contract, from: momentOf(body.from), to: momentOf(body.to), client, asOf, limit };
      const asked = { ...request, left: AbortSignal.any([left, this.#closing.signal]) };
      return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.simulation, asked)));
    } catch (error) {
      if (left.aborted) return answerAborted(caller);
      if (this.#closing.signal.aborted) throw new StoreUnavailable('the server is stopping');
      throw error;
    }
  }
}

function instantOf(given: string | undefined) {
  return given === undefined ? undefined : parseInstant(given);
}
