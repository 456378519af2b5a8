import { LRUCache } from 'lru-cache';
import { type EventStore, evolve, type StoredEvent, StreamDeleted, upcast } from '#eventsourcing';
import { type ClockedTicketState, clocksMet, type SlaMet, ticket, type TicketPlace } from '#ticketing';

/** The state right after an event of a ticket, apart from the event itself. */
export interface AfterEvent {
  readonly place: TicketPlace;
  /** The clocks that the event ended in time. */
  readonly met: readonly SlaMet[];
}

/** A ticket as far as its stream has been read. */
interface Life {
  revision: number;
  state: ClockedTicketState;
  /** Where it was, and from which revision on. */
  readonly places: { readonly from: number; readonly place: TicketPlace }[];
  /** Revision → the clocks that ended in time. */
  readonly met: Map<number, readonly SlaMet[]>;
}

/** Number of folded tickets in the cache. Any other ticket costs a read of its stream. */
const MOST_TICKETS = 5_000;

/** The state of tickets right after each of their events. */
export class TicketLives {
  readonly #lives = new LRUCache<string, Life>({ max: MOST_TICKETS });

  constructor(private readonly store: EventStore) {}

  /** An event that does not belong to a ticket has no place and ends no clock. @throws StoreUnavailable */
  async after(event: StoredEvent): Promise<AfterEvent> {
    if (!event.stream.startsWith(`${ticket.category}-`)) return { place: {}, met: [] };
    let life = this.#lives.get(event.stream);
    if (life === undefined) this.#lives.set(event.stream, (life = { revision: -1, state: null, places: [], met: new Map() }));
    if (event.revision === life.revision + 1) apply(life, event);
    else if (event.revision > life.revision) await this.#readOn(life, event);
    const place = life.places.findLast(({ from }) => from <= event.revision)?.place ?? {};
    return { place, met: life.met.get(event.revision) ?? [] };
  }

  async #readOn(life: Life, { stream, revision }: StoredEvent): Promise<void> {
    try {
      for await (const event of this.store.readStream(stream, life.revision + 1)) {
        if (event.revision > revision) return;
        // Another reader may have read further in the meantime.
        if (event.revision > life.revision) apply(life, event);
      }
    } catch (error) {
      // Use what is left of it in the log.
      if (!(error instanceof StreamDeleted)) throw error;
    }
  }
}

function apply(life: Life, stored: StoredEvent): void {
  const event = upcast(ticket, stored);
  const before = life.state;
  life.state = evolve(ticket, before, event, event.metadata);
  life.revision = event.revision;
  if (life.state === null) return;
  const met = clocksMet(before, life.state);
  if (met.length > 0) life.met.set(event.revision, met);
  const { tier, team, priority } = life.state;
  const last = life.places.at(-1)?.place;
  if (last === undefined || last.tier !== tier || last.team !== team || last.priority !== priority)
    life.places.push({ from: event.revision, place: { tier, priority, ...(team === undefined ? {} : { team }) } });
}
