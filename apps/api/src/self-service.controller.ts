import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { deterministicId, isRefusal } from '#eventsourcing';
import { JsonBody, Problem, QueryParameters } from '#http';
import { flag, oneOf, type QueryOf, text } from '#platform';
import { AskQuestion, omitUndefined, openingByForm, question, QUESTION_STATUSES, RequestByForm, ticket } from '#ticketing';
import { type Asker, queries, periodBegin, periodEnd, unlessMayBegin, zoneOfDates } from '#ticketing-app';
import { RunCommand, RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { answerWithTag, sentWith, taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { pageByName, pageParameters } from './pages.js';
import { PathName } from './path-name.js';
import { ticketProblems, unlessRefused } from './ticket-problems.js';

const questionsQuery = {
  client: text('Only questions of this client'),
  status: oneOf(QUESTION_STATUSES, 'Only questions with this outcome'),
  ...pageParameters,
};
const readQuestionsQuery = new QueryParameters(questionsQuery);
const countsQuery = {
  client: text('Only questions of this client'),
  from: periodBegin('Only questions asked at this time or later'),
  to: periodEnd('Only questions asked before this time'),
  zone: zoneOfDates,
};
const readCountsQuery = new QueryParameters(countsQuery);
const formsQuery = {
  client: text('Only forms specific to this client'),
  service: text('Only forms of this service'),
  withdrawn: flag('Only forms closed to new requests, or only the others'),
  ...pageParameters,
};
const readFormsQuery = new QueryParameters(formsQuery);
const noQuery = new QueryParameters({});
const questionId = new PathName('question-not-found', 'There is no such question');
const formName = new PathName('form-not-found', 'There is no such form');

/** Self-service (L0): questions with suggestions, and forms whose answers open tickets. */
@Controller('v1')
export class SelfServiceController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(CommandBus) private readonly commands: CommandBus,
  ) {}

  @Post('questions')
  @HttpCode(201)
  @documented((openapi) => openapi.documentAskQuestion())
  async ask(
    @Body(new JsonBody(AskQuestion)) { question: q, ...asked }: AskQuestion,
    @Req() request: FastifyRequest,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    const sent = sentWith(request, 'questions');
    unlessRefused(unlessMayBegin(question, 'RecordQuestion', omitUndefined({ client: asked.client, reporter: asked.reporter }), sent));
    const id = deterministicId(question.category, sent.commandId);
    // The same suggestions as when it was asked: the knowledge base may have changed since.
    const before = await this.queries.execute(new RunQuery(caller, queries.question, { id }));
    const known = isRefusal(before) ? undefined : before.state;
    const suggested = { client: asked.client, ...(known === undefined ? { q } : { articles: known.articles }) };
    const suggestions = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.suggestions, suggested)));
    const { service, component, category, reporter } = asked;
    const articles = known?.articles ?? suggestions.map(({ article }) => article);
    const body = {
      client: asked.client,
      articles,
      ...(service !== undefined && { service }),
      ...(component !== undefined && { component }),
      ...(category !== undefined && { category }),
      ...(reporter !== undefined && { reporter: { id: reporter.id } }),
    };
    const done = unlessRefused(await this.commands.execute(new RunCommand(question, undefined, 'RecordQuestion', body, sent)));
    void reply.header('Location', `/v1/questions/${done.id}`);
    return { ...answerWithTag(reply, { questionId: done.id }, done), suggestions };
  }

  @Get('questions')
  @documented((openapi) => openapi.documentRecord('questions'))
  @documented((openapi) => openapi.documentQuery(readQuestionsQuery))
  list(@Query(readQuestionsQuery) { limit, cursor, ...asked }: QueryOf<typeof questionsQuery>, @Caller() caller: Asker) {
    const read = async (most: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.questions, { ...asked, limit: most, after })));
    return pageByName(['questions', asked.client, asked.status], { limit, cursor }, read, ({ questionId }) => questionId);
  }

  @Get('question-counts')
  @documented((openapi) => openapi.documentRecord('questionCounts'))
  @documented((openapi) => openapi.documentQuery(readCountsQuery))
  async counts(@Query(readCountsQuery) asked: QueryOf<typeof countsQuery>, @Caller() caller: Asker) {
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.questionCounts, asked)));
  }

  @Get('questions/:questionId')
  @documented((openapi) => openapi.documentRecord('question'))
  async one(
    @Param('questionId', questionId) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.question, { id }))));
  }

  @Get('forms')
  @documented((openapi) => openapi.documentRecord('forms'))
  @documented((openapi) => openapi.documentQuery(readFormsQuery))
  forms(@Query(readFormsQuery) { limit, cursor, ...asked }: QueryOf<typeof formsQuery>, @Caller() caller: Asker) {
    const read = async (most: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.forms, { ...asked, limit: most, after })));
    return pageByName(['forms', asked.client, asked.service, asked.withdrawn], { limit, cursor }, read, ({ form }) => form);
  }

  @Get('forms/:form')
  @documented((openapi) => openapi.documentRecord('form'))
  async form(
    @Param('form', formName) name: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.form, { name }))));
  }

  @Post('forms/:form/requests')
  @HttpCode(201)
  @documented((openapi) => openapi.documentRequestByForm())
  async request(
    @Param('form', formName) name: string,
    @Body(new JsonBody(RequestByForm)) body: RequestByForm,
    @Req() request: FastifyRequest,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    const { client, reporter } = body;
    const sent = sentWith(request, `forms/${name}/requests`);
    unlessRefused(unlessMayBegin(ticket, 'OpenTicket', { client, reporter }, sent));
    const { state } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.form, { name })));
    if (state.withdrawn) throw new Problem('form-withdrawn', ticketProblems['form-withdrawn'], 'The form is closed to new requests');
    if (state.client !== undefined && state.client !== client)
      throw new Problem('form-not-found', ticketProblems['form-not-found'], 'There is no such form');
    const opening = openingByForm(state, body);
    if ('faults' in opening)
      throw new Problem('answers-invalid', ticketProblems['answers-invalid'], 'Some answers in the form are invalid', opening);
    const done = unlessRefused(await this.commands.execute(new RunCommand(ticket, undefined, 'OpenTicket', opening, sent)));
    void reply.header('Location', `/v1/tickets/${done.id}`);
    return answerWithTag(reply, { ticketId: done.id }, done);
  }
}
