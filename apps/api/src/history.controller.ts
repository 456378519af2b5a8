import { Controller, Get, Headers, Inject, Param, type PipeTransform, Query, Res, type Type } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { asLines, CSV, csvRows, NDJSON } from '#exports';
import { accepted, QueryParameters } from '#http';
import { type Parameter, type QueryOf, text, wholeNumber } from '#platform';
import { aggregates, canonicalJson, type HistoryName } from '#ticketing';
import { type Asker, type HistoryLine, queries, periodBegin, periodEnd, zoneOfDates } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { exported } from './exported.js';
import { PAGE, pageAnswer, pageParameters, placeAfter, unlessGiven } from './pages.js';
import { PathName } from './path-name.js';
import { TicketId } from './ticket-id.js';
import { type DomainProblemCode, ticketProblems, unlessRefused } from './ticket-problems.js';

const eventTypes = new Set(aggregates.flatMap(({ events }) => Object.keys(events)));

const types: Parameter<readonly string[]> = {
  parse: (given) => {
    const named = [...new Set(given.split(','))];
    return named.every((type) => eventTypes.has(type)) ? named : undefined;
  },
  rule: 'must be event types such as TicketEscalated, separated by commas',
  description: 'Only events of these types',
  schema: { type: 'string', pattern: '^[A-Za-z]+(,[A-Za-z]+)*$' },
};
const historyQuery = {
  actor: text('Only events of which this person (by id) is the actor or sender'),
  type: types,
  happenedFrom: periodBegin('Only events that happened at this time or later', 'happenedTo'),
  happenedTo: periodEnd('Only events that happened before this time'),
  zone: zoneOfDates,
  recordedFrom: periodBegin('Only events recorded at this time or later', 'recordedTo'),
  recordedTo: periodEnd('Only events recorded before this time'),
  ...pageParameters,
  atLeast: wholeNumber('Revision (ETag of a command) that the history must have reached', { min: 0, max: Number.MAX_SAFE_INTEGER }),
};
const readHistoryQuery = new QueryParameters(historyQuery);

/** Events read together for the answer with the entire history. */
const CHUNK = 200;

const histories = [
  'history',
  'contractHistory',
  'teamHistory',
  'agentHistory',
  'scheduleHistory',
  'filterHistory',
  'problemHistory',
  'alertHistory',
  'alertSourceHistory',
  'maintenanceHistory',
  'automationTaskHistory',
  'majorIncidentHistory',
  'articleHistory',
  'questionHistory',
  'formHistory',
  'privacyHistory',
  'keyHistory',
  'accountHistory',
  'webhookHistory',
  'reportHistory',
] as const satisfies readonly HistoryName[];

const named = (code: DomainProblemCode) => new PathName(code, ticketProblems[code].title);

/** Where each history is, and how the id in its path is read. */
const doors: Readonly<
  Record<HistoryName, { readonly path: string; readonly id: string; readonly pipe: PipeTransform | Type<PipeTransform> }>
> = {
  history: { path: 'tickets', id: 'id', pipe: TicketId },
  contractHistory: { path: 'contracts', id: 'client', pipe: named('contract-not-found') },
  teamHistory: { path: 'teams', id: 'team', pipe: named('team-not-found') },
  agentHistory: { path: 'agents', id: 'agent', pipe: named('agent-not-found') },
  scheduleHistory: { path: 'on-call', id: 'schedule', pipe: named('on-call-not-found') },
  questionHistory: { path: 'questions', id: 'questionId', pipe: named('question-not-found') },
  formHistory: { path: 'forms', id: 'form', pipe: named('form-not-found') },
  articleHistory: { path: 'articles', id: 'article', pipe: named('article-not-found') },
  problemHistory: { path: 'problems', id: 'problemId', pipe: named('problem-not-found') },
  alertHistory: { path: 'alerts', id: 'alertId', pipe: named('alert-not-found') },
  alertSourceHistory: { path: 'alert-sources', id: 'source', pipe: named('alert-source-not-found') },
  maintenanceHistory: { path: 'maintenance', id: 'client', pipe: named('maintenance-not-found') },
  majorIncidentHistory: { path: 'major-incidents', id: 'majorIncident', pipe: named('major-incident-not-found') },
  automationTaskHistory: { path: 'automation-tasks', id: 'task', pipe: named('task-not-found') },
  privacyHistory: { path: 'privacy', id: 'client', pipe: named('privacy-not-found') },
  filterHistory: { path: 'filters', id: 'name', pipe: named('filter-not-found') },
  keyHistory: { path: 'api-keys', id: 'key', pipe: named('key-not-found') },
  accountHistory: { path: 'accounts', id: 'account', pipe: named('account-not-found') },
  reportHistory: { path: 'reports', id: 'report', pipe: named('report-not-found') },
  webhookHistory: { path: 'webhooks', id: 'webhook', pipe: named('webhook-not-found') },
};

