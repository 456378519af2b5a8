import { type EventStore, type Position, type ProjectionGroup, refuse, type Refusal, streamName } from '#eventsourcing';
import { PublicLog } from '#feeds';
import {
  BsonReader,
  type FaceName,
  groupHealth as healthOfGroup,
  groupPosition as positionOf,
  policyHealth as healthOfPolicy,
  type ViewDocument,
  type ViewHealth,
  lookUntilFound,
  waitForRevision,
  withLastSeen,
} from '#mongo';
import {
  accounts,
  agents,
  articles,
  contracts,
  credentials,
  onCallSchedules,
  policyReactions,
  auditorReads,
  privacies,
  problems,
  alerts,
  alertSources,
  maintenances,
  automationTasks,
  reports,
  majorIncidents,
  questions,
  requestForms,
  type Scope,
  seesClient,
  slaBoard,
  teams,
  ticket,
  ticketDetails,
  ticketFacts,
  ticketFilters,
  ticketHistory,
  ticketList,
  ticketSla,
  ticketViews,
  tierQueue,
  webhooks,
} from '#ticketing';
import { deliveries, type DeliveryDocument, deliveryHealth, type DeliveryState, type Progress, progress } from '#webhooks';
import { INBOUND_MAIL, type InboundMailDocument } from './inbound-mail-records.js';
import { ArticleIndex } from './article-index.js';
import { databaseAnswer, QUERY_WITHIN_MS, ReadModels } from './read-model-database.js';
import { ScopedEvents, ScopedFeed } from './scoped-events.js';
import { TICKET_INSTANTS, TicketInstants } from './ticket-instants.js';

export { ReadModels, databaseAnswer };

/** How long a reader waits for a view to reach a position, in milliseconds. */
const PATIENCE_MS = 2_000;

/** Both stores, unrestricted: for code that runs queries, not for queries. */
export interface Stores {
  readonly store: EventStore;
  readonly models: ReadModels;
}

const inside: unique symbol = Symbol('inside');

/** The read models, restricted to a scope: only the functions below read them. */
export interface ScopedModels {
  readonly [inside]: ReadModels & { readonly scope: Scope };
}

/** What queries are answered from. Nothing outside the scope comes out of it. */
export interface Sources {
  readonly store: ScopedEvents;
  readonly feed: ScopedFeed;
  readonly models: ScopedModels;
  /** Tickets at other times. */
  readonly instants: Pick<TicketInstants, 'caughtUp' | 'saying'>;
  /** Finds the ids of articles by words. */
  readonly articles: Pick<ArticleIndex, 'search'>;
  readonly scope: Scope;
}

export function scopedSources({ store, models }: Stores, scope: Scope): Sources {
  return {
    store: new ScopedEvents(store, scope),
    feed: new ScopedFeed(PublicLog.of(store), scope),
    models: { [inside]: { db: models.db, scope } },
    instants: TicketInstants.of(store, models),
    articles: ArticleIndex.of(models),
    scope,
  };
}

/** By the client of a document. */
const ofClient = (clients: readonly string[]): object => ({ client: { $in: ['', ...clients] } });
/** For the entire desk. */
const ofDesk = (): object => ({});
/** For the entire desk; if it names clients, only for these. */
const naming = (field: string) => (clients: readonly string[]) => ({
  $or: [{ [field]: { $exists: false } }, { [field]: { $in: [...clients] } }],
});

/** Only those that see, or send, no other clients. */
const withinReach = (field: string) => (clients: readonly string[]) => ({
  [field]: { $ne: 'all', $not: { $elemMatch: { $nin: [...clients] } } },
});

