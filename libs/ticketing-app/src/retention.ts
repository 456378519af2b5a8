import { epochMillis, type Instant, instantFrom, isRefusal, type Refusal, streamName } from '#eventsourcing';
import type { Mongo } from '#mongo';
import { streamsWithKeys } from '#privacy';
import { DAY, type ErasedBecause, privacies, type Privacy, ticket, ticketFacts, type TicketKind } from '#ticketing';
import { readPrivacy } from './desk-queries.js';
import { type Erasing, tellErased } from './erasures.js';
import { databaseAnswer, databaseOf, type Sources } from './read-models.js';

/** Tickets processed together. */
const PAGE = 500;

/** Effect of the retention for a kind of ticket at an instant. */
export interface Due {
  readonly kind: TicketKind;
  readonly days: number;
  /** Tickets that ended by then are due. */
  readonly endedBy: Instant;
  /** How many of them have personal data that can be erased. */
  readonly tickets: number;
}

function termsAt({ retention = {} }: Privacy, now: Instant): readonly Omit<Due, 'tickets'>[] {
  return Object.entries(retention).flatMap(([kind, days]) =>
    days === undefined ? [] : [{ kind: kind as TicketKind, days, endedBy: instantFrom(epochMillis(now) - days * DAY) }],
  );
}

/** Streams of due tickets that have keys, in pages. */
async function* streamsDue(db: Mongo['db'], client: string, { kind, endedBy }: Omit<Due, 'tickets'>): AsyncGenerator<readonly string[]> {
  const due = db
    .collection<{ _id: string }>(ticketFacts.name)
    .find({ client, kind, endedAt: { $lte: new Date(endedBy) } }, { projection: { _id: 1 }, batchSize: PAGE });
  let page: string[] = [];
  for await (const { _id } of due) {
    page.push(streamName(ticket, _id));
    if (page.length < PAGE) continue;
    yield streamsWithKeys(db, page);
    page = [];
  }
  if (page.length > 0) yield streamsWithKeys(db, page);
}

/** Destroys the keys of all tickets that ended longer ago than their clients agreed to. @throws StoreUnavailable */
export async function eraseWhatIsDue(erasing: Erasing, now: Instant): Promise<void> {
  for await (const agreed of erasing.db.collection<Privacy>(privacies.name).find({ retention: { $exists: true } })) {
    for (const terms of termsAt(agreed, now))
      for await (const streams of streamsDue(erasing.db, agreed.client, terms)) {
        for (const stream of streams) await erasing.keys.destroy({ stream }, 'retention' satisfies ErasedBecause, new Date(now));
        if (streams.length > 0) await tellErased(erasing);
      }
  }
}

/** What the agreed retention would erase now. Changes nothing. */
export async function readWhatIsDue(
  sources: Sources,
  { client, now }: { readonly client: string; readonly now: Instant },
): Promise<{ readonly at: Instant; readonly items: readonly Due[] } | Refusal<'privacy-not-found'>> {
  const agreed = await readPrivacy(sources, { client });
  if (isRefusal(agreed)) return agreed;
  const items: Due[] = [];
  for (const terms of termsAt(agreed.state, now)) {
    let tickets = 0;
    const counting = async () => {
      for await (const streams of streamsDue(databaseOf(sources), client, terms)) tickets += streams.length;
    };
    await databaseAnswer(counting());
    items.push({ ...terms, tickets });
  }
  return { at: now, items };
}
