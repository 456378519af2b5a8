import { type Instant, type RecordedEvent, streamId, type StoredEvent, upcast } from '#eventsourcing';
import type { TicketEvents } from '../events/ticket-events.js';
import { without } from '../plain-json.js';
import { ticketViews } from './projections.js';
import { withWordsOf } from './search-words.js';
import { NEVER_DUE, slaBoard, type SlaBoardEntry } from './sla-board.js';
import type { TicketFold } from './ticket-fold.js';
import { ticketList, type TicketListEntry } from './ticket-list.js';
import { tierQueue, type QueueEntry } from './tier-queue.js';
import { type Cut, type Stretch, Timeline } from './timeline.js';

/** A ticket at certain times, as known at certain times: what past lists, queues and boards are filtered and sorted by. */
export type TicketInstant = Omit<TicketListEntry, 'words'> &
  QueueEntry &
  Pick<SlaBoardEntry, 'places' | 'riskFrom'> & {
    /** `<ticket id>/<revision>/<from>`. */
    readonly _id: string;
    readonly ticketId: string;
    /** Of the last event included. */
    readonly revision: number;
    readonly position: number;
    readonly stretch: Cut;
  };

/** What an event adds to a ticket for the first time, or for an earlier time: words that searches look for. Valid from then on. */
export interface TicketSaying {
  /** `<ticket id>/<revision>/words`. */
  readonly _id: string;
  readonly ticketId: string;
  readonly revision: number;
  readonly words: readonly string[];
  readonly said: Cut;
}

/** A document, and what has been cut off from it. */
export interface TicketStretch {
  readonly document: TicketInstant | TicketSaying;
  readonly cuts: readonly Cut[];
}

/** Raised when what they are made of changes: the documents are then deleted and rebuilt. */
export const TICKET_INSTANTS_VERSION = [ticketViews.version, ticketList.version, tierQueue.version, slaBoard.version, 3].join('.');

/** The times of one ticket, event by event. */
export class TicketTimes {
  readonly #timeline = new Timeline<TicketFold | null, TicketEvents>(ticketViews.initial, ticketViews.fold);
  readonly #positions: number[] = [];
  /** Word → first time at which it was said. */
  readonly #said = new Map<string, Instant>();
  /** The document of the latest stretch: the next event cuts it, and mostly no other. */
  #last: { readonly stretch: Stretch<TicketFold | null>; readonly document: TicketInstant | undefined } | undefined;
  #known: Instant | undefined;

  /** Number of events included. */
  get events(): number {
    return this.#positions.length;
  }

  /** Takes the next event of the ticket. @returns the documents that are new or have a new cut */
  add(stored: StoredEvent): readonly TicketStretch[] {
    const event = upcast(ticketViews.aggregate, stored) as RecordedEvent<TicketEvents>;
    this.#positions.push(Number(event.position.commit));
    const id = streamId(event.stream);
    const stretches = this.#timeline.add(event).flatMap((stretch) => {
      const document = this.#documentOf(id, stretch);
      return document === undefined ? [] : [{ document, cuts: stretch.cuts }];
    });
    return [...stretches, ...this.#sayingOf(id, event)];
  }

  #sayingOf(
    ticketId: string,
    { revision, data, metadata: { effectiveAt: from, recordedAt } }: RecordedEvent<TicketEvents>,
  ): readonly TicketStretch[] {
    // An event is known once all before it are.
    const known = this.#known !== undefined && this.#known > recordedAt ? this.#known : recordedAt;
    this.#known = known;
    const words = withWordsOf([], data).filter((word) => (this.#said.get(word) ?? NEVER_DUE) > from);
    for (const word of words) this.#said.set(word, from);
    const document = { _id: `${ticketId}/${revision}/words`, ticketId, revision, words, said: { from, known } };
    return words.length === 0 ? [] : [{ document, cuts: [] }];
  }

  #documentOf(id: string, stretch: Stretch<TicketFold | null>): TicketInstant | undefined {
    if (this.#last?.stretch !== stretch) this.#last = { stretch, document: this.#made(id, stretch) };
    return this.#last.document;
  }

  #made(id: string, { state, revision, from, known }: Stretch<TicketFold | null>): TicketInstant | undefined {
    const [line, place, board] = [ticketList, tierQueue, slaBoard].map((face) => face.document(state)) as [
      TicketListEntry | null,
      QueueEntry | null,
      SlaBoardEntry | null,
    ];
    if (line === null || place === null || board === null) return undefined;
    return {
      ...without(line, 'words'),
      ...place,
      places: board.places,
      ...(board.riskFrom === undefined ? {} : { riskFrom: board.riskFrom }),
      _id: `${id}/${revision}/${from}`,
      ticketId: id,
      revision,
      position: this.#positions[revision] ?? 0,
      stretch: { from, known },
    };
  }
}