/** View → filter for the clients of a scope. A view that is missing here is read by no query. */
export const WALLS: Readonly<Record<string, (clients: readonly string[]) => object>> = {
  [ticketHistory.name]: ofClient,
  [ticketSla.name]: ofClient,
  [slaBoard.name]: ofClient,
  [tierQueue.name]: ofClient,
  [ticketList.name]: ofClient,
  [ticketFacts.name]: ofClient,
  [ticketDetails.name]: ofClient,
  [policyReactions.name]: ofClient,
  [TICKET_INSTANTS]: ofClient,
  [contracts.name]: ofClient,
  [reports.name]: ofClient,
  [problems.name]: ofClient,
  [alerts.name]: ofClient,
  [alertSources.name]: ofClient,
  [maintenances.name]: ofClient,
  [automationTasks.name]: ofClient,
  [majorIncidents.name]: ofClient,
  [articles.name]: naming('client'),
  [questions.name]: ofClient,
  [requestForms.name]: naming('client'),
  [privacies.name]: ofClient,
  // A reader restricted to some clients would learn which other ids were asked about.
  [auditorReads.name]: () => ({ _id: { $exists: false } }),
  [teams.name]: naming('clients'),
  [ticketFilters.name]: naming('query.client'),
  [credentials.name]: withinReach('principal.clients'),
  [accounts.name]: withinReach('principal.clients'),
  [webhooks.name]: withinReach('clients'),
  // If the client of a sender is unknown, only for readers who see all clients.
  [INBOUND_MAIL]: (clients) => ({ client: { $in: [...clients] } }),
  [agents.name]: ofDesk,
  [onCallSchedules.name]: ofDesk,
};

/** The database itself, for collections that are not views. The caller must respect the scope. */
export function databaseOf({ models }: Pick<Sources, 'models'>): ReadModels['db'] {
  return models[inside].db;
}

/** View → filter for a requester's own documents, if these are not the ones they reported. */
const OWN: Readonly<Record<string, object>> = {
  [articles.name]: { published: { $exists: true }, visibility: { $in: ['client', 'everybody'] } },
};

/** The condition of a webhook within the scope; null before it was taken up. */
export function progressOf({ models }: Pick<Sources, 'models'>, webhook: string): Promise<Progress | null> {
  return databaseAnswer(progress(models[inside].db).findOne({ _id: webhook }));
}

/** E-mails that were not accepted, or only in part, as stored: see `openMail`. */
export function readMailAside(sources: Sources, { limit, after }: ByName) {
  return readByName<InboundMailDocument>(sources, { view: INBOUND_MAIL, where: { outcome: 'aside' }, limit, after });
}

/** The events on their way to a webhook within the scope, in order. @param after order and id of the last item of the previous page */
export async function deliveriesTo(
  { models }: Pick<Sources, 'models'>,
  asked: { readonly webhook: string; readonly state: DeliveryState; readonly limit: number; readonly after?: string | undefined },
): Promise<Page<DeliveryDocument>> {
  const { webhook, state, limit, after } = asked;
  const [order = '', _id = ''] = after?.split(' ') ?? [];
  const next = after === undefined ? {} : { $or: [{ order: { $gt: order } }, { order, _id: { $gt: _id } }] };
  const sorted = deliveries(models[inside].db)
    .find({ webhook, state, ...next }, { maxTimeMS: QUERY_WITHIN_MS })
    .sort({ order: 1, _id: 1 });
  const found = await databaseAnswer(sorted.limit(limit + 1).toArray());
  return { items: found.slice(0, limit), more: found.length > limit };
}

/** Which of these events are dead letters of a webhook. */
export async function deadLettersAmong({ db }: ReadModels, webhook: string, events: readonly string[]): Promise<ReadonlySet<string>> {
  const found = deliveries(db).find({ webhook, state: 'dead', event: { $in: [...events] } }, { maxTimeMS: QUERY_WITHIN_MS });
  return new Set((await databaseAnswer(found.toArray())).map(({ event }) => event));
}

/** What may be seen of a view, in MongoDB's query language. */
function withinWalls(name: string, { clients, reporter }: Scope, filter: object): object {
  const wall = WALLS[name];
  if (wall === undefined) throw new Error(`it is not declared which documents of ${name} belong to which client`);
  const walls = [
    ...(clients === 'all' ? [] : [wall(clients)]),
    ...(reporter === undefined ? [] : [OWN[name] ?? { 'reporter.id': reporter }]),
  ];
  return walls.length === 0 ? filter : { $and: [...walls, filter] };
}

