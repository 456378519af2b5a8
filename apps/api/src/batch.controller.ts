import { Body, Controller, HttpCode, Inject, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { deterministicId } from '#eventsourcing';
import {
  JsonBody,
  Problem,
  problemOfStores,
  QueryParameters,
  RateLimits,
  readCommandHeaders,
  type CommandHeaders,
  type ProblemDetails,
} from '#http';
import { JsonLog } from '#platform';
import { type BatchItem, CommandBatch, ticket } from '#ticketing';
import { RunCommand } from '#ticketing-nest';
import { takeOf } from './authentication.js';
import { callerOf } from './caller.js';
import { answerOf, type CommandAnswer } from './command-answer.js';
import { documented } from './documented.js';
import { ticketIdOf } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

/** Tickets of a batch handled concurrently: more would only queue at the store, and delay others. */
const AT_ONCE = 8;

/** Result of a command of a batch: its answer with the status that it would have alone, or the problem. */
export type BatchResult =
  ({ readonly status: number; readonly ticketId: string } & CommandAnswer) | { readonly status: number; readonly problem: ProblemDetails };

export interface BatchAnswer {
  /** In the order of the batch. */
  readonly items: readonly BatchResult[];
  readonly done: number;
  readonly failed: number;
}

/** Many commands in one request. */
@Controller('v1/batches')
export class BatchController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(RateLimits) private readonly limits: RateLimits,
    @Inject(JsonLog) private readonly log: JsonLog,
  ) {}

  @Post()
  @HttpCode(200)
  @documented((openapi) => openapi.documentBatch())
  async run(
    @Body(new JsonBody(CommandBatch)) { items }: CommandBatch,
    @Req() request: FastifyRequest,
    @Query(new QueryParameters({})) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<BatchAnswer> {
    const sent = readCommandHeaders(request.headers, 'batches');
    if (sent.ifRevisions !== undefined) {
      throw Problem.of('invalid-header', 'If-Match cannot be used for a batch: each item has its own ifRevision', {
        faults: [{ field: 'If-Match', message: 'must be omitted' }],
      });
    }
    // Each command counts; the request itself was the first.
    if (items.length > 1) await takeOf(callerOf(request), this.limits, reply, items.length - 1);
    const results: BatchResult[] = [];
    const lanes = inTheirOrder(items);
    const work = async (): Promise<void> => {
      for (let lane = lanes.shift(); lane !== undefined; lane = lanes.shift())
        for (const index of lane) results[index] = await this.#runItem(items[index] as BatchItem, index, sent, request);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    const failed = results.filter((result) => 'problem' in result).length;
    return { items: results, done: items.length - failed, failed };
  }

  async #runItem(
    { command, ticketId: given, body = {}, ifRevision }: BatchItem,
    index: number,
    { commandId: batchId, onBehalfOf, using }: CommandHeaders,
    request: FastifyRequest,
  ): Promise<BatchResult> {
    try {
      const opens = !ticket.commands[command].route.includes('{id}');
      const ticketId = typeof given === 'string' ? ticketIdOf(given) : undefined;
      if (given !== undefined && ticketId === undefined) {
        throw Problem.of('invalid-body', 'A field of the body is invalid', {
          faults: [{ field: 'ticketId', message: 'must be the id of a ticket' }],
        });
      }
      if (opens !== (ticketId === undefined)) {
        throw Problem.of('invalid-body', opens ? 'A ticket to be opened has no id yet' : `${command} needs the id of a ticket`, {
          faults: [{ field: 'ticketId', message: opens ? 'must be omitted' : 'ticketId is required' }],
        });
      }
      const commandId = deterministicId('batch-item', batchId, String(index));
      const content = new JsonBody<object>(ticket.commands[command].body).transform(body) as never;
      const context = {
        commandId,
        principal: callerOf(request).principal,
        ...(onBehalfOf === undefined ? {} : { onBehalfOf }),
        ...(using === undefined ? {} : { using }),
        correlationId: request.correlationId,
        causationId: batchId,
        ...(ifRevision === undefined ? {} : { ifRevisions: [ifRevision] }),
      };
      const done = unlessRefused(await this.commands.execute(new RunCommand(ticket, ticketId, command, content, context)));
      return { status: opens ? 201 : 200, ...answerOf({ ticketId: done.id }, done) };
    } catch (error) {
      const problem =
        problemOfStores(error) ?? Problem.of('internal-error', 'An internal error occurred. Search the log for the correlation id');
      if (problem.code === 'internal-error') this.log.error({ err: error, item: index, command }, problem.message);
      return { status: problem.kind.status, problem: problem.details(`${request.url}#/items/${index}`, request.correlationId) };
    }
  }
}

/** Indexes of the items: those of one ticket in order, each opening by itself. */
function inTheirOrder(items: readonly BatchItem[]): number[][] {
  const lanes = new Map<string, number[]>();
  for (const [index, { ticketId }] of items.entries()) {
    const key = (typeof ticketId === 'string' ? ticketIdOf(ticketId) : undefined) ?? `item ${index}`;
    const lane = lanes.get(key);
    if (lane === undefined) lanes.set(key, [index]);
    else lane.push(index);
  }
  return [...lanes.values()];
}
