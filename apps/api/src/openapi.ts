import { applyDecorators, type INestApplication } from '@nestjs/common';
import {
  ApiBody,
  ApiConsumes,
  ApiExcludeController,
  ApiExcludeEndpoint,
  ApiExtension,
  ApiHeader,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
  ApiTags,
  DocumentBuilder,
  type OpenAPIObject,
  SwaggerModule,
} from '@nestjs/swagger';
// @ts-expect-error The package keeps its storage in this file, and has no types for it.
import { defaultMetadataStorage } from 'class-transformer/cjs/storage.js';
import { validationMetadatasToSchemas } from 'class-validator-jsonschema';
import { getMetadataSchema } from 'class-validator-jsonschema/build/decorators.js';
import { CSV, type DataSet, FORMATS, formatsOf, NDJSON } from '#exports';
import { BODY_LIMIT, httpProblems, PROBLEM_JSON, type ProblemKind, type QueryParameters } from '#http';
import type { Parameters as ParametersOfQuery } from '#platform';
import type { Aggregate } from '#eventsourcing';
import { aggregates, ALERT_DECISIONS, type HistoryName, jsonSchemas, publishedSchemas, type QueryName, ticket, TIERS } from '#ticketing';
import { codesOfEveryCommand } from '#ticketing-app';
import { ticketProblems } from './ticket-problems.js';

/** The OpenAPI documentation of each route. Bodies and parameters are documented where they are declared. */

type Schema = Readonly<Record<string, unknown>> & {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly examples?: readonly unknown[];
  readonly description?: string;
};

const derived = validationMetadatasToSchemas({
  refPointerPrefix: '#/components/schemas/',
  classTransformerMetadataStorage: defaultMetadataStorage,
}) as unknown as Readonly<Record<string, Schema>>;

const extended = (body: new () => object): string => (Object.getPrototypeOf(body) as { readonly name: string }).name;

/** The command classes and their parts as JSON Schemas, by name: documentation and validation have one source. */
const schemas = Object.fromEntries(
  Object.entries<object>({
    // A class without its own fields has those of its base class, but is missing from the derived schemas.
    ...Object.fromEntries(
      Object.entries(ticket.commands).flatMap(([name, { body }]) =>
        body === undefined ? [] : [[name, { ...derived[extended(body)], ...getMetadataSchema(body.prototype, name) }]],
      ),
    ),
    ...derived,
  }).map(([name, schema]) => [name, { ...schema, additionalProperties: false }]),
) as Readonly<Record<string, Schema>>;

const allProblems: Readonly<Record<string, ProblemKind>> = { ...httpProblems, ...ticketProblems };

const everywhere = [
  'unauthenticated',
  'forbidden',
  'foreign-origin',
  'malformed-request',
  'invalid-query',
  'invalid-header',
  'misdirected-request',
  'rate-limited',
  'internal-error',
  'query-too-long',
  'store-unavailable',
];
const ofBodies = ['malformed-json', 'invalid-body', 'body-too-large', 'unsupported-media-type'];
const ofReads = ['ticket-not-found', 'unknown-revision', 'not-yet-visible'];
/** Refusals of any command besides its own: those of all commands, and what the stores throw. */
const ofCommands = [...codesOfEveryCommand, 'contended', 'deleted'];

/** One response per status, with the codes that distinguish its reasons. */
function problems(...codes: readonly string[]): MethodDecorator {
  const byStatus = new Map<number, string[]>();
  for (const code of new Set(codes)) {
    const kind = allProblems[code];
    if (kind !== undefined) byStatus.set(kind.status, [...(byStatus.get(kind.status) ?? []), code]);
  }
  return applyDecorators(
    ...[...byStatus].map(([status, reasons]) =>
      ApiResponse({
        status,
        description: reasons.map((code) => `\`${code}\`: ${allProblems[code]?.title}`).join('\n\n'),
        content: {
          [PROBLEM_JSON]: {
            schema: { allOf: [ref('Problem'), { type: 'object', properties: { code: { type: 'string', enum: reasons } } }] } as never,
          },
        },
        ...(status === 503 || status === 429
          ? { headers: { 'Retry-After': { description: 'Seconds to wait', schema: { type: 'integer' } } } }
          : {}),
      }),
    ),
  );
}

/**
 * The row of the access table (docs/roles.md) that a route is checked against: of a query, of a command, or of each command in the body.
 */
export type RouteAccess = { readonly query: QueryName } | { readonly command: string } | { readonly commandsOf: string };

const access = (row: RouteAccess): MethodDecorator => ApiExtension('x-access', row);
const reads = (query: QueryName): MethodDecorator => access({ query });
/** For operations that answer without a principal. */
const open = { security: [] };