/** The documents of a view that match a filter and the scope. @param raw as bytes */
export function find<Doc extends object>(
  { models }: Pick<Sources, 'models'>,
  name: string,
  filter: object,
  projection: object = {},
  raw = false,
) {
  const { db, scope } = models[inside];
  const options = { projection, raw, maxTimeMS: QUERY_WITHIN_MS };
  // A collection of plain documents: the driver's types cannot follow combined filters.
  return db.collection<ViewDocument<Doc>>(name).find(withinWalls(name, scope, filter) as never, options);
}

/**
 * The same, without a limit: a batch at a time, as fast as they are consumed.
 * @param wanted.withinMs how long the database may take, in milliseconds; 0 for no limit
 */
export async function* findMany<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  name: string,
  filter: object,
  wanted: {
    readonly projection: object;
    readonly sort?: Readonly<Record<string, 1 | -1>>;
    readonly batch: number;
    readonly withinMs?: number;
  },
): AsyncGenerator<readonly ViewDocument<Doc>[]> {
  const { projection, sort = {}, batch, withinMs = QUERY_WITHIN_MS } = wanted;
  const cursor = find<object>(sources, name, filter, projection, true)
    .sort({ ...sort })
    .batchSize(batch)
    .maxTimeMS(withinMs);
  const reader = new BsonReader();
  try {
    while (await databaseAnswer(cursor.hasNext())) {
      const found = cursor.readBufferedDocuments() as unknown as readonly Uint8Array[];
      yield found.map((bytes) => reader.read(bytes) as ViewDocument<Doc>);
    }
  } finally {
    await cursor.close();
  }
}

/**
 * The document of a ticket once it includes a revision, or why not: the log has no such ticket, or no such revision of it, or the view is
 * not that far yet.
 */
export async function readVisible<Doc extends object>(
  { models, store }: Sources,
  face: FaceName,
  { id, ticketId, atLeast = 0 }: { readonly id: string; readonly ticketId: string; readonly atLeast?: number | undefined },
): Promise<ViewDocument<Doc> | Refusal> {
  const { db, scope } = models[inside];
  const seen = (doc: ViewDocument<Doc>) => {
    const { client } = doc as { readonly client?: unknown };
    const visible = scope.reporter === undefined && typeof client === 'string' && seesClient(scope, client);
    return visible ? doc : refuse('ticket-not-found', 'There is no such ticket');
  };
  // What this process has seen of the ticket is in the log.
  if (store.revisionSeen(ticket, ticketId) < atLeast) {
    const now = await databaseAnswer(waitForRevision<Doc>(db, face, id, atLeast, 0));
    if (now !== 'stale') return seen(now);
    const unknown = await unknownToLog(store, ticketId, atLeast);
    if (unknown !== undefined) return unknown;
  }
  const soon = await databaseAnswer(waitForRevision<Doc>(db, face, id, atLeast, PATIENCE_MS));
  return soon === 'stale' ? notYetVisible(face.face.name) : seen(soon);
}

/** Why a ticket or revision can never become visible; undefined if it can. */
async function unknownToLog(store: EventStore, ticketId: string, revision: number): Promise<Refusal | undefined> {
  const stream = streamName(ticket, ticketId);
  for await (const _ of store.readStream(stream, revision)) return undefined;
  if (revision > 0) {
    for await (const _ of store.readStream(stream)) {
      return refuse('unknown-revision', `The ticket has no revision ${revision} yet`, [
        { field: 'atLeast', message: 'must be a revision that the ticket has' },
      ]);
    }
  }
  return refuse('ticket-not-found', 'There is no such ticket');
}

