import { Readable } from 'node:stream';
import { Controller, Get, Inject, Param, Query, Res, StreamableFile } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { Problem, QueryParameters } from '#http';
import { JsonLog, type QueryOf } from '#platform';
import { SealedBlobs } from '#privacy';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { PAGE, pageAnswer, pageByName, pageParameters, placeAfter, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { ticketProblems, unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});
const reportName = new PathName('report-not-found', ticketProblems['report-not-found'].title);

/** Recurring reports and their runs. Commands define and change them. */
@Controller('v1/reports')
export class ScheduledReportsController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(SealedBlobs) private readonly blobs: SealedBlobs,
    @Inject(JsonLog) private readonly log: JsonLog,
  ) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('reports'))
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.reports, { limit, after })));
    return pageByName(['reports'], query, read, ({ report }) => report);
  }

  @Get(':report')
  @documented((openapi) => openapi.documentRecord('report'))
  async one(
    @Param('report', reportName) report: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.report, { report }))));
  }

  @Get(':report/runs')
  @documented((openapi) => openapi.documentReportRuns())
  @documented((openapi) => openapi.documentQuery(plainList))
  async runs(
    @Param('report', reportName) report: string,
    @Query(plainList) { limit = PAGE, cursor }: QueryOf<typeof pageParameters>,
    @Caller() caller: Asker,
  ) {
    const list = ['report-runs', report];
    const [after] = placeAfter(list, cursor) ?? [];
    const asked = { report, limit, after: after === undefined ? undefined : Number(after) };
    const page = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.reportRuns, asked)));
    return pageAnswer(list, page, ({ run }) => [run]);
  }

  @Get(':report/runs/:run/document')
  @documented((openapi) => openapi.documentReportDocument())
  async document(
    @Param('report', reportName) report: string,
    @Param('run') given: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ): Promise<StreamableFile> {
    // Anything but a number is not found.
    const run = /^[1-9]\d{0,8}$/.test(given) ? Number(given) : 0;
    const { sha256 } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.reportRun, { report, run })));
    const blob = await this.blobs.get(sha256);
    if (blob === undefined)
      throw new Problem('report-run-not-found', ticketProblems['report-run-not-found'], 'The document is no longer in storage');
    void reply.headers({
      ETag: `"${sha256}"`,
      'Cache-Control': 'private, max-age=31536000, immutable',
      'Content-Security-Policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    });
    return new StreamableFile(Readable.from(blob.content, { objectMode: false }), {
      type: blob.mediaType,
      length: blob.bytes,
    }).setErrorLogger((error) => this.log.error({ err: error, sha256 }, 'a report could not be read completely'));
  }
}
