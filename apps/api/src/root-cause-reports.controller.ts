import { Controller, Get, Headers, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { accepted, QueryParameters } from '#http';
import { type Asker, queries, REPORT_STYLE, reportAsHtml, reportAsMarkdown, type RootCauseAsked } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { pagePolicy } from './page-policy.js';
import { PathName } from './path-name.js';
import { TicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});
const problemId = new PathName('problem-not-found', 'There is no such problem');

const HTML = 'text/html';
const MARKDOWN = 'text/markdown';
const policy = pagePolicy(REPORT_STYLE);

/** Root cause reports: as JSON, as Markdown, or as a printable page. */
@Controller('v1')
export class RootCauseReportsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('problems/:problemId/report')
  @documented((openapi) => openapi.documentRootCauseReport('problem'))
  ofProblem(
    @Param('problemId', problemId) id: string,
    @Query(noQuery) _query: object,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return this.#report(caller, { of: 'problem', id }, accept, reply);
  }

  @Get('tickets/:id/root-cause-report')
  @documented((openapi) => openapi.documentRootCauseReport('ticket'))
  ofTicket(
    @Param('id', TicketId) id: string,
    @Query(noQuery) _query: object,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return this.#report(caller, { of: 'ticket', id }, accept, reply);
  }

  async #report(caller: Asker, asked: RootCauseAsked, accept: string | undefined, reply: FastifyReply) {
    const report = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.rootCauseReport, asked)));
    void reply.header('Vary', 'Accept');
    switch (accepted(accept, [HTML, MARKDOWN])) {
      case HTML:
        void reply.type(`${HTML}; charset=utf-8`);
        void reply.header('Content-Security-Policy', policy);
        return reportAsHtml(report);
      case MARKDOWN:
        void reply.type(`${MARKDOWN}; charset=utf-8`);
        return reportAsMarkdown(report);
      default:
        return report;
    }
  }
}
