import type { Aggregate } from '#eventsourcing';
import { Problem } from '#http';
import { aggregates, commandAccess, type Principal, queryAccess, type QueryName } from '#ticketing';

/** A JSON Schema, or another part of the OpenAPI document. */
type Json = Readonly<Record<string, unknown>>;

interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly Json[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Json } } };
  readonly 'x-access'?: { readonly query?: QueryName; readonly command?: string };
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>>; readonly parameters: Readonly<Record<string, Json>> };
}

/**
 * The operations of the API that are tools, by their name for assistants. Input, effect and refusals are those of the API: there is no
 * second set of rules.
 */
const TOOLS = {
  who_am_i: 'principal',
  find_tickets: 'tickets',
  read_ticket: 'details',
  read_ticket_history: 'history',
  read_ticket_clocks: 'sla',
  read_queue: 'queue',
  open_ticket: 'OpenTicket',
  triage_ticket: 'TriageTicket',
  start_work: 'StartWork',
  record_diagnostic_step: 'RecordDiagnosticStep',
  start_runbook: 'StartRunbook',
  tick_runbook_step: 'TickRunbookStep',
  attach_evidence: 'AttachEvidence',
  add_note: 'AddInternalNote',
  send_reply: 'SendPublicReply',
  ask_another_tier: 'RequestConsultation',
  hand_off: 'EscalateToTier',
  resolve_ticket: 'ResolveTicket',
  propose_reply: 'ProposeReply',
  propose_resolution: 'ProposeResolution',
  propose_hand_off: 'ProposeHandOff',
  approve_proposal: 'ApproveProposal',
  reject_proposal: 'RejectProposal',
  link_tickets: 'LinkTicket',
  search_knowledge: 'articles',
  read_article: 'article',
  draft_article: 'DraftArticle',
  judge_article: 'GiveArticleFeedback',
  find_problems: 'problems',
  read_problem: 'problem',
} as const;

/** An operation of the API as an assistant calls it. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: Json & { readonly type: 'object' };
  readonly annotations: { readonly readOnlyHint: boolean; readonly destructiveHint: boolean };
  readonly method: string;
  readonly path: string;
  /** Arguments that go into the path, the query or headers; the rest is the body. */
  readonly places: Readonly<Record<string, { readonly in: 'path' | 'query' | 'header'; readonly name: string }>>;
  /** Whether any role of the principal may ever do it. */
  isFor(principal: Principal): boolean;
}

/** A tool call as a request to the API. */
export interface ToolRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json | undefined;
}

/** Every tool, from the OpenAPI document. */
export function toolsOf(openApi: object): readonly Tool[] {
  const document = openApi as Document;
  const found = new Map(
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, operation]) => [operation.operationId, { path, method: method.toUpperCase(), operation }] as const,
      ),
    ),
  );
  return Object.entries(TOOLS).map(([name, operationId]) => {
    const route = found.get(operationId);
    if (route === undefined) throw new Error(`the API has no operation ${operationId}`);
    return toolOf(name, route, document);
  });
}

/** Headers of commands that a tool takes as arguments, by the argument's name. */
const HEADERS: Readonly<Record<string, string>> = {
  'Idempotency-Key': 'idempotencyKey',
  'X-Assistant-Model': 'model',
  'X-Assistant-Prompt': 'prompt',
};

function toolOf(
  name: string,
  { path, method, operation }: { readonly path: string; readonly method: string; readonly operation: Operation },
  { components }: Document,
): Tool {
  const parameters = (operation.parameters ?? []).map(
    (one) => (typeof one['$ref'] === 'string' ? components.parameters[last(one['$ref'])] : one) ?? {},
  );
  const taken = parameters.flatMap((parameter) => {
    const place = parameter as unknown as { readonly in: 'path' | 'query' | 'header'; readonly name: string };
    const argument = place.in === 'header' ? HEADERS[place.name] : place.name;
    if (argument === undefined) return [];
    const { description, required = false, schema } = parameter;
    return [{ argument, place, required: required === true, schema: { description, ...(schema as Json) } }];
  });
  const content = operation.requestBody?.content['application/json'].schema;
  const body = (content === undefined ? undefined : components.schemas[last(String(content['$ref']))]) ?? {};
  const properties = {
    ...(body['properties'] as Json | undefined),
    ...Object.fromEntries(taken.map(({ argument, schema }) => [argument, schema])),
  };
  const required = [
    ...taken.flatMap(({ argument, required }) => (required ? [argument] : [])),
    ...((body['required'] as readonly string[] | undefined) ?? []),
  ];
  const inputSchema = withParts({ type: 'object' as const, properties, required, additionalProperties: false }, components.schemas);
  const grants = grantsOf(operation);
  const reads = method === 'GET';
  return {
    name,
    description: operation.description ?? operation.summary ?? name,
    inputSchema,
    annotations: { readOnlyHint: reads, destructiveHint: false },
    method,
    path,
    places: Object.fromEntries(taken.map(({ argument, place }) => [argument, place])),
    isFor: ({ roles }) => roles.some((role) => grants[role] !== undefined),
  };
}

