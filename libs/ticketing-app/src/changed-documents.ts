import { type Position, refuse, type Refusal } from '#eventsourcing';
import { ticketViews } from '#ticketing';
import { positionOfViews, readPage, type Sources } from './read-models.js';

/** A request for changes, a page at a time. */
export interface ChangesAsked {
  /** Only changes after this position; all if it is the start. */
  readonly since: Position | 'start';
  readonly limit: number;
  /** Where the previous page ended, and where the list ends: later changes come with the next list. */
  readonly after?: { readonly position: number; readonly upTo: string } | undefined;
}

/** Changes, in log order. */
export interface Changes<Entry> {
  readonly items: readonly Entry[];
  readonly more: boolean;
  /** Commit position up to which every change is in this list or an earlier one: the next list starts there. */
  readonly upTo: string;
  /** Commit position of the last change on the page. */
  readonly end?: number;
}

/** Changes of a list that tickets enter and leave. */
export interface ComingAndGoing<Entry> extends Changes<Entry> {
  /** Ids of the changed tickets that are not in the list now, whether or not they were before. */
  readonly gone: readonly string[];
}

interface ChangedIn {
  /** Name of the view of tickets. */
  readonly view: string;
  /** Filter for its documents, in MongoDB's query language. */
  readonly filter: object;
  /** Fields that readers do not need. */
  readonly hidden?: readonly string[];
}

/**
 * The documents of a view of tickets that have changed since a position, each once, in the order of their last change. Asking again from
 * the end of a list misses nothing, whatever is written in between: a list goes only as far as all partitions of the views.
 */
export async function readChanged<Doc extends object>(
  sources: Sources,
  { view, filter, hidden = [] }: ChangedIn,
  { since, limit, after }: ChangesAsked,
): Promise<Changes<Doc & { readonly position: number }> | Refusal> {
  const from = since === 'start' ? -1n : since.commit;
  const upTo = after?.upTo ?? String((await positionOfViews(sources, ticketViews.name))?.commit ?? 0n);
  if (BigInt(upTo) < from) {
    const end = await sources.store.end();
    if (end === 'start' || end.commit < from) {
      return refuse('unknown-position', 'The log has not reached that position yet', [
        { field: 'changedSince', message: 'must be a position that this log has reached' },
      ]);
    }
  }
  const changed = { $gt: after?.position ?? Number(from), $lte: Number(upTo) };
  const page = await readPage<Doc & { readonly position: number }>(sources, view, {
    filter: { $and: [{ position: changed }, filter] },
    sort: { position: 1 },
    limit,
    hidden,
  });
  const last = page.items.at(-1);
  return { ...page, upTo: BigInt(upTo) < from ? String(from) : upTo, ...(last && { end: last.position }) };
}