/** The history of one kind of aggregate: in pages as JSON, or complete as lines of JSON or CSV. */
function historyController(name: HistoryName): Type {
  const { path, id: parameter, pipe } = doors[name];

  @Controller(`v1/${path}/:${parameter}/history`)
  class HistoryController {
    constructor(@Inject(QueryBus) private readonly bus: QueryBus) {}

    @Get()
    @documented((openapi) => openapi.documentHistory(name, parameter))
    @documented((openapi) => openapi.documentQuery(readHistoryQuery))
    async history(
      @Param(parameter, pipe) id: string,
      @Query(readHistoryQuery) { limit, cursor, atLeast, ...filter }: QueryOf<typeof historyQuery>,
      @Headers('accept') accept: string | undefined,
      @Res({ passthrough: true }) reply: FastifyReply,
      @Caller() caller: Asker,
    ) {
      const read = async (after: number, most: number) =>
        unlessRefused(await this.bus.execute(new RunQuery(caller, queries[name], { id, filter, limit: most, after, atLeast })));
      void reply.header('Vary', 'Accept');
      const type = accepted(accept, [CSV, NDJSON]);
      if (type !== undefined) {
        unlessGiven({ limit, cursor }, `Accept: ${type}`, `As ${type}, a history is always complete`);
        // Faults are reported before the answer begins.
        const lines = inChunks(read, await read(-1, CHUNK));
        return type === CSV ? exported('csv', 'history', asCsv(lines)) : exported('ndjson', 'history', asLines(lines));
      }
      const list = [name, id, canonicalJson(filter)];
      const [after = -1] = placeAfter(list, cursor) ?? [];
      return pageAnswer(list, await read(Number(after), limit ?? PAGE), ({ revision }) => [revision]);
    }
  }
  return HistoryController;
}

/** One for each kind of aggregate. */
export const historyControllers = histories.map(historyController);

interface Chunk {
  readonly items: readonly HistoryLine[];
  readonly more: boolean;
}

async function* inChunks(read: (after: number, most: number) => Promise<Chunk>, first: Chunk): AsyncGenerator<readonly HistoryLine[]> {
  for (let chunk = first; ;) {
    yield chunk.items;
    const last = chunk.items.at(-1);
    if (!chunk.more || last === undefined) return;
    chunk = await read(last.revision, CHUNK);
  }
}

/** Column → its value for an event. Everything without a column is in `data` and `changes`, as JSON. */
const columns: Readonly<Record<string, (line: HistoryLine) => string | number | undefined>> = {
  revision: ({ revision }) => revision,
  position: ({ position }) => position,
  effectiveAt: ({ effectiveAt }) => effectiveAt,
  recordedAt: ({ recordedAt }) => recordedAt,
  type: ({ type }) => type,
  inWords: ({ inWords }) => inWords,
  actorId: ({ actor }) => actor.id,
  actorKind: ({ actor }) => actor.kind,
  actorName: ({ actor }) => actor.name,
  sentBy: ({ sentBy }) => sentBy?.id,
  model: ({ using }) => using?.model,
  prompt: ({ using }) => using?.prompt,
  client: ({ client }) => client,
  commandType: ({ commandType }) => commandType,
  commandId: ({ commandId }) => commandId,
  causationId: ({ causationId }) => causationId,
  correlationId: ({ correlationId }) => correlationId,
  because: ({ because }) => because && `${because.category}/${because.id}/${because.revision} ${because.type}`,
  ledTo: ({ ledTo }) => ledTo?.map(({ category, id, command, outcome }) => `${category}/${id} ${command} ${outcome}`).join('; '),
  changes: ({ changes }) => JSON.stringify(changes),
  data: ({ data }) => JSON.stringify(data),
  eventId: ({ eventId }) => eventId,
  hash: ({ hash }) => hash,
};

async function* asCsv(chunks: AsyncIterable<readonly HistoryLine[]>): AsyncGenerator<string> {
  yield csvRows([Object.keys(columns)]);
  for await (const lines of chunks) yield csvRows(lines.map((line) => Object.values(columns).map((cell) => cell(line) ?? '')));
}
