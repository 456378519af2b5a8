import type { Position } from '#eventsourcing';
import { datesBy } from '#mongo';
import { type Facts, foldTicket, ticketFacts, type TicketFacts, type TicketFold } from '#ticketing';
import { databaseAnswer, find, findMany, type Sources } from './read-models.js';
import { readTicketEvents } from './ticket-events.js';

/** Few enough that decoded documents are collected while young. */
const BATCH = 500;

/** Facts with their position. */
export type PlacedFacts = Facts & { readonly position: number };

/**
 * The facts of tickets as of a position in the log, each ticket once, in batches, unordered. For unchanged tickets the document is read;
 * for changed ones the ticket's events are folded up to the position.
 * @param where a bound on the tickets needed, in MongoDB's query language; tickets that have changed since come whether or not they match
 * @param fields the fields to read: reading is most of the cost of a report
 */
export async function* factsAt(
  { models, store }: Pick<Sources, 'models' | 'store'>,
  position: Position,
  { where, fields }: { readonly where: object; readonly fields: readonly (keyof TicketFacts)[] },
): AsyncGenerator<readonly PlacedFacts[]> {
  const at = Number(position.commit);
  const projection = Object.fromEntries([...fields, 'position'].map((field) => [field, 1]));
  /** Tickets that had changed. */
  const folded = new Set<string>();
  /** Ids of the tickets read from documents, one string per batch: a set of a million would take more memory than everything else. */
  const read: string[] = [];
  const changed = async function* (): AsyncGenerator<readonly PlacedFacts[]> {
    const found = find<object>({ models }, ticketFacts.name, { position: { $gt: at } }, { _id: 1 });
    const ids = (await databaseAnswer(found.toArray())).map(({ _id }) => _id).filter((id) => !folded.has(id));
    // Tickets that change during the read may already have been read.
    const known = ids.length === 0 ? undefined : new Set(read.flatMap((batch) => batch.split(' ')));
    for (const id of ids) {
      if (known?.has(id)) continue;
      folded.add(id);
      const facts = await foldedAt(store, id, position);
      if (facts !== undefined) yield [facts];
    }
  };
  yield* changed();
  for await (const found of findMany<PlacedFacts>({ models }, ticketFacts.name, where, { projection, batch: BATCH })) {
    const batch = found.filter(({ _id, position }) => position <= at && !folded.has(_id));
    read.push(batch.map(({ _id }) => _id).join(' '));
    yield batch;
  }
  yield* changed();
}

/** The facts of a ticket, folded from its events up to a position; undefined if it did not exist yet. */
async function foldedAt(store: Sources['store'], id: string, { commit }: Position): Promise<PlacedFacts | undefined> {
  const events = await readTicketEvents(store, id, commit);
  const document = ticketFacts.document(events.reduce<TicketFold | null>(foldTicket, null));
  const position = Number(events.at(-1)?.position.commit);
  return document === null ? undefined : ({ ...asStored(document), _id: id, position } as unknown as PlacedFacts);
}

let dated: ((document: object) => object) | undefined;

/** As MongoDB returns it: instants are dates. */
function asStored(document: object): object {
  dated ??= datesBy(ticketFacts.schema());
  return dated(document);
}
