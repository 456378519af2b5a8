import { type EventStore, type Position, type ProjectionGroup, refuse, type Refusal, StoreUnavailable, streamName } from '#eventsourcing';
import {
  type FaceName,
  groupHealth as healthOfGroup,
  groupPosition as positionOf,
  isUnreachable,
  type Mongo,
  policyHealth as healthOfPolicy,
  type ViewDocument,
  type ViewHealth,
  waitForRevision,
  withLastSeen,
} from '#mongo';
import { type Scope, ticket, ticketViews } from '#ticketing';

/** How long a reader waits for a view to get where it is asked to be. */
const PATIENCE_MS = 2_000;

/** The database of the read models; its own dependency-injection token. A `Mongo` fits. */
export abstract class ReadModels {
  abstract readonly db: Mongo['db'];
}

/** What queries are answered from. */
export interface Sources {
  readonly store: EventStore;
  readonly models: ReadModels;
  /** What the answer may tell of. */
  readonly scope: Scope;
}

/** A collection of views as its documents are stored. */
export function view<Doc extends object>({ db }: ReadModels, name: string) {
  return db.collection<ViewDocument<Doc>>(name);
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
  const now = await reached(waitForRevision<Doc>(models.db, face, id, atLeast, 0));
  if (now !== 'stale') return now;
  const unknown = await unknownToLog(store, ticketId, atLeast);
  if (unknown !== undefined) return unknown;
  const soon = await reached(waitForRevision<Doc>(models.db, face, id, atLeast, PATIENCE_MS));
  return soon === 'stale' ? notYetVisible(face.face.name) : soon;
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

/** Waits until a group of views has seen all up to a position; undefined when it has, or none was asked for. */
export async function waitForPosition(
  { models, store }: Sources,
  { name, streamPrefix }: Pick<ProjectionGroup<never, never>, 'name' | 'streamPrefix'>,
  position: Position | undefined,
): Promise<Refusal | undefined> {
  if (position === undefined) return undefined;
  const until = Date.now() + PATIENCE_MS;
  for (let wait = 2; ; wait = Math.min(wait * 1.5, 50)) {
    const at = await groupPosition(models, name);
    if (at !== undefined && at.commit >= position.commit) return undefined;
    const left = until - Date.now();
    if (left > 0) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(wait, left)));
      continue;
    }
    // With nothing left to project, the position is none that this log has had.
    for await (const _ of store.readAll({ streamPrefixes: [streamPrefix] }, at)) return notYetVisible(name);
    return refuse('unknown-position', 'The log is not that far yet', [
      { field: 'atLeast', message: 'must be a position that a command has answered' },
    ]);
  }
}

/** Some entries, and whether there are more after the last of them. */
export interface Page<Entry> {
  readonly items: readonly Entry[];
  readonly more: boolean;
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
  { models: { db } }: Pick<Sources, 'models'>,
  name: string,
  { filter, sort, limit, hidden = [] }: Wanted,
): Promise<Page<Entry>> {
  // A collection of plain documents: the driver's types cannot follow filters that are put together.
  const found = await reached(
    db
      .collection(name)
      .find(filter, { projection: Object.fromEntries(hidden.map((field) => [field, 0])) })
      .sort({ ...sort })
      .limit(limit + 1)
      .toArray(),
  );
  return { items: found.slice(0, limit) as object[] as Entry[], more: found.length > limit };
}

/** A page of a view of tickets, each with the revision that it has been projected up to. */
export async function readTickets<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  face: { readonly name: string },
  wanted: Wanted,
): Promise<Page<ViewDocument<Doc>>> {
  const { items, more } = await readPage<ViewDocument<Doc>>(sources, face.name, wanted);
  return { items: await reached(withLastSeen(sources.models.db, { group: ticketViews, face }, items)), more };
}

/** The documents of a view whose ids are names, by name, as they were folded. @param asked.after the name that the page comes after */
export function readByName<Doc extends object>(
  sources: Pick<Sources, 'models'>,
  { view, limit, after }: { readonly view: string; readonly limit: number; readonly after?: string | undefined },
): Promise<Page<Doc>> {
  const filter = after === undefined ? {} : { _id: { $gt: after } };
  return readPage(sources, view, { filter, sort: { _id: 1 }, limit, hidden: ['_id', 'position', 'revision'] });
}

/** The documents of a view that have some of these ids, by id, as they were folded. */
export async function readByIds<Doc extends object>(
  { models }: Pick<Sources, 'models'>,
  { view: name, ids }: { readonly view: string; readonly ids: readonly string[] },
): Promise<readonly Doc[]> {
  const found = view<Doc>(models, name).find({ _id: { $in: [...ids] } } as object, { projection: { _id: 0, position: 0, revision: 0 } });
  return (await reached(found.sort({ _id: 1 }).toArray())) as object[] as Doc[];
}

/** Up to where a group of views has seen the log. */
export function groupPosition({ db }: ReadModels, name: string): Promise<Position | undefined> {
  return reached(positionOf(db, name));
}

/** How a group of views is doing, in whatever process. */
export function groupHealth({ db }: ReadModels, name: string): Promise<ViewHealth> {
  return reached(healthOfGroup(db, name));
}

/** How a policy is doing, in whatever process. */
export function policyHealth({ db }: ReadModels, policy: Parameters<typeof healthOfPolicy>[1]): Promise<ViewHealth> {
  return reached(healthOfPolicy(db, policy));
}

function notYetVisible(name: string): Refusal {
  return refuse('not-yet-visible', `${name} is not that far yet; try again`);
}

/** An answer of the database. @throws StoreUnavailable when it is out of reach */
export async function reached<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    if (isUnreachable(error)) throw new StoreUnavailable(`the database of the read models: ${error.message}`, { cause: error });
    throw error;
  }
}
