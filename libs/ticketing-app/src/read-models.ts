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

/** How long a reader waits for a view to get where it is asked to be. */
const PATIENCE_MS = 2_000;

/** Both stores, whole: for what runs queries, and for no query. */
export interface Stores {
  readonly store: EventStore;
  readonly models: ReadModels;
}

const inside: unique symbol = Symbol('inside');

/** The read models, cut to a scope: only what is below reads them. */
export interface ScopedModels {
  readonly [inside]: ReadModels & { readonly scope: Scope };
}

/** What queries are answered from. Nothing else than what the scope allows comes out of it. */
export interface Sources {
  readonly store: ScopedEvents;
  readonly feed: ScopedFeed;
  readonly models: ScopedModels;
  /** What is known of tickets at other times. */
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

/** Of which client a document is. */
const ofClient = (clients: readonly string[]): object => ({ client: { $in: ['', ...clients] } });
/** Of the whole desk. */
const ofDesk = (): object => ({});
/** Of the whole desk, unless it names clients, and none of these. */
const naming = (field: string) => (clients: readonly string[]) => ({
  $or: [{ [field]: { $exists: false } }, { [field]: { $in: [...clients] } }],
});

/** Of those who see, or send, no more clients. */
const withinReach = (field: string) => (clients: readonly string[]) => ({
  [field]: { $ne: 'all', $not: { $elemMatch: { $nin: [...clients] } } },
});

/** View → what of it the clients of a scope leave. A view that is not here is read by no query. */
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
  // Who sees some clients only would read which ids of others were asked about.
  [auditorReads.name]: () => ({ _id: { $exists: false } }),
  [teams.name]: naming('clients'),
  [ticketFilters.name]: naming('query.client'),
  [credentials.name]: withinReach('principal.clients'),
  [accounts.name]: withinReach('principal.clients'),
  [webhooks.name]: withinReach('clients'),
  // Of a sender whose client is not known, only who sees all clients.
  [INBOUND_MAIL]: (clients) => ({ client: { $in: [...clients] } }),
  [agents.name]: ofDesk,
  [onCallSchedules.name]: ofDesk,
};

/** The database itself, for what is no view. Whoever asks has to keep to the scope. */
export function databaseOf({ models }: Pick<Sources, 'models'>): ReadModels['db'] {
  return models[inside].db;
}

/** View → what of it is a requester's own, where that is not what they have reported. */
const OWN: Readonly<Record<string, object>> = {
  [articles.name]: { published: { $exists: true }, visibility: { $in: ['client', 'everybody'] } },
};

/** How a webhook that the scope allows is doing; null before it was taken up. */
export function progressOf({ models }: Pick<Sources, 'models'>, webhook: string): Promise<Progress | null> {
  return databaseAnswer(progress(models[inside].db).findOne({ _id: webhook }));
}

/** Messages that came by e-mail and were not taken, or not wholly, as they are kept: see `openMail`. */
export function readMailAside(sources: Sources, { limit, after }: ByName) {
  return readByName<InboundMailDocument>(sources, { view: INBOUND_MAIL, where: { outcome: 'aside' }, limit, after });
}

/** The events on their way to a webhook that the scope allows, in order. @param after order and id of the last one of the page before */
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

/** Which of some events are dead letters of a webhook. */
export async function deadLettersAmong({ db }: ReadModels, webhook: string, events: readonly string[]): Promise<ReadonlySet<string>> {
  const found = deliveries(db).find({ webhook, state: 'dead', event: { $in: [...events] } }, { maxTimeMS: QUERY_WITHIN_MS });
  return new Set((await databaseAnswer(found.toArray())).map(({ event }) => event));
}

/** What of a view may be seen, in MongoDB's query language. */
function withinWalls(name: string, { clients, reporter }: Scope, filter: object): object {
  const wall = WALLS[name];
  if (wall === undefined) throw new Error(`it is not declared which documents of ${name} belong to which client`);
  const walls = [
    ...(clients === 'all' ? [] : [wall(clients)]),
    ...(reporter === undefined ? [] : [OWN[name] ?? { 'reporter.id': reporter }]),
  ];
  return walls.length === 0 ? filter : { $and: [...walls, filter] };
}

/** The documents of a view that a filter and the scope leave. @param raw as bytes */
export function find<Doc extends object>(
  { models }: Pick<Sources, 'models'>,
  name: string,
  filter: object,
  projection: object = {},
  raw = false,
) {
  const { db, scope } = models[inside];
  const options = { projection, raw, maxTimeMS: QUERY_WITHIN_MS };
  // A collection of plain documents: the driver's types cannot follow filters that are put together.
  return db.collection<ViewDocument<Doc>>(name).find(withinWalls(name, scope, filter) as never, options);
}

