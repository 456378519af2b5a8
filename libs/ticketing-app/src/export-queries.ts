import { formatPosition, isRefusal, type Position, type Refusal } from '#eventsourcing';
import { type Batches, columnsOf, type DataSet, type Row } from '#exports';
import { eventLogSchema, loggedEvents, OF_LOGGED_TICKET, ticketDetails, ticketFacts, ticketViews, XES_KEYS } from '#ticketing';
import { LOG_START, positionFor } from './kpi-query.js';
import { findMany, positionOfViews, type Sources } from './read-models.js';
import { readTicketEvents } from './ticket-events.js';

/** The facts of tickets, one row each. */
export const FACTS_SET: DataSet = {
  name: 'ticket-facts',
  says: 'Facts of tickets, one row each, in the order of their last change',
  columns: columnsOf(ticketFacts.schema()),
};

/** The events of tickets, one row each. */
export const EVENT_LOG_SET: DataSet = {
  name: 'event-log',
  says: "Events of tickets, grouped by ticket, in the order of the tickets' last change",
  columns: columnsOf(eventLogSchema()),
  log: { case: 'ticketId', ofCase: OF_LOGGED_TICKET, keys: XES_KEYS },
};

export interface ExportAsked {
  /** Commit position up to which the caller knows everything. */
  readonly after?: Position | undefined;
}

/** What has changed after a position: each ticket once, in the order of the last change. Later changes come with the next export. */
export interface Export {
  readonly set: DataSet;
  /** The position that it goes up to: the next one starts there. */
  readonly upTo: string;
  readonly batches: Batches;
}

const BATCH = 1_000;
/** Streams read concurrently. */
const STREAMS = 32;

/** Facts as they are stored. */
export function exportFacts(sources: Sources, { after }: ExportAsked): Promise<Export | Refusal> {
  return exported(sources, after, FACTS_SET, (range) => documents(sources, ticketFacts.name, range, {}));
}

/** Tickets that have changed, with all of their events up to that position. */
export function exportEventLog(sources: Sources, { after }: ExportAsked): Promise<Export | Refusal> {
  return exported(sources, after, EVENT_LOG_SET, async function* (range) {
    for await (const batch of documents(sources, ticketDetails.name, range, { position: 1 })) {
      const ids = batch.map(({ _id }) => _id as string);
      for (let from = 0; from < ids.length; from += STREAMS) {
        const tickets = await Promise.all(ids.slice(from, from + STREAMS).map((id) => readTicketEvents(sources.store, id, range.to)));
        yield tickets.flatMap(loggedEvents);
      }
    }
  });
}

/** Commit positions, the first excluded. */
interface Range {
  readonly from: bigint;
  readonly to: bigint;
}

async function exported(
  sources: Sources,
  after: Position | undefined,
  set: DataSet,
  read: (range: Range) => Batches,
): Promise<Export | Refusal> {
  let position = (await positionOfViews(sources, ticketViews.name)) ?? LOG_START;
  if (after !== undefined && after.commit > position.commit) {
    const known = await positionFor(sources, after, 'after');
    if (isRefusal(known)) return known;
    position = known;
  }
  return { set, upTo: formatPosition(position), batches: read({ from: after?.commit ?? -1n, to: position.commit }) };
}

/** Documents of a view that changed in a range of the log, in that order, without a limit. */
function documents(sources: Sources, view: string, { from, to }: Range, projection: object): AsyncGenerator<readonly Row[]> {
  const changed = { position: { $gt: Number(from), $lte: Number(to) } };
  return findMany<object>(sources, view, changed, { projection, sort: { position: 1 }, batch: BATCH, withinMs: 0 }) as AsyncGenerator<
    readonly Row[]
  >;
}
