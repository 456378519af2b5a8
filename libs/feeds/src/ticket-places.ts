import { LRUCache } from 'lru-cache';
import { type EventStore, evolve, type StoredEvent, StreamDeleted, upcast } from '#eventsourcing';
import { ticket, type TicketPlace, type TicketState, ticketWithoutClocks } from '#ticketing';

/** A ticket as far as its stream was read, and where it was from which revision on. */
interface Followed {
  revision: number;
  state: TicketState;
  readonly places: { readonly from: number; readonly place: TicketPlace }[];
}

/** Tickets that are kept folded. What is asked about another one costs a read of its stream. */
const MOST_TICKETS = 5_000;

/** Where tickets were right after each of their events. */
export class TicketPlaces {
  readonly #followed = new LRUCache<string, Followed>({ max: MOST_TICKETS });

  constructor(private readonly store: EventStore) {}

  /** Undefined for what is no event of a ticket. @throws StoreUnavailable */
  async after(event: StoredEvent): Promise<TicketPlace | undefined> {
    if (!event.stream.startsWith(`${ticket.category}-`)) return undefined;
    let followed = this.#followed.get(event.stream);
    if (followed === undefined) this.#followed.set(event.stream, (followed = { revision: -1, state: null, places: [] }));
    if (event.revision === followed.revision + 1) apply(followed, event);
    else if (event.revision > followed.revision) await this.#readOn(followed, event);
    return followed.places.findLast(({ from }) => from <= event.revision)?.place;
  }

  async #readOn(followed: Followed, { stream, revision }: StoredEvent): Promise<void> {
    try {
      for await (const event of this.store.readStream(stream, followed.revision + 1)) {
        if (event.revision > revision) return;
        // Another reader may have come further meanwhile.
        if (event.revision > followed.revision) apply(followed, event);
      }
    } catch (error) {
      // What is left of it in the log says where it was as well as anything can.
      if (!(error instanceof StreamDeleted)) throw error;
    }
  }
}

function apply(followed: Followed, stored: StoredEvent): void {
  const event = upcast(ticket, stored);
  followed.state = evolve(ticketWithoutClocks, followed.state, event, event.metadata);
  followed.revision = event.revision;
  if (followed.state === null) return;
  const { tier, team, priority } = followed.state;
  const before = followed.places.at(-1)?.place;
  if (before === undefined || before.tier !== tier || before.team !== team || before.priority !== priority)
    followed.places.push({ from: event.revision, place: { tier, priority, ...(team === undefined ? {} : { team }) } });
}
