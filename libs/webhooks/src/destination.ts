import type { LoggedEvent } from '#feeds';
import type { EventFilter, PublicEvent, Webhook } from '#ticketing';
import type { Attempt, DeliveryDocument } from './documents.js';
import type { Patience } from './patience.js';

/** The position of something that is in no log. */
export const NOWHERE = '0/0';

/**
 * What is sent because of an event: the same bytes each time, unless content of the event was erased. Those of a subject are sent one after
 * another.
 */
export type Parcel = Required<Pick<DeliveryDocument, 'event' | 'type' | 'subject' | 'position' | 'body'>> & {
  /** The start of the period after which it is given up, in milliseconds since 1970; otherwise its first failure. */
  readonly since?: number;
};

/** The outcome of one attempt. */
export interface Tried extends Omit<Attempt, 'at'> {
  /** `failed` may be retried, `refused` is final. */
  readonly outcome: 'taken' | 'failed' | 'refused';
  /** How long the receiver requests no further attempts, in milliseconds. */
  readonly retryAfterMs?: number;
}

/** A destination of events, or of what follows from them. */
export interface Destination extends Pick<Webhook, 'generation' | 'from' | 'replays'> {
  readonly id: string;
  /** Changes whenever the destination does: delivery then starts over. */
  readonly revision: number;
  readonly patience: Patience;
  readonly filter: EventFilter;
  sees(event: PublicEvent): boolean;
  parcels(logged: LoggedEvent): readonly Parcel[];
  /**
   * If it throws, the attempt has failed. @param abandoned aborts when the process must stop; it is then unknown whether the parcel was
   * accepted
   */
  send(parcel: Parcel, at: Date, abandoned: AbortSignal): Promise<Tried>;
  /**
   * Called with what was accepted, refused or has failed for too long, before that is stored; may be repeated after a crash.
   * @param tries total number of attempts, and `last` the outcome of the last one
   */
  settled?(parcel: Parcel, outcome: Tried['outcome'], tries: number, last: Attempt): Promise<void>;
  /** Whether what is refused or given up stays, to be inspected and resent manually, although `settled` was called. */
  readonly keepsDead?: true;
  /** The latest requested test, with its number. It is sent once. */
  readonly test?: { readonly number: number; readonly parcel: Parcel };
}
