import { Body, Controller, HttpCode, Inject, type OnModuleDestroy, Post, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { instantFrom, parseInstant, StoreUnavailable } from '#eventsourcing';
import { JsonBody, Problem, QueryParameters } from '#http';
import { contractTerms, SimulateContract, type Simulation } from '#ticketing';
import { LONGEST_SIMULATION_MS, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller, type Known } from './caller.js';
import { documented } from './documented.js';
import { unlessRefused } from './ticket-problems.js';

/** Simulations that one process runs at once: each keeps a core busy. */
const AT_ONCE = 2;
const ROWS = 100;

/** What if another contract had held? Reads the log, changes nothing, keeps nothing. */
@Controller('v1/simulations')
export class SimulationsController implements OnModuleDestroy {
  readonly #closing = new AbortController();
  #running = 0;

  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  onModuleDestroy(): void {
    this.#closing.abort();
  }

  @Post()
  @HttpCode(200)
  @documented((openapi) => openapi.documentSimulation())
  async run(
    @Body(new JsonBody(SimulateContract)) body: SimulateContract,
    // There are no parameters, and one that somebody believes in is refused rather than ignored.
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
    if (this.#running >= AT_ONCE) {
      throw Problem.of('too-many-simulations', `There are ${AT_ONCE} simulations running already`, { headers: { 'Retry-After': '10' } });
    }
    const left = new AbortController();
    reply.raw.once('close', () => left.abort());
    if (reply.raw.destroyed) left.abort();
    const tooLong = AbortSignal.timeout(LONGEST_SIMULATION_MS);
    this.#running++;
    try {
      const { client, limit = ROWS } = body;
      const request = { contract, from: instantOf(body.from), to: instantOf(body.to), client, asOf, limit };
      const watched = { signal: AbortSignal.any([left.signal, tooLong, this.#closing.signal, caller.ended]) };
      return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.simulation, { ...request, watched })));
    } catch (error) {
      // Nobody is there to be answered.
      if (left.signal.aborted) return undefined;
      caller.ended.throwIfAborted();
      if (this.#closing.signal.aborted) throw new StoreUnavailable('the server stops');
      if (tooLong.aborted)
        throw Problem.of(
          'simulation-too-long',
          `It was given up after ${LONGEST_SIMULATION_MS / 1000} s: name a shorter period, or a client`,
        );
      throw error;
    } finally {
      this.#running--;
    }
  }
}

function instantOf(given: string | undefined) {
  return given === undefined ? undefined : parseInstant(given);
}
