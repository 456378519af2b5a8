import type { Position } from '#eventsourcing';
import { datesBy } from '#mongo';
import { type Facts, foldTicket, ticketFacts, type TicketFacts, type TicketFold } from '#ticketing';
import { databaseAnswer, find, findMany, type Sources } from './read-models.js';
import { readTicketEvents } from './ticket-events.js';

/** Few enough that what is decoded of them dies young. */
const BATCH = 500;

/** Facts with where they come from. */
export type PlacedFacts = Facts & { readonly position: number };

/**
 * The facts of tickets as they were at a position of the log, each ticket once, in batches, in no order. What has not changed since is read from
 * its document; what has is folded from the events of the ticket up to there.
 * @param where a bound on which tickets are needed, in MongoDB's query language; tickets that changed since come whether or not they are within it
 * @param fields what is read of each: reading is most of what a report costs
 */
export async function* factsAt(
  { models, store }: Pick<Sources, 'models' | 'store'>,
  position: Position,
  { where, fields }: { readonly where: object; readonly fields: readonly (keyof TicketFacts)[] },
): AsyncGenerator<readonly PlacedFacts[]> {
  const at = Number(position.commit);
  const projection = Object.fromEntries([...fields, 'position'].map((field) => [field, 1]));
  /** Those that had changed. */
  const folded = new Set<string>();
  /** Ids of those that were read as they are, a text for each batch: a set of a million takes more memory than all the rest. */
  const read: string[] = [];
  const changed = async function* (): AsyncGenerator<readonly PlacedFacts[]> {
    const found = find<object>({ models }, ticketFacts.name, { position: { $gt: at } }, { _id: 1 });
    const ids = (await databaseAnswer(found.toArray())).map(({ _id }) => _id).filter((id) => !folded.has(id));
    // What changes while the others are read may be among those that were.
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

/** The facts of a ticket as they followed from its events up to a position; undefined when it was not there yet. */
async function foldedAt(store: Sources['store'], id: string, { commit }: Position): Promise<PlacedFacts | undefined> {
  const events = await readTicketEvents(store, id, commit);
  const document = ticketFacts.document(events.reduce<TicketFold | null>(foldTicket, null));
  const position = Number(events.at(-1)?.position.commit);
  return document === null ? undefined : ({ ...asStored(document), _id: id, position } as unknown as PlacedFacts);
}

let dated: ((document: object) => object) | undefined;

/** As MongoDB has it: instants are dates. */
function asStored(document: object): object {
  dated ??= datesBy(ticketFacts.schema());
  return dated(document);
}