/** Waits until a group of views has reached a position; undefined once it has, or if none was given. @param field with the position */
export async function waitForPosition(
  { models, store }: Sources,
  { name, streamPrefix }: Pick<ProjectionGroup<never, never>, 'name' | 'streamPrefix'>,
  position: Position | undefined,
  field = 'atLeast',
): Promise<Refusal | undefined> {
  if (position === undefined) return undefined;
  let at: Position | undefined;
  const seen = await lookUntilFound(models[inside].db, name, PATIENCE_MS, async () => {
    at = await groupPosition(models[inside], name);
    // Before the first event of the log there is nothing to wait for.
    return (at?.commit ?? 0n) >= position.commit || undefined;
  });
  if (seen) return undefined;
  // With nothing left to project, the log has never had this position.
  for await (const _ of store.readAll({ streamPrefixes: [streamPrefix] }, at)) return notYetVisible(name);
  return refuse('unknown-position', 'The log has not reached that position yet', [
    { field, message: 'must be a position that this log has reached' },
  ]);
}

/** Entries, and whether there are more after the last one. */
export interface Page<Entry> {
  readonly items: readonly Entry[];
  readonly more: boolean;
}

/** A page of a list that is sorted by name or id. */
export interface ByName {
  readonly limit: number;
  /** The last name or id of the previous page. */
  readonly after?: string | undefined;
}

/** The entries of a view to read: filter, order and number. */
interface Wanted {
  readonly filter: object;
  readonly sort: Readonly<Record<string, 1 | -1>>;
  readonly limit: number;
  /** Fields that the projection needs and readers do not. */
  readonly hidden?: readonly string[];
}

/** A page of a view: one extra entry is read, to know whether there are more. */
export async function readPage<Entry extends object>(
  sources: Pick<Sources, 'models'>,
  name: string,
  { filter, sort, limit, hidden = [] }: Wanted,
): Promise<Page<Entry>> {
  const found = await databaseAnswer(
    find(sources, name, filter, Object.fromEntries(hidden.map((field) => [field, 0])), true)
      .sort({ ...sort })
      .limit(limit + 1)
      .batchSize(limit + 2)
      .toArray(),
  );
  const items = (found as unknown as readonly Uint8Array[]).slice(0, limit).map((bytes) => pageReader.read(bytes));
  return { items: items as Entry[], more: found.length > limit };
}

const pageReader = new BsonReader();

/** A page of the items of a list inside each document of a view: the document once per item, with the item in place of the list. */
export async function readParts<Doc extends object>(
  { models }: Pick<Sources, 'models'>,
  name: string,
  { filter, part, partFilter, sort, limit }: Wanted & { readonly part: string; readonly partFilter: object },
): Promise<Page<Doc>> {
  const { db, scope } = models[inside];
  const parts = db
    .collection(name)
    .aggregate<Doc>(
      [
        { $match: withinWalls(name, scope, filter) },
        { $unwind: `$${part}` },
        { $match: partFilter },
        { $sort: { ...sort } },
        { $limit: limit + 1 },
      ],
      { maxTimeMS: QUERY_WITHIN_MS },
    );
  const found = await databaseAnswer(parts.toArray());
  return { items: found.slice(0, limit), more: found.length > limit };
}

/** How many documents of a view have each value of a field, by value, and how many have none. */
export async function countBy(
  { models }: Pick<Sources, 'models'>,
  name: string,
  field: string,
  filter: object,
): Promise<readonly Counted[]> {
  const { db, scope } = models[inside];
  const counted = db
    .collection(name)
    .aggregate<{ readonly _id: string | null; readonly count: number }>(
      [{ $match: withinWalls(name, scope, filter) }, { $group: { _id: `$${field}`, count: { $sum: 1 } } }, { $sort: { _id: 1 } }],
      { maxTimeMS: QUERY_WITHIN_MS },
    );
  return (await databaseAnswer(counted.toArray())).map(({ _id, count }) => ({ ...(_id !== null && { value: _id }), count }));
}