/**
 * The same, of however many: a batch at a time, as fast as they are taken.
 * @param wanted.withinMs how long the database may take, in milliseconds; 0 for as long as it takes
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
 * The document of a ticket once it has seen a revision, or why not: the log knows no such ticket, or it never was at that revision,
 * or the view is not that far yet.
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

/** Why a ticket or a revision of it cannot become visible however long one waits; undefined when it can. */
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

/** Waits until a group of views has seen all up to a position; undefined when it has, or none was asked for. @param field in which it was asked for */
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
  // With nothing left to project, the position is none that this log has had.
  for await (const _ of store.readAll({ streamPrefixes: [streamPrefix] }, at)) return notYetVisible(name);
  return refuse('unknown-position', 'The log has not reached that position yet', [
    { field, message: 'must be a position that this log has reached' },
  ]);
}

/** Some entries, and whether there are more after the last of them. */
export interface Page<Entry> {
  readonly items: readonly Entry[];
  readonly more: boolean;
}

/** A page of a list that is sorted by name or id. */
export interface ByName {
  readonly limit: number;
  /** The name or id that the page comes after. */
  readonly after?: string | undefined;
}

/** Which entries of a view, in which order, and how many of them. */
interface Wanted {
  readonly filter: object;
  readonly sort: Readonly<Record<string, 1 | -1>>;
  readonly limit: number;
  /** Fields that the projection needs and readers do not. */
  readonly hidden?: readonly string[];
}

/** A page of a view: one entry more is read, to know whether there are more. */
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

/** A page of what a list within each document of a view holds: a document once for each of its entries, with the entry in the place of the list. */
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

/** How many documents of a view have each value of a field, by value; those without one have none. */
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

/** How many have a value; without it, how many have none. */
export interface Counted {
  readonly value?: string;
  readonly count: number;
}

/** A page of a view of tickets, each with the revision that it has been projected up to. */
export async function readTickets<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  face: { readonly name: string },
  wanted: Wanted,
): Promise<Page<ViewDocument<Doc>>> {
  const { items, more } = await readPage<ViewDocument<Doc>>(sources, face.name, wanted);
  return { items: await databaseAnswer(withLastSeen(sources.models[inside].db, { group: ticketViews, face }, items)), more };
}

/** The documents of a view by id, as they were folded. @param asked.where a filter */
export function readByName<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  { view, where = {}, limit, after }: { readonly view: string; readonly where?: object } & ByName,
): Promise<Page<Doc>> {
  const filter = after === undefined ? where : { ...where, _id: { $gt: after } };
  return readPage(sources, view, { filter, sort: { _id: 1 }, limit, hidden: ['_id', 'position', 'revision'] });
}

/** A document of a view as it was folded, and the revision that it has seen; for who sees none of the events. */
export async function readOne<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  { view, id }: { readonly view: string; readonly id: string },
): Promise<{ readonly state: Doc | null; readonly revision: number }> {
  const [found] = await databaseAnswer(find<Doc>(sources, view, { _id: id }).toArray());
  if (found === undefined) return { state: null, revision: -1 };
  const { _id, position: _position, revision, ...state } = found;
  return { state: state as unknown as Doc, revision };
}

/** The documents of a view that have some of these ids, by id, as they were folded. */
export async function readByIds<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  { view, ids }: { readonly view: string; readonly ids: readonly string[] },
): Promise<readonly Doc[]> {
  const found = find<Doc>(sources, view, { _id: { $in: [...ids] } }, { _id: 0, position: 0, revision: 0 });
  return (await databaseAnswer(found.sort({ _id: 1 }).toArray())) as object[] as Doc[];
}

/** Up to where a group of views has seen the log, for a query. */
export function positionOfViews({ models }: Pick<Sources, 'models'>, name: string): Promise<Position | undefined> {
  return groupPosition(models[inside], name);
}

/** Up to where a group of views has seen the log. */
export function groupPosition({ db }: ReadModels, name: string): Promise<Position | undefined> {
  return databaseAnswer(positionOf(db, name));
}

/** How a group of views is doing, in whatever process. */
export function groupHealth({ db }: ReadModels, name: string): Promise<ViewHealth> {
  return databaseAnswer(healthOfGroup(db, name));
}

/** How webhooks and messages are doing, in whatever process. Names of destinations stay inside. */
export async function healthOfDeliveries({ db }: ReadModels, store: EventStore) {
  const health = await databaseAnswer(deliveryHealth(db, store));
  return Object.fromEntries(Object.entries(health).map(([kind, { broken, ...rest }]) => [kind, { ...rest, broken: broken.length }]));
}

/** How a policy is doing, in whatever process. */
export function policyHealth({ db }: ReadModels, policy: Parameters<typeof healthOfPolicy>[1]): Promise<ViewHealth> {
  return databaseAnswer(healthOfPolicy(db, policy));
}

function notYetVisible(name: string): Refusal {
  return refuse('not-yet-visible', `${name} has not caught up yet; try again`);
}