/** Role → whether, or under which condition, it may do an operation. */
function grantsOf({ 'x-access': access }: Operation): Readonly<Record<string, unknown>> {
  if (access?.query !== undefined) return queryAccess[access.query];
  const { command = '' } = access ?? {};
  const aggregate = (aggregates as readonly Aggregate[]).find(({ commands }) => Object.hasOwn(commands, command));
  return commandAccess[aggregate?.category ?? '']?.[command] ?? {};
}

const last = (reference: string) => reference.slice(reference.lastIndexOf('/') + 1);

/** A self-contained schema: it includes everything it refers to. */
function withParts<Schema extends Json>(schema: Schema, parts: Readonly<Record<string, Json>>): Schema {
  const $defs: Record<string, unknown> = {};
  const localised = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(localised);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => {
        if (key !== '$ref' || typeof inner !== 'string') return [key, localised(inner)];
        const name = last(inner);
        if (!Object.hasOwn($defs, name)) {
          // Set before its parts are visited, as it may refer to itself.
          $defs[name] = {};
          $defs[name] = localised(parts[name] ?? {});
        }
        return [key, `#/$defs/${name}`];
      }),
    );
  };
  const whole = localised(schema) as Schema;
  return Object.keys($defs).length === 0 ? whole : { ...whole, $defs };
}

/** A header holds bytes, which Node represents as characters: UTF-8 is sent. */
function inLatin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function faultOf(value: unknown, place: 'path' | 'query' | 'header'): string | undefined {
  if (value === null) return 'must not be null: omit it instead';
  const values = place === 'query' && Array.isArray(value) ? (value as readonly unknown[]) : [value];
  if (!values.every((one) => ['string', 'number', 'boolean'].includes(typeof one))) return 'must be text';
  // Each of these would address something else.
  if (place === 'path' && ['', '.', '..'].includes(String(value))) return 'must be an id';
  return undefined;
}

/**
 * A call as a request, or the faults of arguments outside the body. These can only be text: nothing else may be converted to other text, or
 * to another address. The API refuses what it does not know.
 */
export function requestOf({ method, path, places }: Tool, given: Json): ToolRequest | Problem {
  const missing = Object.entries(places).filter(([argument, place]) => place.in === 'path' && (given[argument] ?? null) === null);
  if (missing.length > 0)
    return Problem.of('invalid-query', 'Arguments are missing', { faults: missing.map(([field]) => ({ field, message: 'is missing' })) });
  const faults = Object.entries(given).flatMap(([field, value]) => {
    const place = Object.hasOwn(places, field) ? places[field]?.in : method === 'GET' ? 'query' : undefined;
    const message = place === undefined ? undefined : faultOf(value, place);
    return message === undefined ? [] : [{ field, message }];
  });
  if (faults.length > 0) return Problem.of('invalid-query', 'Some arguments are invalid', { faults });
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  const body: Record<string, unknown> = {};
  let filled = path;
  for (const [argument, value] of Object.entries(given)) {
    const place = Object.hasOwn(places, argument) ? places[argument] : undefined;
    if (place?.in === 'path') filled = filled.replace(`{${place.name}}`, encodeURIComponent(String(value)));
    else if (place?.in === 'header') headers[place.name] = inLatin1(String(value));
    else if (place?.in === 'query' || method === 'GET') for (const one of [value].flat()) query.append(argument, String(one));
    else body[argument] = value;
  }
  const url = `${filled}${query.size > 0 ? `?${query}` : ''}`;
  return { method, url, headers, body: method === 'GET' ? undefined : body };
}

/** A problem's details with argument names in place of header names, which the caller of a tool does not know. */
export function inArguments({ places }: Pick<Tool, 'places'>, problem: Json): Record<string, unknown> {
  const argumentOf = new Map(
    Object.entries(places).flatMap(([argument, place]) => (place.in === 'header' ? [[place.name, argument] as const] : [])),
  );
  const { detail, faults } = problem as { readonly detail?: unknown; readonly faults?: readonly { readonly field: string }[] };
  const told = (text: string) => [...argumentOf].reduce((whole, [header, argument]) => whole.replaceAll(header, argument), text);
  return {
    ...problem,
    ...(typeof detail === 'string' && { detail: told(detail) }),
    ...(faults && { faults: faults.map((fault) => ({ ...fault, field: argumentOf.get(fault.field) ?? fault.field })) }),
  };
}