/** How many have a value; without a value, how many have none. */
export interface Counted {
  readonly value?: string;
  readonly count: number;
}

/** A page of a view of tickets, each with the revision that it includes. */
export async function readTickets<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  face: { readonly name: string },
  wanted: Wanted,
): Promise<Page<ViewDocument<Doc>>> {
  const { items, more } = await readPage<ViewDocument<Doc>>(sources, face.name, wanted);
  return { items: await databaseAnswer(withLastSeen(sources.models[inside].db, { group: ticketViews, face }, items)), more };
}

/** The documents of a view by id, as they were folded. @param asked.where a filter @param asked.hidden fields that readers do not need */
export function readByName<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  {
    view,
    where = {},
    limit,
    after,
    hidden = [],
  }: { readonly view: string; readonly where?: object; readonly hidden?: readonly string[] } & ByName,
): Promise<Page<Doc>> {
  const filter = after === undefined ? where : { ...where, _id: { $gt: after } };
  return readPage(sources, view, { filter, sort: { _id: 1 }, limit, hidden: ['_id', 'position', 'revision', ...hidden] });
}

/** Documents of a view, newest first. */
export interface NewestFirst<Filter> {
  readonly filter: Filter;
  readonly limit: number;
  /** Position of the last item of the previous page. */
  readonly before?: number | undefined;
}

/** A page of the documents of a view, newest first. */
export function readNewest<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  view: string,
  { filter, limit, before }: NewestFirst<object>,
): Promise<Page<ViewDocument<Doc>>> {
  const earlier = before === undefined ? {} : { position: { $lt: before } };
  return readPage(sources, view, { filter: { ...filter, ...earlier }, sort: { position: -1 }, limit });
}

/** A document of a view as it was folded, and the revision that it includes; for readers who may not see the events. */
export async function readOne<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  { view, id }: { readonly view: string; readonly id: string },
): Promise<{ readonly state: Doc | null; readonly revision: number }> {
  const [found] = await databaseAnswer(find<Doc>(sources, view, { _id: id }).toArray());
  if (found === undefined) return { state: null, revision: -1 };
  const { _id, position: _position, revision, ...state } = found;
  return { state: state as unknown as Doc, revision };
}

/** The documents of a view with these ids, by id, as they were folded. */
export async function readByIds<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  { view, ids }: { readonly view: string; readonly ids: readonly string[] },
): Promise<readonly Doc[]> {
  const found = find<Doc>(sources, view, { _id: { $in: [...ids] } }, { _id: 0, position: 0, revision: 0 });
  return (await databaseAnswer(found.sort({ _id: 1 }).toArray())) as object[] as Doc[];
}

/** The position that a group of views has reached, for a query. */
export function positionOfViews({ models }: Pick<Sources, 'models'>, name: string): Promise<Position | undefined> {
  return groupPosition(models[inside], name);
}

/** The position that a group of views has reached. */
export function groupPosition({ db }: ReadModels, name: string): Promise<Position | undefined> {
  return databaseAnswer(positionOf(db, name));
}

/** The condition of a group of views, in any process. */
export function groupHealth({ db }: ReadModels, name: string): Promise<ViewHealth> {
  return databaseAnswer(healthOfGroup(db, name));
}

/** The condition of webhooks and messages, in any process. Names of destinations are not included. */
export async function healthOfDeliveries({ db }: ReadModels, store: EventStore) {
  const health = await databaseAnswer(deliveryHealth(db, store));
  return Object.fromEntries(Object.entries(health).map(([kind, { broken, ...rest }]) => [kind, { ...rest, broken: broken.length }]));
}

/** The condition of a policy, in any process. */
export function policyHealth({ db }: ReadModels, policy: Parameters<typeof healthOfPolicy>[1]): Promise<ViewHealth> {
  return databaseAnswer(healthOfPolicy(db, policy));
}

function notYetVisible(name: string): Refusal {
  return refuse('not-yet-visible', `${name} has not caught up yet; try again`);
}
