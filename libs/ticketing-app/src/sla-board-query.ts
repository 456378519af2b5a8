import { type Instant, instantFrom, isRefusal, type Position, type Refusal } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import {
  type BoardKey,
  boardLine,
  type BoardLine,
  type BoardState,
  NEVER_DUE,
  slaBoard,
  type SlaBoardEntry,
  ticketSla,
  type TicketSla,
  ticketViews,
  type Tier,
} from '#ticketing';
import { type ChangesAsked, type ComingAndGoing, readChanged } from './changed-documents.js';
import { databaseAnswer, find, type Page, readTickets, type Sources, waitForPosition } from './read-models.js';

export interface BoardFilter {
  readonly client?: string | undefined;
  readonly tier?: Tier | undefined;
  readonly state?: BoardState | undefined;
  readonly atRisk?: boolean | undefined;
}

/** Where a page of a board ended. */
export interface BoardPlaceOf {
  readonly due: string;
  readonly id: string;
}

/** A line with its ticket. */
export type SlaBoardLine = BoardLine & Pick<ViewDocument, '_id' | 'revision' | 'position'>;

export interface SlaBoardAsked {
  readonly key: BoardKey;
  readonly filter: BoardFilter;
  readonly limit: number;
  readonly after?: BoardPlaceOf | undefined;
  /** A position in the log that the board must include. */
  readonly atLeast?: Position | undefined;
}

export interface SlaBoardPage extends Page<SlaBoardLine> {
  readonly evaluatedAt: Instant;
  /** Where the page ends; absent if it is empty. */
  readonly end?: BoardPlaceOf;
}

/** Clocks that have not ended, sorted by due instant, as they are now. */
export async function readSlaBoard(
  sources: Sources,
  { key, filter: wanted, limit, after, atLeast }: SlaBoardAsked,
): Promise<SlaBoardPage | Refusal> {
  const behind = await waitForPosition(sources, ticketViews, atLeast);
  if (behind !== undefined) return behind;
  const evaluatedAt = instantFrom(Date.now());
  const { filter, sort } = boardCriteria(wanted, key, evaluatedAt, after);
  const { items: shown, more } = await readTickets<SlaBoardEntry>(sources, slaBoard, { filter, sort, limit });
  const items = await linesOf(sources, shown, key, evaluatedAt);
  const last = shown.at(-1);
  const due = last?.places[key]?.due;
  return { items, more, evaluatedAt, ...(last && due ? { end: { due, id: last._id } } : {}) };
}

export interface ChangedBoard extends ComingAndGoing<SlaBoardLine> {
  readonly evaluatedAt: Instant;
}

/**
 * What has changed on a board since a position: tickets that are on it now, and those that are not, or no longer. Time alone changes no
 * ticket.
 */
export async function readChangedBoard(
  sources: Sources,
  {
    key,
    filter: { client, tier },
    ...asked
  }: { readonly key: BoardKey; readonly filter: Pick<BoardFilter, 'client' | 'tier'> } & ChangesAsked,
): Promise<ChangedBoard | Refusal> {
  const ofClient = client === undefined ? {} : { client };
  const changes = await readChanged<ViewDocument<SlaBoardEntry>>(sources, { view: slaBoard.name, filter: ofClient }, asked);
  if (isRefusal(changes)) return changes;
  const evaluatedAt = instantFrom(Date.now());
  const ofTier = changes.items.filter((entry) => tier === undefined || entry.tier === tier);
  const items = await linesOf(sources, ofTier, key, evaluatedAt);
  const here = new Set(items.map(({ _id }) => _id));
  return { ...changes, items, gone: changes.items.flatMap(({ _id }) => (here.has(_id) ? [] : [_id])), evaluatedAt };
}

/** The lines of entries; none for an entry whose ticket has no such clock running or paused. */
async function linesOf(
  sources: Pick<Sources, 'models'>,
  entries: readonly ViewDocument<SlaBoardEntry>[],
  key: BoardKey,
  now: Instant,
): Promise<readonly SlaBoardLine[]> {
  const clocks = await clocksOf(
    sources,
    entries.map(({ _id }) => _id),
  );
  return entries.flatMap(({ _id, revision, position, ...entry }) => {
    const sla = clocks.get(_id);
    const line = sla && boardLine(entry, sla, key, now);
    return line === undefined ? [] : [{ _id, ...line, revision, position }];
  });
}

/** The clocks of tickets, under their contracts. */
async function clocksOf(sources: Pick<Sources, 'models'>, ids: readonly string[]): Promise<ReadonlyMap<string, TicketSla>> {
  const found = find<TicketSla>(sources, ticketSla.name, { _id: { $in: [...ids] } });
  return new Map((await databaseAnswer(found.toArray())).map((sla) => [sla._id, sla]));
}

/** Filter for the lines at an instant, and the sort key, in MongoDB's query language. */
export function boardCriteria(
  { client, tier, state, atRisk }: BoardFilter,
  key: BoardKey,
  now: Instant,
  after?: { readonly due: string; readonly id: string },
): { readonly filter: object; readonly sort: Readonly<Record<string, 1>> } {
  const due = `places.${key}.due`;
  const warnAt = `places.${key}.warnAt`;
  const states: Readonly<Record<BoardState, object>> = {
    // An overdue clock is breached even if no event says so yet; one due at closing time is overdue right after it.
    breached: { [due]: { $lt: now } },
    warned: { [due]: { $gte: now, $lt: NEVER_DUE }, [warnAt]: { $lte: now } },
    due: { [due]: { $gte: now, $lt: NEVER_DUE }, [warnAt]: { $not: { $lte: now } } },
    paused: { [due]: NEVER_DUE },
  };
  const conditions: object[] = [
    // Tickets whose clocks have all ended have no place.
    state === undefined ? { [due]: { $gt: '' } } : states[state],
    ...(client === undefined ? [] : [{ client }]),
    ...(tier === undefined ? [] : [{ tier }]),
    ...(atRisk === undefined ? [] : [atRisk ? { riskFrom: { $lt: now } } : { riskFrom: { $not: { $lt: now } } }]),
    ...(after === undefined ? [] : [{ [due]: { $gte: after.due } }, { $or: [{ [due]: { $gt: after.due } }, { _id: { $gt: after.id } }] }]),
  ];
  return { filter: { $and: conditions }, sort: { [due]: 1, _id: 1 } };
}