const etag = { ETag: { description: 'Revision of the ticket, such as `"3"`', schema: { type: 'string' as const } } };
const idParams: Readonly<Record<string, { readonly description: string; readonly schema: object }>> = {
  id: { description: 'Id of the ticket', schema: { type: 'string', format: 'uuid' } },
  team: { description: 'Id of the team: any text', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  agent: { description: 'Id of the agent: any text', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  schedule: { description: 'Name of the schedule', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  overrideId: { description: 'Id of the override', schema: { type: 'string', maxLength: 100 } },
  account: { description: 'Id of the account', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  key: { description: 'Id of the key', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  client: { description: 'The client (tenant)', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  report: { description: 'Name of the report', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  run: { description: 'Number of the run', schema: { type: 'string', pattern: '^[1-9][0-9]{0,8}$' } },
  webhook: { description: 'Id of the webhook', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  article: { description: 'Id of the article', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  questionId: { description: 'Id of the question', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  form: { description: 'Name of the form', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  problemId: { description: 'Id of the problem', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  source: { description: 'Name of the alert source', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  majorIncident: { description: 'Id of the major incident', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  task: { description: 'Id of the task', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  alertId: { description: 'Id of the alert', schema: { type: 'string', minLength: 1, maxLength: 100 } },
  name: { description: 'Name of the filter', schema: { type: 'string', minLength: 1, maxLength: 100 } },
};
const pathParam = (name: string) => ApiParam({ name, ...idParams[name] } as Parameters<typeof ApiParam>[0]);
const idParam = pathParam('id');

function commandHeaders(noun: string, opens: boolean): MethodDecorator[] {
  return [
    ApiHeader({
      name: 'Idempotency-Key',
      description: `Makes retries safe: the same key ${opens ? '' : `for the same ${noun} `}takes effect once. With a different body it is refused. A refused command may be sent again with its key.`,
      schema: { type: 'string', minLength: 1, maxLength: 257 },
    }),
    ApiHeader({
      name: 'If-Match',
      description: `ETags the ${noun} may have; at any other revision nothing is done (412). \`*\` is any.`,
      schema: { type: 'string' },
    }),
    ApiHeader({
      name: 'X-Actor-Id',
      description: 'Id of the person on whose behalf the command is sent; only for keys with that permission. Events record both.',
      schema: { type: 'string', maxLength: 200 },
    }),
    ApiHeader({ name: 'X-Actor-Name', description: 'Name of that person, in UTF-8', schema: { type: 'string', maxLength: 200 } }),
    ApiHeader({
      name: 'X-Actor-Kind',
      description: 'Kind of actor; default: `agent`',
      schema: { type: 'string', enum: ['agent', 'requester', 'system'] },
    }),
    ApiHeader({
      name: 'X-Assistant-Model',
      description: 'Language model used by the assistant',
      schema: { type: 'string', maxLength: 200 },
    }),
    ApiHeader({
      name: 'X-Assistant-Prompt',
      description: "Reference to the assistant's prompt",
      schema: { type: 'string', maxLength: 200 },
    }),
  ];
}

const tagOf: Readonly<Record<string, string>> = {
  ticket: 'commands',
  contract: 'contracts',
  oncall: 'on-call',
  team: 'teams',
  agent: 'teams',
  filter: 'filters',
  problem: 'problems',
  article: 'knowledge',
  alertsource: 'alerts',
  maintenance: 'alerts',
  automation: 'automation',
  majorincident: 'major-incidents',
  question: 'self-service',
  form: 'self-service',
  credential: 'identity',
  webhook: 'webhooks',
  report: 'reports',
  account: 'identity',
};

/** A command of an aggregate that has a route. */
export function documentCommand({ category, noun, idName, commands }: Aggregate, name: string): MethodDecorator {
  const { route = '', body, refuses = [] } = commands[name] ?? {};
  const { description = commandsWithoutBody[name] ?? name, examples: [example = {}] = [], properties = {} } = schemas[name] ?? {};
  const inPath = [...route.matchAll(/\{(\w+)\}/g)].map(([, param = '']) => param);
  const opens = inPath.length === 0 && !Object.hasOwn(properties, idName);
  return applyDecorators(
    ApiTags(tagOf[category] ?? category),
    ApiOperation({ operationId: name, summary: summary(description), description }),
    access({ command: name }),
    ...inPath.map(pathParam),
    ...(body === undefined
      ? []
      : [
          ApiBody({
            required: true,
            schema: ref(name) as never,
            examples: { example: { summary: 'Works as is', value: example } },
          }),
        ]),
    ...commandHeaders(noun, opens),
    correlationHeader,
    ApiResponse({
      status: opens ? 201 : 200,
      description: opens ? `The ${noun} has been created durably; the views follow shortly` : 'Done, already done, or no change needed',
      content: { 'application/json': { schema: ref(answerName(noun)) as never } },
      headers: opens ? { ...etag, Location: { description: `URL of the ${noun}`, schema: { type: 'string' } } } : etag,
    }),
    problems(...everywhere, ...(body === undefined ? [] : ofBodies), ...ofCommands, ...refuses),
  );
}

/** Descriptions of commands without a body to describe them. */
const commandsWithoutBody: Readonly<Record<string, string>> = {
  CallOffOnCallOverride: 'Removes an override: one that has not begun is cancelled, one in effect ends.',
  RemovePasskey: "Removes somebody's passkey: it can no longer be used to log in.",
  ResetTotp: "Removes a lost authenticator and its recovery codes: the person's login no longer requires a code.",
  ReinstateAccount: 'Reactivates a suspended account, so that its owner can log in again.',
  EndSession: 'Ends one of your own sessions.',
  RevokeCredential: 'Revokes a key, a link or a session, which no longer gives access.',
  PauseReport: 'Pauses the report until it is resumed.',
  ResumeReport: 'Resumes the report with the current period: periods that ended meanwhile are skipped.',
  RetireReport: 'Ends the report. Existing runs are kept.',
  PauseWebhook: 'Pauses sending until it is resumed.',
  ResumeWebhook: 'Resumes sending where it was paused.',
  RotateWebhookSecret: 'Rotates the secret; the previous one also signs for 24 hours.',
  PingWebhook: 'Sends one test event.',
  RetireAlertSource: 'Refuses all alerts of a source until it is defined again.',
  DeleteWebhook: 'Ends the subscription permanently.',
  DeleteTicketFilter: 'Deletes a saved filter; its history stays in the log.',
};

/** Name of the schema of a command's answer. */
function answerName(noun: string): string {
  if (noun === ticket.noun) return 'CommandAnswer';
  const words = noun.split(' ').map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`);
  return `${words.join('')}Answer`;
}

export function documentBatch(): MethodDecorator {
  const schema = schemas['CommandBatch'];
  const [idempotencyKey, _ifMatch, ...actor] = commandHeaders('batch', true) as [MethodDecorator, MethodDecorator, ...MethodDecorator[]];
  return applyDecorators(
    ApiTags('commands'),
    ApiOperation({ operationId: 'CommandBatch', summary: summary(schema?.description ?? ''), description: schema?.description ?? '' }),
    access({ commandsOf: ticket.category }),
    ApiBody({
      required: true,
      schema: ref('CommandBatch') as never,
      examples: { example: { summary: 'A note and a new ticket', value: schema?.examples?.[0] ?? {} } },
    }),
    idempotencyKey,
    ...actor,
    correlationHeader,
    ApiResponse({
      status: 200,
      description: 'Outcome of each command, in batch order, even if some or all were refused',
      content: { 'application/json': { schema: ref('BatchAnswer') as never } },
    }),
    problems(...everywhere, ...ofBodies),
  );
}

export function documentUpload(): MethodDecorator {
  const description = 'Stores a small file, addressed by its content, that evidence can refer to';
  const answer = { description, content: { 'application/json': { schema: ref('Attachment') as never } } };
  return applyDecorators(
    ApiTags('attachments'),
    ApiOperation({ operationId: 'upload', summary: description }),
    reads('upload'),
    ApiConsumes('application/octet-stream'),
    ApiBody({ required: true, schema: { type: 'string', format: 'binary' } }),
    ApiHeader({
      name: 'Content-Digest',
      description: 'Expected SHA-256 of the content (RFC 9530): `sha-256=:<base64>:`',
      schema: { type: 'string' },
    }),
    correlationHeader,
    ApiResponse({
      status: 201,
      ...answer,
      headers: { Location: { description: 'URL of the stored content', schema: { type: 'string' } } },
    }),
    ApiResponse({ status: 200, ...answer, description: 'Already stored' }),
    problems(...everywhere, 'body-too-large', 'unsupported-media-type', 'digest-mismatch'),
  );
}

export function documentMail(): MethodDecorator {
  const taken = contractAnswer('Outcome: recorded as a reply to a ticket, or set aside', ref('TakenMail'));
  return applyDecorators(
    ApiTags('mail'),
    ApiOperation({
      operationId: 'takeMail',
      summary: 'Accepts an RFC 5322 message, which opens a ticket or is a reply to one; each Message-ID is processed once',
    }),
    reads('takeMail'),
    ApiParam({ name: 'client', description: 'Client of the sender', schema: { type: 'string' } }),
    ApiConsumes('message/rfc822'),
    ApiBody({ required: true, schema: { type: 'string', format: 'binary' } }),
    correlationHeader,
    taken,
    contractAnswer('A ticket was opened', ref('TakenMail'), 201),
    problems(...everywhere, 'body-too-large', 'unsupported-media-type'),
  );
}

export function documentNextTask(): MethodDecorator {
  const name = 'ClaimNextAutomationTask';
  const { description = '', examples: [example = {}] = [] } = schemas[name] ?? {};
  const [idempotencyKey, _ifMatch, ...actor] = commandHeaders('task', true) as [MethodDecorator, MethodDecorator, ...MethodDecorator[]];
  return applyDecorators(
    ApiTags('automation'),
    ApiOperation({ operationId: name, summary: summary(description), description }),
    reads('nextAutomationTask'),
    ApiBody({ required: true, schema: ref(name) as never, examples: { example: { summary: 'Works as is', value: example } } }),
    idempotencyKey,
    ...actor,
    correlationHeader,
    ApiResponse({
      status: 200,
      description: 'The claimed task',
      content: { 'application/json': { schema: ref('AutomationTask') as never } },
      headers: etag,
    }),
    ApiResponse({ status: 204, description: 'No task is waiting' }),
    problems(...everywhere, ...ofBodies, ...ofCommands),
  );
}

export function documentAlertDelivery(): MethodDecorator {
  const decision = {
    type: 'object',
    required: ['alertId', 'fingerprint', 'decision'],
    properties: {
      alertId: { type: 'string', format: 'uuid' },
      fingerprint: { type: 'string' },
      decision: { type: 'string', enum: [...ALERT_DECISIONS] },
      because: { type: 'string', description: 'Why it was ignored' },
      ticketId: { type: 'string', format: 'uuid' },
    },
  };
  const answer = {
    type: 'object',
    required: ['source', 'decisions', 'known', 'truncatedAlerts'],
    properties: {
      source: { type: 'string' },
      decisions: { type: 'array', items: decision, description: 'Decision made for this delivery' },
      known: { type: 'integer', description: 'Alerts without news' },
      truncatedAlerts: { type: 'integer', description: 'Alerts truncated by the sender' },
    },
  };
  return applyDecorators(
    ApiTags('alerts'),
    ApiOperation({
      operationId: 'takeAlerts',
      summary: 'Accepts alerts in the format of their source: the Alertmanager webhook, version 4, or JSON as defined for the source',
    }),
    reads('takeAlerts'),
    pathParam('source'),
    ApiBody({ required: true, schema: { type: 'object' } }),
    ...commandHeaders('delivery', true).slice(0, 1),
    correlationHeader,
    contractAnswer('What was decided about each alert', answer),
    problems(...everywhere, ...ofBodies, 'idempotency-key-reused', 'alert-source-not-found', 'alerts-invalid'),
  );
}

export function documentMailAside(): MethodDecorator {
  return applyDecorators(
    ApiTags('mail'),
    ApiOperation({ operationId: 'mailAside', summary: 'Messages not accepted, or only in part, each with the reason' }),
    reads('mailAside'),
    contractAnswer('The messages', page('MailAside')),
    correlationHeader,
    problems(...everywhere),
  );
}

export function documentAttachment(): MethodDecorator {
  return applyDecorators(
    ApiTags('attachments'),
    ApiOperation({ operationId: 'attachment', summary: 'The content of an attachment' }),
    reads('attachment'),
    ApiParam({ name: 'sha256', description: 'SHA-256 of the content', schema: { type: 'string', pattern: '^[0-9a-f]{64}$' } }),
    ApiResponse({
      status: 200,
      description: 'The content, with the media type it was uploaded with',
      content: { '*/*': { schema: { type: 'string', format: 'binary' } } },
      headers: { ETag: { description: 'SHA-256 of the content', schema: { type: 'string' } } },
    }),
    correlationHeader,
    problems(...everywhere, 'attachment-not-found'),
  );
}

export function documentReportRuns(): MethodDecorator {
  return applyDecorators(
    ApiTags('reports'),
    ApiOperation({ operationId: 'reportRuns', summary: 'Runs of a report, newest first' }),
    reads('reports'),
    pathParam('report'),
    contractAnswer('The runs', page('ReportRun')),
    correlationHeader,
    problems(...everywhere, 'report-not-found'),
  );
}

export function documentReportDocument(): MethodDecorator {
  return applyDecorators(
    ApiTags('reports'),
    ApiOperation({ operationId: 'reportDocument', summary: 'Document of a report run: a page to read and print, always byte-identical' }),
    reads('reports'),
    pathParam('report'),
    pathParam('run'),
    ApiResponse({
      status: 200,
      description: 'The document',
      content: { 'text/html': { schema: { type: 'string' } } },
      headers: { ETag: { description: 'SHA-256 of the document', schema: { type: 'string' } } },
    }),
    correlationHeader,
    problems(...everywhere, 'report-not-found', 'report-run-not-found'),
  );
}

const correlationHeader = ApiHeader({
  name: 'X-Correlation-Id',
  description:
    'Correlation id, kept with the events, in the log and in the response. Default: the trace of `traceparent`, otherwise a new one.',
  schema: { type: 'string', pattern: '^[A-Za-z0-9._:/+=@-]{1,128}$' },
});

const changedUpTo = { changedUpTo: { type: 'string', description: 'With `changedSince`: position to continue from' } };
const gone = {
  type: 'array',
  items: { type: 'string', format: 'uuid' },
  description: 'With `changedSince`: ids of changed tickets that are not in the list now, whether or not they were before',
};

const kpiParam = ApiParam({ name: 'kpi', description: 'Id of the KPI', schema: { type: 'string', maxLength: 100 } });

const views = {
  details: {
    query: 'ticket',
    summary: 'The current state of a ticket',
    schema: ref('TicketDetails'),
    extra: [
      idParam,
      ApiHeader({
        name: 'If-None-Match',
        description: 'ETags of cached versions: 304 if the ticket has not changed',
        schema: { type: 'string' },
      }),
      ApiResponse({ status: 304, description: 'The ticket has not changed', headers: etag }),
      problems(...everywhere, ...ofReads),
    ],
    headers: etag,
  },
  conversation: {
    query: 'conversation',
    summary: "A ticket as its requester may see it: its progress, the requester's messages and the desk's public replies",
    schema: ref('TicketConversation'),
    extra: [idParam, problems(...everywhere, 'ticket-not-found', 'deleted')],
  },
  sla: {
    query: 'sla',
    summary: "Current state of a ticket's SLA clocks",
    schema: ref('TicketSla'),
    extra: [idParam, problems(...everywhere, ...ofReads)],
  },
  autopsy: {
    query: 'autopsy',
    summary: 'Where the time of each SLA clock of a ticket went, with the events that prove it',
    schema: ref('TicketAutopsy'),
    extra: [idParam, problems(...everywhere, 'ticket-not-found', 'deleted')],
  },
  board: {
    query: 'slaBoard',
    summary: 'Active SLA clocks, sorted by due time: time left, and which are warned, breached or paused, and why',
    schema: {
      ...page('SlaBoardLine'),
      required: ['items', 'evaluatedAt'],
      properties: {
        ...page('SlaBoardLine').properties,
        evaluatedAt: { type: 'string', format: 'date-time', description: 'Instant the clocks were evaluated at' },
        gone,
        ...changedUpTo,
      },
    },
    extra: [problems(...everywhere, 'unknown-position', 'not-yet-visible')],
  },
  counts: {
    query: 'tickets',
    summary: 'Number of tickets, now or at another time, grouped by a field',
    schema: {
      type: 'object',
      required: ['by', 'items', 'total'],
      properties: {
        by: { type: 'string', description: 'Field the tickets are grouped by' },
        items: {
          type: 'array',
          description: 'Counts by value',
          items: {
            type: 'object',
            required: ['count'],
            properties: {
              value: { type: 'string', description: 'The value; absent for tickets without one' },
              count: { type: 'integer', minimum: 1, description: 'Number of tickets with this value' },
            },
          },
        },
        total: { type: 'integer', minimum: 0, description: 'Total number' },
      },
    },
    extra: [problems(...everywhere, 'unknown-position', 'not-yet-visible')],
  },
  restatement: {
    query: 'restatement',
    summary:
      'A ticket at an instant, as known at an earlier time and as known now, and each event recorded since that makes the difference',
    schema: ref('RestatedTicket'),
    extra: [idParam, problems(...everywhere, 'ticket-not-found', 'deleted')],
  },
  restatements: {
    query: 'restatements',
    summary:
      'Tickets about which something different is known now than at an earlier instant, and why. A page may be short or empty and still have a next one',
    schema: page('RestatedTicket'),
    extra: [problems(...everywhere, 'not-yet-visible')],
  },
  why: {
    query: 'why',
    summary: 'Why a ticket was assigned as it was, and why each of its escalation policies fired or did not fire',
    schema: ref('TicketWhy'),
    extra: [idParam, problems(...everywhere, 'ticket-not-found', 'deleted')],
  },
  auditorReads: {
    query: 'auditorReads',
    summary: 'Reads by auditors and administrators, newest first: who, what, when, how much',
    schema: page('AuditorRead'),
    extra: [problems(...everywhere)],
  },
  reactions: {
    query: 'reactions',
    summary: 'Reactions of policies to events, newest first: commands sent, and the outcome of each',
    schema: page('PolicyReaction'),
    extra: [problems(...everywhere)],
  },
  kpis: {
    query: 'kpis',
    summary: 'Every KPI, with its formula',
    schema: page('Kpi'),
    extra: [problems(...everywhere)],
  },
  kpi: {
    query: 'kpis',
    summary: 'A KPI over a period: grouped, filtered, compared with the preceding period, as of a position in the log',
    schema: ref('KpiReport'),
    extra: [kpiParam, problems(...everywhere, 'kpi-not-found', 'unknown-position', 'not-yet-visible')],
  },
  flow: {
    query: 'kpis',
    summary:
      'How tickets moved through the tiers, with returns: data for a Sankey diagram, time by tier and state, hand-offs by pair of teams',
    schema: ref('FlowReport'),
    extra: [problems(...everywhere, 'unknown-position', 'not-yet-visible')],
  },
  capacity: {
    query: 'kpis',
    summary: 'What the desk lacks for the tickets it receives: skills, who can learn from whom, load compared with shifts, bus factors',
    schema: ref('CapacityReport'),
    extra: [problems(...everywhere, 'unknown-position', 'not-yet-visible')],
  },
  kpiEvidence: {
    query: 'kpis',
    summary: 'The tickets and events behind a figure',
    schema: ref('KpiEvidence'),
    extra: [kpiParam, problems(...everywhere, 'kpi-not-found', 'unknown-position', 'not-yet-visible')],
  },
  tickets: {
    query: 'tickets',
    summary: 'Tickets: filtered, searched, sorted, in pages',
    schema: page('TicketListEntry', changedUpTo),
    extra: [problems(...everywhere, 'unknown-position', 'not-yet-visible', 'filter-not-found', 'filter-invalid')],
  },
  queue: {
    query: 'queue',
    summary: 'Queue of a tier, waiting and in progress: major incidents first, then by priority, then longest waiting',
    schema: page('QueueEntry', { gone, ...changedUpTo }),
    extra: [
      ApiParam({ name: 'tier', schema: { type: 'string', enum: [...TIERS] } }),
      problems(...everywhere, 'queue-not-found', 'unknown-position', 'not-yet-visible'),
    ],
  },
} satisfies Readonly<Record<string, { readonly query: QueryName } & Readonly<Record<string, unknown>>>>;

export function documentView(name: keyof typeof views): MethodDecorator {
  const { query, summary, schema, extra, ...rest } = views[name];
  return applyDecorators(
    ApiTags('views'),
    ApiOperation({ operationId: name, summary }),
    reads(query),
    ApiResponse({ status: 200, description: summary, content: { 'application/json': { schema: schema as never } }, ...rest }),
    correlationHeader,
    ...extra,
  );
}

const historyNotFound = {
  contractHistory: 'contract-not-found',
  teamHistory: 'team-not-found',
  agentHistory: 'agent-not-found',
  scheduleHistory: 'on-call-not-found',
  problemHistory: 'problem-not-found',
  articleHistory: 'article-not-found',
  alertHistory: 'alert-not-found',
  alertSourceHistory: 'alert-source-not-found',
  maintenanceHistory: 'maintenance-not-found',
  automationTaskHistory: 'task-not-found',
  majorIncidentHistory: 'major-incident-not-found',
  questionHistory: 'question-not-found',
  formHistory: 'form-not-found',
  privacyHistory: 'privacy-not-found',
  filterHistory: 'filter-not-found',
  keyHistory: 'key-not-found',
  accountHistory: 'account-not-found',
  reportHistory: 'report-not-found',
  webhookHistory: 'webhook-not-found',
} as const satisfies Readonly<Record<Exclude<HistoryName, 'history'>, keyof typeof ticketProblems>>;

const lines = { type: 'string' };

/** Rows of a data set, in its formats. */
export function documentExport(operationId: string, set: DataSet): MethodDecorator {
  const columns = set.columns.map(({ name, says }) => `- \`${name}\`: ${says}`).join('\n');
  const contents = formatsOf(set).map((name) => {
    const isText = name !== 'parquet';
    return [FORMATS[name].mediaType, { schema: isText ? lines : { type: 'string', contentEncoding: 'binary' } }];
  });
  return applyDecorators(
    ApiTags('views'),
    ApiOperation({ operationId, summary: `${set.says}, streamed`, description: `Columns:\n\n${columns}` }),
    reads('kpis'),
    ApiResponse({
      status: 200,
      description: set.says,
      content: Object.fromEntries(contents) as never,
      headers: {
        'Tierline-Up-To': { description: 'Last position included: use as `after` of the next export', schema: { type: 'string' } },
      },
    }),
    correlationHeader,
    problems(...everywhere, 'unknown-position', 'not-yet-visible'),
  );
}

/** A history. @param parameter the name of the id in the path */
export function documentHistory(name: HistoryName, parameter: string): MethodDecorator {
  const [entry, ...others] = name === 'history' ? ['HistoryEntry', ...ofReads] : ['HistoryStep', 'unknown-revision'];
  const summary = 'Events in order: who did what, why, when it happened, when it was recorded, and what it changed';
  return applyDecorators(
    ApiTags('history'),
    ApiOperation({ operationId: name, summary }),
    reads(name),
    pathParam(parameter),
    ApiResponse({
      status: 200,
      description: summary,
      content: {
        'application/json': { schema: page(entry ?? '') as never },
        [NDJSON]: { schema: lines as never },
        [CSV]: { schema: lines as never },
      },
    }),
    correlationHeader,
    problems(...everywhere, ...others, ...(name === 'history' ? [] : [historyNotFound[name]])),
  );
}

const contractsTag = ApiTags('contracts');
const clientParam = pathParam('client');

function contractAnswer(description: string, schema: object, status = 200, headers?: typeof etag): MethodDecorator {
  return ApiResponse({
    status,
    description,
    content: { 'application/json': { schema: schema as never } },
    ...(headers ? { headers } : {}),
  });
}

export function documentContracts(): MethodDecorator {
  return applyDecorators(
    contractsTag,
    ApiOperation({ operationId: 'contracts', summary: 'Contract versions of each client, by client' }),
    reads('contracts'),
    contractAnswer('Contracts of all clients', page('ClientContract')),
    correlationHeader,
    problems(...everywhere),
  );
}

export function documentContract(): MethodDecorator {
  return applyDecorators(
    contractsTag,
    ApiOperation({ operationId: 'contract', summary: 'Contract of a client: all versions, and the one in force' }),
    reads('contract'),
    clientParam,
    contractAnswer("The client's contract", ref('ClientContract'), 200, etag),
    correlationHeader,
    problems(...everywhere, 'contract-not-found'),
  );
}

const note = { type: 'string', description: 'A signed note, in the format of golang.org/x/mod/sumdb/note' };

const sealsSchema = {
  type: 'object',
  required: ['keys'],
  properties: {
    origin: { type: 'string', description: 'Name of the log; absent before it is first sealed' },
    keys: {
      type: 'array',
      description: 'Keys that have sealed it, oldest first: the last one is in use',
      items: {
        type: 'object',
        required: ['key', 'note'],
        properties: {
          key: { type: 'string', description: '`<name>+<key hash>+<base64>`' },
          note: { ...note, description: 'Introduction of the key: signed by itself and by its predecessor' },
        },
      },
    },
    head: {
      type: 'object',
      description: 'Latest tree head; absent before there is one',
      required: ['size', 'at', 'note'],
      properties: {
        size: { type: 'integer', minimum: 1, description: 'Number of events covered' },
        at: { type: 'string', format: 'date-time', description: 'When it was signed' },
        note,
      },
    },
  },
};

export function documentSeals(): MethodDecorator {
  const summary = 'The keys that seal the log, and its last tree head';
  return applyDecorators(
    ApiTags('views'),
    ApiOperation({ operationId: 'seals', summary }),
    reads('seals'),
    contractAnswer(summary, sealsSchema),
    correlationHeader,
    problems(...everywhere),
  );
}

const onCallTag = ApiTags('on-call');

const scheduleParam = pathParam('schedule');

const onCallViews = {
  onCallSchedules: { summary: 'Every on-call schedule, by name', schema: page('OnCallSchedule') },
  onCall: { summary: 'A schedule, and who is on call in it', schema: ref('OnCallNow') },
  onCallOverrides: { summary: 'Overrides of a schedule, oldest first, including past ones', schema: ref('OnCallOverrides') },
};

export function documentOnCall(name: keyof typeof onCallViews): MethodDecorator {
  const one = name !== 'onCallSchedules';
  const { summary, schema } = onCallViews[name];
  return applyDecorators(
    onCallTag,
    ApiOperation({ operationId: name, summary }),
    reads(name),
    ...(one ? [scheduleParam] : []),
    contractAnswer('The answer', schema, 200, name === 'onCall' ? etag : undefined),
    correlationHeader,
    problems(...everywhere, ...(one ? ['on-call-not-found'] : [])),
  );
}

/** What is listed, and read individually by the path parameter `id`. */
const records = {
  teams: { tag: 'teams', query: 'teams', summary: 'Every team, by id', schema: page('Team') },
  team: {
    tag: 'teams',
    query: 'team',
    id: 'team',
    summary: 'A team, and its members on shift and not absent',
    schema: ref('TeamNow'),
    codes: ['team-not-found'],
  },
  agents: { tag: 'teams', query: 'agents', summary: 'Every agent, by id', schema: page('Agent') },
  agent: {
    tag: 'teams',
    query: 'agent',
    id: 'agent',
    summary: 'An agent, with current and future absences',
    schema: ref('Agent'),
    codes: ['agent-not-found'],
  },
  filters: { tag: 'filters', query: 'filters', summary: 'Every saved filter of the ticket list, by name', schema: page('TicketFilter') },
  filter: {
    tag: 'filters',
    query: 'filter',
    id: 'name',
    summary: 'A saved filter of the ticket list',
    schema: ref('TicketFilter'),
    codes: ['filter-not-found'],
  },
  reports: { tag: 'reports', query: 'reports', summary: 'Scheduled reports, by name', schema: page('Report') },
  report: {
    tag: 'reports',
    query: 'reports',
    id: 'report',
    summary: 'A scheduled report, when it runs next, and its latest run',
    schema: ref('Report'),
    codes: ['report-not-found'],
  },
  problems: { tag: 'problems', query: 'problems', summary: 'Problems, filtered, by id, in pages', schema: page('ProblemRecord') },
  questions: { tag: 'self-service', query: 'questions', summary: 'Questions of requesters, by id', schema: page('Question') },
  question: {
    tag: 'self-service',
    query: 'question',
    id: 'questionId',
    summary: 'A question: suggested articles and outcome',
    schema: ref('Question'),
    codes: ['question-not-found'],
  },
  questionCounts: {
    tag: 'self-service',
    query: 'questions',
    summary: 'Outcomes of questions: how many an article answered, and how many became tickets',
    schema: ref('QuestionCounts'),
  },
  forms: { tag: 'self-service', query: 'forms', summary: 'Request forms, by name', schema: page('RequestForm') },
  form: {
    tag: 'self-service',
    query: 'form',
    id: 'form',
    summary: 'A request form',
    schema: ref('RequestForm'),
    codes: ['form-not-found'],
  },
  preventiveActions: {
    tag: 'problems',
    query: 'preventiveActions',
    summary: 'Preventive actions of all problems, sorted by due date',
    schema: page('ActionOfProblem'),
  },
  problem: {
    tag: 'problems',
    query: 'problem',
    id: 'problemId',
    summary: 'A problem, and what is being done about it',
    schema: ref('ProblemRecord'),
    codes: ['problem-not-found'],
  },
  articles: {
    tag: 'knowledge',
    query: 'articles',
    summary: 'Knowledge articles, by id in pages, or the best matches for words or a ticket',
    schema: page('Article'),
    codes: ['ticket-not-found'],
  },
  article: {
    tag: 'knowledge',
    query: 'article',
    id: 'article',
    summary: 'A knowledge article',
    schema: ref('Article'),
    codes: ['article-not-found'],
  },
  alerts: { tag: 'alerts', query: 'alerts', summary: 'Alerts, filtered, by id, in pages', schema: page('Alert') },
  alert: {
    tag: 'alerts',
    query: 'alert',
    id: 'alertId',
    summary: 'An alert: its firings and the decision made',
    schema: ref('Alert'),
    codes: ['alert-not-found'],
  },
  alertSources: { tag: 'alerts', query: 'alertSources', summary: 'Alert sources, by name', schema: page('AlertSource') },
  alertSource: {
    tag: 'alerts',
    query: 'alertSource',
    id: 'source',
    summary: 'An alert source',
    schema: ref('AlertSource'),
    codes: ['alert-source-not-found'],
  },
  maintenances: { tag: 'alerts', query: 'maintenances', summary: 'Maintenance windows, by client', schema: page('Maintenance') },
  maintenance: {
    tag: 'alerts',
    query: 'maintenance',
    id: 'client',
    summary: "Maintenance windows of a client's services",
    schema: ref('Maintenance'),
    codes: ['maintenance-not-found'],
  },
  majorIncidents: {
    tag: 'major-incidents',
    query: 'majorIncidents',
    summary: 'Major incidents, filtered, by id, in pages',
    schema: page('MajorIncident'),
  },
  majorIncident: {
    tag: 'major-incidents',
    query: 'majorIncident',
    id: 'majorIncident',
    summary: 'A major incident: its tickets, broadcasts and review',
    schema: ref('MajorIncident'),
    codes: ['major-incident-not-found'],
  },
  statusPage: {
    tag: 'major-incidents',
    query: 'statusPage',
    id: 'client',
    summary: "Status of a client's services; without authentication if the contract allows it. /status/{client} is a web page",
    schema: ref('StatusPage'),
  },
  automationTasks: {
    tag: 'automation',
    query: 'automationTasks',
    summary: 'Tasks for runners, filtered, by id, in pages',
    schema: page('AutomationTask'),
  },
  automationTask: {
    tag: 'automation',
    query: 'automationTask',
    id: 'task',
    summary: 'A task for a runner',
    schema: ref('AutomationTask'),
    codes: ['task-not-found'],
  },
  accounts: {
    tag: 'identity',
    query: 'accounts',
    summary: 'Accounts whose clients the caller may all see, by id',
    schema: page('Account'),
  },
  account: {
    tag: 'identity',
    query: 'accounts',
    id: 'account',
    summary: 'An account: its owner, roles and access',
    schema: ref('Account'),
    codes: ['account-not-found'],
  },
  privacy: {
    tag: 'privacy',
    query: 'privacy',
    id: 'client',
    summary: "Retention and erasure of the personal data of a client's people",
    schema: ref('Privacy'),
    codes: ['privacy-not-found'],
  },
} satisfies Readonly<Record<string, RecordRead>>;

interface RecordRead {
  readonly tag: string;
  readonly query: QueryName;
  readonly id?: string;
  readonly summary: string;
  readonly schema: object;
  readonly codes?: readonly string[];
}

export function documentRecord(name: keyof typeof records): MethodDecorator {
  const { tag, query, id, summary, schema, codes = [] }: RecordRead = records[name];
  return applyDecorators(
    ApiTags(tag),
    ApiOperation({ operationId: name, summary }),
    reads(query),
    ...(id === undefined ? [] : [pathParam(id)]),
    contractAnswer('The answer', schema, 200, id === undefined ? undefined : etag),
    correlationHeader,
    problems(...everywhere, ...codes),
  );
}

/** A command of self-service that answers more, or belongs to another aggregate, than its name says. */
function documentSelfService(
  name: 'AskQuestion' | 'RequestByForm',
  command: string,
  answer: object,
  codes: readonly string[],
): MethodDecorator {
  const { description = '', examples = [] } = schemas[name] ?? {};
  return applyDecorators(
    ApiTags('self-service'),
    ApiOperation({ operationId: name, summary: summary(description), description }),
    access({ command }),
    ...(name === 'RequestByForm' ? [pathParam('form')] : []),
    ApiBody({ required: true, schema: ref(name) as never, examples: { example: { summary: 'Example', value: examples[0] } } }),
    ...commandHeaders('question', true),
    correlationHeader,
    contractAnswer('Done', answer, 201, etag),
    problems(...everywhere, ...ofBodies, ...ofCommands, ...codes),
  );
}

export function documentAskQuestion(): MethodDecorator {
  const suggestion = {
    type: 'object',
    required: ['article', 'title', 'text'],
    properties: {
      article: { type: 'string', description: 'Id of the article' },
      title: { type: 'string', description: 'Title of the article' },
      text: { type: 'string', description: 'Text of the article' },
    },
  };
  const suggestions = { type: 'array', items: suggestion, description: 'Articles that requesters may read, best first' };
  const answer = { allOf: [ref('QuestionAnswer'), { type: 'object', required: ['suggestions'], properties: { suggestions } }] };
  return documentSelfService('AskQuestion', 'RecordQuestion', answer, []);
}

export const documentRequestByForm = () =>
  documentSelfService('RequestByForm', 'OpenTicket', ref('CommandAnswer'), [
    ...(ticket.commands.OpenTicket.refuses as readonly string[]),
    'form-not-found',
    'form-withdrawn',
    'answers-invalid',
  ]);

export function documentRootCauseReport(of: 'ticket' | 'problem'): MethodDecorator {
  const summary = `The root cause report of a ${of}: what happened, why, what was changed, what prevents a recurrence, who knew what and when, and the proof`;
  const page = { schema: { type: 'string' } } as const;
  return applyDecorators(
    ApiTags('problems'),
    ApiOperation({ operationId: `${of}RootCauseReport`, summary }),
    reads('rootCauseReport'),
    of === 'ticket' ? idParam : pathParam('problemId'),
    ApiResponse({
      status: 200,
      description: summary,
      content: { 'application/json': { schema: ref('RootCauseReport') as never }, 'text/markdown': page, 'text/html': page },
    }),
    correlationHeader,
    problems(...everywhere, `${of}-not-found`, 'deleted'),
  );
}

export function documentDue(): MethodDecorator {
  const due = {
    type: 'object',
    required: ['kind', 'days', 'endedBy', 'tickets'],
    properties: {
      kind: { type: 'string', description: 'Kind of ticket' },
      days: { type: 'integer', description: 'Days to keep data after a ticket has ended' },
      endedBy: { type: 'string', format: 'date-time', description: 'Tickets that ended by then are due' },
      tickets: { type: 'integer', description: 'Tickets among them whose personal data can be erased' },
    },
  };
  const answer = {
    type: 'object',
    required: ['at', 'items'],
    properties: { at: { type: 'string', format: 'date-time' }, items: { type: 'array', items: due } },
  };
  return applyDecorators(
    ApiTags('privacy'),
    ApiOperation({ operationId: 'dueForErasure', summary: 'What the agreed retention would erase now. Nothing is erased' }),
    reads('privacy'),
    pathParam('client'),
    contractAnswer('The answer', answer, 200),
    correlationHeader,
    problems(...everywhere, 'privacy-not-found'),
  );
}

export function documentIssueKey(): MethodDecorator {
  const { description = '', examples = [] } = schemas['IssueKey'] ?? {};
  const answer = {
    type: 'object',
    required: ['key', 'token', 'revision'],
    properties: {
      key: { type: 'string', description: 'Id of the key (not secret)' },
      token: { type: 'string', description: 'The key itself, as sent in `Authorization`' },
      revision: { type: 'integer', minimum: 0 },
    },
  };
  return applyDecorators(
    ApiTags('identity'),
    ApiOperation({ operationId: 'issueKey', summary: summary(description), description }),
    access({ command: 'IssueCredential' }),
    ApiBody({
      required: true,
      schema: ref('IssueKey') as never,
      examples: { example: { summary: 'Works as is', value: examples[0] } },
    }),
    contractAnswer('The key', answer, 201, etag),
    correlationHeader,
    problems(...everywhere, ...ofBodies, ...ofCommands, 'key-exists'),
  );
}

export function documentKeys(): MethodDecorator {
  return applyDecorators(
    ApiTags('identity'),
    ApiOperation({
      operationId: 'keys',
      summary: 'Keys whose clients the caller may all see, by id, including revoked and expired ones',
    }),
    reads('keys'),
    contractAnswer('The keys, without their secrets', page('Key')),
    correlationHeader,
    problems(...everywhere),
  );
}

export function documentSessions(): MethodDecorator {
  return applyDecorators(
    ApiTags('identity'),
    ApiOperation({ operationId: 'sessions', summary: "The caller's open sessions, by id" }),
    reads('sessions'),
    contractAnswer('The sessions', page('Key')),
    correlationHeader,
    problems(...everywhere),
  );
}

export function documentPrincipal(): MethodDecorator {
  const answer = {
    type: 'object',
    required: ['principal'],
    properties: {
      principal: ref('Principal'),
      credential: {
        type: 'object',
        description: 'Credential used, if it is a Tierline key or session',
        required: ['key', 'form'],
        properties: {
          key: { type: 'string', description: 'Id of the key or session (not secret)' },
          form: { type: 'string', enum: ['key', 'session'] },
          expiresAt: { type: 'string', format: 'date-time' },
        },
      },
    },
  };
  return applyDecorators(
    ApiTags('identity'),
    ApiOperation({ operationId: 'principal', summary: 'The caller: kind, roles and access' }),
    reads('principal'),
    contractAnswer('The caller', answer),
    correlationHeader,
    problems(...everywhere),
  );
}

export const documentLogIn = () => documentEntering('logIn', 'LogIn', ['second-factor-required', 'too-many-attempts']);
export const documentSetPassword = () =>
  documentEntering('setPassword', 'SetPassword', ['second-factor-required', 'too-many-attempts', 'password-too-short']);

/** An operation on the account that the caller is logged in to. */
function documentOwn(
  operationId: string,
  text: { readonly summary: string; readonly body?: string },
  answer: MethodDecorator,
  codes: readonly string[] = [],
): MethodDecorator {
  const { description = text.summary, examples = [] } = schemas[text.body ?? ''] ?? {};
  return applyDecorators(
    ApiTags('identity'),
    ApiOperation({ operationId, summary: text.summary, description }),
    reads('ownAccount'),
    ...(text.body === undefined
      ? []
      : [
          ApiBody({
            required: true,
            schema: ref(text.body) as never,
            examples: { example: { summary: 'Example', value: examples[0] } },
          }),
        ]),
    answer,
    correlationHeader,
    problems(...everywhere, 'no-account', ...(text.body === undefined ? [] : [...ofBodies, 'chain-broken', 'contended']), ...codes),
  );
}

export const documentOwnAccount = () =>
  documentOwn('ownAccount', { summary: 'The account you are logged in to' }, contractAnswer('The answer', ref('Account')));

export function documentBeginTotp(): MethodDecorator {
  const answer = {
    type: 'object',
    required: ['enrolment', 'secret', 'uri'],
    properties: {
      enrolment: { type: 'string', description: 'The enrolment to confirm' },
      secret: { type: 'string', description: 'Secret for the authenticator, in Base32; shown once' },
      uri: { type: 'string', description: 'The same as an otpauth: URI, for a QR code' },
    },
  };
  const summary = 'Starts the enrolment of an authenticator app (TOTP). Nothing changes until it is confirmed';
  return documentOwn('beginTotp', { summary }, contractAnswer('Secret for the authenticator', answer), ['totp-enrolled']);
}

export function documentConfirmTotp(): MethodDecorator {
  const recoveryCodes = { type: 'array', items: { type: 'string' }, description: 'Recovery codes; each works once instead of a code' };
  const answer = { type: 'object', required: ['recoveryCodes'], properties: { recoveryCodes } };
  const text = { summary: 'Completes the enrolment of the authenticator', body: 'ConfirmTotp' };
  return documentOwn('confirmTotp', text, contractAnswer('Recovery codes', answer), ['totp-enrolled', 'wrong-code']);
}

const webAuthn = (description: string) => ({ type: 'object', description, additionalProperties: true });

export function documentBeginPasskey(): MethodDecorator {
  const answer = webAuthn('Input for `PublicKeyCredential.parseCreationOptionsFromJSON()` (WebAuthn)');
  return documentOwn('beginPasskey', { summary: 'Starts adding a passkey: options for the browser' }, contractAnswer('Options', answer), [
    'passkey-invalid',
  ]);
}

export function documentAddPasskey(): MethodDecorator {
  const answer = { type: 'object', required: ['passkey'], properties: { passkey: { type: 'string', description: 'Id of the passkey' } } };
  const text = { summary: 'Adds a passkey to your account', body: 'AddPasskey' };
  return documentOwn('addPasskey', text, contractAnswer('The passkey', answer, 201), [
    'passkey-invalid',
    'passkey-exists',
    'too-many-passkeys',
  ]);
}

export const documentRemovePasskey = () =>
  applyDecorators(
    pathParam('passkey'),
    documentOwn(
      'removeOwnPasskey',
      { summary: 'Removes a passkey from your account' },
      ApiResponse({ status: 204, description: 'Removed' }),
      ['passkey-not-found', 'chain-broken', 'contended'],
    ),
  );

export function documentPasskeyChallenge(): MethodDecorator {
  const answer = webAuthn('Input for `PublicKeyCredential.parseRequestOptionsFromJSON()` (WebAuthn)');
  return applyDecorators(
    ApiTags('identity'),
    ApiOperation({ operationId: 'passkeyChallenge', summary: 'Starts a passkey login: options for the browser', ...open }),
    contractAnswer('Options', answer),
    correlationHeader,
    problems(...everywhere),
  );
}

export const documentRemoveTotp = () =>
  documentOwn(
    'removeTotp',
    { summary: 'Removes your authenticator', body: 'GiveCode' },
    ApiResponse({ status: 204, description: 'Removed, or there was none' }),
    ['second-factor-required', 'too-many-attempts'],
  );

/** An operation that begins a session. */
function documentEntering(operationId: string, body: string, codes: readonly string[]): MethodDecorator {
  const { description = '', examples = [] } = schemas[body] ?? {};
  const answer = {
    type: 'object',
    required: ['key', 'principal', 'expiresAt'],
    properties: {
      key: { type: 'string', description: 'Id of the session (not secret)' },
      principal: ref('Principal'),
      expiresAt: { type: 'string', format: 'date-time', description: 'When the session ends' },
    },
  };
  const cookie = { 'Set-Cookie': { description: 'The session: HttpOnly, SameSite=Lax', schema: { type: 'string' as const } } };
  return applyDecorators(
    ApiTags('identity'),
    ApiOperation({ operationId, summary: summary(description), description, ...open }),
    ApiBody({
      required: true,
      schema: ref(body) as never,
      examples: { example: { summary: 'Example link', value: examples[0] } },
    }),
    ApiResponse({ status: 201, description: 'Logged in', content: { 'application/json': { schema: answer as never } }, headers: cookie }),
    correlationHeader,
    problems(...everywhere, ...ofBodies, 'chain-broken', 'contended', ...codes),
  );
}

export function documentAccountLink(): MethodDecorator {
  const answer = {
    type: 'object',
    required: ['key', 'token', 'revision'],
    properties: {
      key: { type: 'string', description: 'Id of the link (not secret)' },
      token: {
        type: 'string',
        description: 'Secret to send to the person: `/login#<secret>` logs in, `/login#password-<secret>` sets a password',
      },
      revision: { type: 'integer', minimum: 0 },
    },
  };
  return applyDecorators(
    ApiTags('identity'),
    ApiOperation({ operationId: 'accountLink', summary: 'Creates a login link for the owner of an account, valid once within three days' }),
    access({ command: 'IssueAccountLink' }),
    pathParam('account'),
    contractAnswer('The link', answer, 201),
    correlationHeader,
    problems(...everywhere, ...ofCommands, 'account-not-found', 'key-exists'),
  );
}

export function documentKey(): MethodDecorator {
  return applyDecorators(
    ApiTags('identity'),
    ApiOperation({ operationId: 'key', summary: 'A key: its holder, access and last use' }),
    reads('keys'),
    pathParam('key'),
    contractAnswer('The key, without its secret', ref('Key'), 200, etag),
    correlationHeader,
    problems(...everywhere, 'key-not-found'),
  );
}

/** The answer of an aggregate's command. */
function commandAnswer({ noun, idName, category }: Aggregate) {
  return {
    type: 'object',
    required: [idName, 'revision', 'repeated', 'events'],
    properties: {
      [idName]: { type: 'string', ...(category === ticket.category ? { format: 'uuid' } : {}) },
      revision: { type: 'integer', minimum: 0, description: `Revision of the ${noun} after the command; same as the ETag` },
      position: {
        type: 'string',
        description: 'Position of its last event in the log; absent if nothing was appended',
        examples: ['1234/1234'],
      },
      repeated: { type: 'boolean', description: 'True if this command had already been done' },
      events: {
        type: 'array',
        description: 'Events it produced, now or the first time; empty if no change was needed',
        items: { type: 'object', required: ['type', 'data'], properties: { type: { type: 'string' }, data: { type: 'object' } } },
      },
    },
  };
}

export function documentDefaultContract(): MethodDecorator {
  return applyDecorators(
    contractsTag,
    ApiOperation({ operationId: 'defaultContract', summary: 'The contract of every client that has not agreed another' }),
    reads('defaultContract'),
    contractAnswer('The default contract', ref('Contract')),
    correlationHeader,
    problems(...everywhere),
  );
}

export function documentSimulation(): MethodDecorator {
  const { description = '', examples = [] } = schemas['SimulateContract'] ?? {};
  return applyDecorators(
    ApiTags('views'),
    ApiOperation({ operationId: 'simulate', summary: summary(description), description }),
    reads('simulation'),
    ApiBody({
      required: true,
      schema: ref('SimulateContract') as never,
      examples: { example: { summary: 'Works as is', value: examples[0] } },
    }),
    ApiResponse({
      status: 200,
      description: 'Simulated outcome',
      content: { 'application/json': { schema: ref('Simulation') as never } },
    }),
    correlationHeader,
    problems(...everywhere, ...ofBodies, 'contract-invalid', 'simulation-too-long', 'too-many-simulations'),
  );
}

export function documentFeed(): MethodDecorator {
  return applyDecorators(
    ApiTags('events'),
    ApiOperation({
      operationId: 'events',
      summary: 'All public events, in order, as they happen',
      description:
        'CloudEvents 1.0 as JSON. By default as server-sent events: `id` is the position in the log, `event` the type, `data` the event. History first, then new events; a comment marks ' +
        'the end of history, and one every 15 seconds keeps the connection alive. A reader that reconnects with Last-Event-ID misses nothing and gets nothing twice. With `Accept: ' +
        'application/x-ndjson`, as NDJSON that ends at the present; with `wait`, as soon as there are events or the time is up.',
    }),
    reads('events'),
    ApiHeader({ name: 'Last-Event-ID', description: 'Id of the last event read: continues after it', schema: { type: 'string' } }),
    ApiResponse({
      status: 200,
      description: 'The feed. Server-sent events do not end',
      content: {
        'text/event-stream': { schema: { type: 'string' } },
        'application/x-ndjson': {
          schema: { type: 'string', description: 'One CloudEvent per line; `/schemas` has the schemas of its data' },
        },
      },
      headers: {
        'X-Position': {
          description: 'NDJSON: position to continue from (`from`). Everything requested is included up to this position',
          schema: { type: 'string' },
        },
      },
    }),
    problems(...everywhere, 'unknown-position', 'too-many-streams'),
  );
}

const webhooksTag = ApiTags('webhooks');

export function documentWebhooks(): MethodDecorator {
  return applyDecorators(
    webhooksTag,
    ApiOperation({ operationId: 'webhooks', summary: 'Webhooks that send only what the caller may see, by id' }),
    reads('webhooks'),
    contractAnswer('The webhooks', page('Webhook')),
    correlationHeader,
    problems(...everywhere),
  );
}

export function documentWebhook(): MethodDecorator {
  const progress = {
    type: 'object',
    required: ['failures'],
    properties: {
      place: { type: 'string', description: 'Everything up to this position was sent or is among the deliveries' },
      failures: { type: 'integer', description: 'Number of consecutive failed requests' },
      brokenUntil: { type: 'integer', description: 'Until when sending is suspended because of them, in milliseconds since 1970' },
    },
  };
  return applyDecorators(
    webhooksTag,
    ApiOperation({ operationId: 'webhook', summary: 'A webhook: its subscription and state' }),
    reads('webhooks'),
    pathParam('webhook'),
    contractAnswer('The webhook', { allOf: [ref('Webhook'), progress] }, 200, etag),
    correlationHeader,
    problems(...everywhere, 'webhook-not-found'),
  );
}

export function documentWebhookSecret(): MethodDecorator {
  const schema = {
    type: 'object',
    required: ['secret', 'version'],
    properties: {
      secret: { type: 'string', description: 'In the format of Standard Webhooks: `whsec_…`' },
      version: { type: 'integer' },
      overlapUntil: { type: 'string', format: 'date-time', description: 'Until when the previous secret also signs' },
    },
  };
  return applyDecorators(
    webhooksTag,
    ApiOperation({ operationId: 'webhookSecret', summary: 'The signing secret of a webhook' }),
    reads('webhookSecret'),
    pathParam('webhook'),
    contractAnswer('The secret', schema),
    correlationHeader,
    problems(...everywhere, 'webhook-not-found'),
  );
}

export function documentDeliveries(): MethodDecorator {
  const attempt = {
    type: 'object',
    required: ['at', 'ms'],
    properties: {
      at: { type: 'string', format: 'date-time' },
      ms: { type: 'integer', description: 'Duration in milliseconds' },
      status: { type: 'integer', description: 'HTTP status; absent if there was no response' },
      error: { type: 'string', description: 'Why there was no response' },
      excerpt: { type: 'string', description: 'Start of the response body' },
    },
  };
  const delivery = {
    type: 'object',
    required: ['webhook', 'event', 'type', 'subject', 'position', 'state', 'attempts', 'tries'],
    properties: {
      webhook: { type: 'string' },
      generation: { type: 'integer' },
      event: { type: 'string', description: 'Id of the event' },
      type: { type: 'string' },
      subject: { type: 'string' },
      position: { type: 'string' },
      state: { type: 'string', enum: ['waiting', 'delivered', 'dead'] },
      attempts: { type: 'array', items: attempt, description: 'Latest twenty attempts, oldest first' },
      tries: { type: 'integer', description: 'Number of attempts' },
      failingSince: { type: 'integer', description: 'Time in milliseconds since 1970' },
      dueAt: { type: 'integer', description: 'Next attempt, in milliseconds since 1970' },
    },
  };
  const schema = {
    type: 'object',
    required: ['items'],
    properties: { items: { type: 'array', items: delivery }, next: { type: 'string' } },
  };
  return applyDecorators(
    webhooksTag,
    ApiOperation({
      operationId: 'deliveries',
      summary: 'Deliveries of a webhook, in log order: dead letters, pending ones, and those delivered within the last week',
    }),
    reads('webhooks'),
    pathParam('webhook'),
    contractAnswer('The deliveries, with their attempts', schema),
    correlationHeader,
    problems(...everywhere, 'webhook-not-found'),
  );
}

export function documentDigest(): MethodDecorator {
  return applyDecorators(
    reads('events'),
    ApiTags('events'),
    ApiOperation({
      operationId: 'digestEvents',
      summary: 'Count and digest for a reader to compare with its own',
      description:
        'Number of events the feed has in a range, and the SHA-256 of their ids in log order, each followed by a line feed: a reader that gets the same result has ' +
        'every event exactly once and in order.',
    }),
    ApiResponse({
      status: 200,
      description: 'Count and digest',
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['count', 'sha256', 'to'],
            properties: {
              count: { type: 'integer', minimum: 0 },
              sha256: { type: 'string', description: 'In lower-case hexadecimal' },
              to: { type: 'string', description: 'Last position included' },
            },
          },
        },
      },
    }),
    problems(...everywhere, 'unknown-position', 'too-many-streams'),
  );
}

/** The parameters of a query, as declared. */
export function documentQuery<Declared extends ParametersOfQuery>({ declared }: QueryParameters<Declared>): MethodDecorator {
  return applyDecorators(
    ...Object.entries(declared).map(([name, { description, schema }]) => ApiQuery({ name, description, required: false, schema })),
  );
}

export function documentHealth(name: 'live' | 'ready'): MethodDecorator {
  const tag = ApiTags('health');
  if (name === 'live') {
    return applyDecorators(
      tag,
      ApiOperation({ operationId: name, summary: 'Whether the process answers', ...open }),
      ApiResponse({ status: 200, description: 'It responds' }),
    );
  }
  return applyDecorators(
    tag,
    ApiOperation({
      operationId: name,
      summary:
        'Whether the stores are reachable; state of views, policies, webhooks, messages and sealing, and how far behind the log they are',
      ...open,
    }),
    ApiResponse({ status: 200, description: 'Both stores are reachable' }),
    ApiResponse({ status: 503, description: 'A store is unreachable' }),
  );
}

// For the pages that are not for programs.
export { ApiExcludeController, ApiExcludeEndpoint };

/** The OpenAPI 3.1 document of the application's routes. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const about = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Tierline')
    .setVersion('1')
    .setDescription(
      "The system of record for multi-tier IT support. Commands are sent by POST and become events; views are read by GET and follow within moments: a command's ETag as `atLeast` makes a read " +
        `wait for it. Errors are problem details (RFC 9457) with a stable \`code\`. Bodies are JSON of at most ${BODY_LIMIT / 1024 / 1024} MiB; unknown fields and parameters are refused.`,
    )
    .addTag('commands', 'Commands on tickets')
    .addTag('attachments', 'Small files referred to by evidence')
    .addTag('mail', 'Inbound e-mail')
    .addTag('views', 'Views of tickets')
    .addTag('history', 'Who did what, when, why, and what it changed')
    .addTag('contracts', 'Contracts with clients')
    .addTag('on-call', 'Who is on call')
    .addTag('teams', 'Teams, agents and shifts')
    .addTag('filters', 'Saved filters of the ticket list')
    .addTag('alerts', 'Alerts from monitoring, and maintenance windows')
    .addTag('major-incidents', 'Major incidents, affecting many requesters')
    .addTag('automation', 'Tasks for runners')
    .addTag('problems', 'Causes of tickets, and what is being done about them')
    .addTag('knowledge', 'Articles that solve tickets')
    .addTag('events', 'Event feed')
    .addTag('reports', 'Scheduled reports for clients')
    .addTag('webhooks', 'Webhooks: events sent to subscribed URLs')
    .addTag('identity', 'Accounts, keys and access')
    .addTag('health', 'Health of the process')
    .addServer('/')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key: `tierline_…`' })
    .addCookieAuth('tierline_session', { type: 'apiKey', in: 'cookie', description: 'A session started at `/login`' }, 'session')
    .addSecurityRequirements('bearer')
    .addSecurityRequirements('session')
    .build();
  const document = SwaggerModule.createDocument(app, about, { autoTagControllers: false });
  return shareParts({ ...document, components: { ...document.components, schemas: { ...(schemas as object), ...answerSchemas } } });
}

type Parts = Record<string, Record<string, unknown>>;

/** Moves parameters and responses shared by several operations into the components, and refers to them. */
function shareParts(document: OpenAPIObject): OpenAPIObject {
  const operations = Object.values(document.paths).flatMap((path) =>
    Object.values(path as Record<string, unknown>).filter((operation): operation is Parts => isOperation(operation)),
  );
  const uses = new Map<string, number>();
  const places = operations.flatMap(({ parameters = {}, responses = {} }) => [
    ...Object.keys(parameters).map((key) => ({ of: parameters, key, kind: 'parameters' as const })),
    ...Object.keys(responses).map((key) => ({ of: responses, key, kind: 'responses' as const })),
  ]);
  for (const { of, key } of places) {
    const text = JSON.stringify(of[key]);
    uses.set(text, (uses.get(text) ?? 0) + 1);
  }
  const shared = { parameters: new Map<string, string>(), responses: new Map<string, string>() };
  const components: Record<'parameters' | 'responses', Record<string, unknown>> = { parameters: {}, responses: {} };
  for (const { of, key, kind } of places) {
    const part = of[key];
    const text = JSON.stringify(part);
    if ((uses.get(text) ?? 0) < 2) continue;
    let name = shared[kind].get(text);
    if (name === undefined) {
      const about = kind === 'parameters' ? (part as { readonly name: string }).name : `Status${key}`;
      const same = [...shared[kind].values()].filter((other) => other.replace(/_\d+$/, '') === about).length;
      name = same === 0 ? about : `${about}_${same + 1}`;
      shared[kind].set(text, name);
      components[kind][name] = part;
    }
    of[key] = { $ref: `#/components/${kind}/${name}` };
  }
  return { ...document, components: { ...document.components, ...(components as object) } };
}

function isOperation(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'responses' in value;
}

const answerSchemas = {
  Problem: {
    type: 'object',
    description: 'Problem details (RFC 9457)',
    required: ['type', 'title', 'status', 'detail', 'instance', 'code'],
    properties: {
      type: { type: 'string', format: 'uri', description: '`urn:tierline:problem:` and the code' },
      title: { type: 'string', description: 'Meaning of the code' },
      status: { type: 'integer' },
      detail: { type: 'string', description: 'What is wrong in this case' },
      instance: { type: 'string', format: 'uri-reference' },
      code: { type: 'string', description: 'Stable code for programs' },
      correlationId: { type: 'string' },
      mergedInto: { type: 'string', format: 'uuid', description: 'For `ticket-merged`: the ticket it was merged into' },
      holder: { type: 'string', description: 'For `already-claimed`: id of the agent who has the ticket' },
      factor: { const: 'passkey', description: "For `second-factor-required`, where it is the account's passkey rather than a code" },
      revision: { type: 'integer', description: 'For `revision-mismatch`: the current revision' },
      faults: {
        type: 'array',
        description: 'Each wrong or missing item',
        items: {
          type: 'object',
          required: ['field', 'message'],
          properties: { field: { type: 'string', examples: ['handoff.stepsTried[0].action'] }, message: { type: 'string' } },
        },
      },
    },
  },
  ...Object.fromEntries(
    aggregates
      .filter(({ commands }: Aggregate) => Object.values(commands).some(({ route }) => route !== undefined))
      .map((aggregate: Aggregate) => [answerName(aggregate.noun), commandAnswer(aggregate)]),
  ),
  Attachment: {
    type: 'object',
    required: ['sha256', 'bytes', 'mediaType', 'url'],
    properties: {
      sha256: { type: 'string', description: 'SHA-256 of the content in lower-case hexadecimal' },
      bytes: { type: 'integer', minimum: 0 },
      mediaType: { type: 'string' },
      url: { type: 'string', format: 'uri', description: 'Reference to use in evidence', examples: ['attachment:9f86d081…'] },
    },
  },
  TakenMail: {
    type: 'object',
    required: ['outcome'],
    properties: {
      outcome: { type: 'string', enum: ['opened', 'replied', 'aside'] },
      ticketId: { type: 'string', format: 'uuid', description: 'Ticket it opened or replied to' },
      reason: { type: 'string', description: 'For `aside`: why it was not accepted, or only in part' },
    },
  },
  MailAside: {
    type: 'object',
    required: ['mail', 'message', 'client', 'outcome', 'at', 'reason', 'sha256'],
    properties: {
      mail: { type: 'string', format: 'uuid' },
      message: { type: 'string', description: 'Message-ID of the message' },
      client: { type: 'string', description: 'Client of the sender; empty if unknown' },
      outcome: { const: 'aside' },
      at: { type: 'string', format: 'date-time' },
      ticketId: { type: 'string', format: 'uuid' },
      reason: { type: 'string' },
      person: { type: 'string', description: 'Id of the sender: the `reporter.id` of their tickets' },
      from: { type: 'string', description: 'E-mail address of the sender; `[erased]` once they are forgotten' },
      subject: { type: 'string' },
      sha256: { type: 'string', description: 'SHA-256 of the original message, stored as GET /v1/attachments/<sha256>' },
    },
  },
  BatchAnswer: {
    type: 'object',
    required: ['items', 'done', 'failed'],
    properties: {
      items: {
        type: 'array',
        items: {
          oneOf: [
            {
              allOf: [
                ref('CommandAnswer'),
                {
                  type: 'object',
                  required: ['status'],
                  properties: { status: { type: 'integer', description: 'As if it had been sent alone' } },
                },
              ],
            },
            { type: 'object', required: ['status', 'problem'], properties: { status: { type: 'integer' }, problem: ref('Problem') } },
          ],
        },
      },
      done: { type: 'integer', minimum: 0 },
      failed: { type: 'integer', minimum: 0 },
    },
  },
  ...jsonSchemas(publishedSchemas, (name) => `#/components/schemas/${name}`),
} as unknown as NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

function ref(name: string) {
  return { $ref: `#/components/schemas/${name}` };
}

function page(name: string, more: object = {}) {
  return {
    type: 'object',
    required: ['items'],
    properties: {
      items: { type: 'array', items: ref(name) },
      next: { type: 'string', description: '`cursor` of the next page; absent on the last' },
      ...more,
    },
  };
}

/** The first sentence, without its full stop. */
function summary(description: string): string {
  return description.split(/[.:] /, 1)[0]?.replace(/\.$/, '') ?? description;
}
