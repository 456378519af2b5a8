import type { LoggedEvent } from '#feeds';
import type { EventFilter, PublicEvent, Webhook } from '#ticketing';
import type { Attempt, DeliveryDocument } from './documents.js';
import type { Patience } from './patience.js';

/** The position of what is in no log. */
export const NOWHERE = '0/0';

/** What is sent because of an event: byte for byte the same each time, unless what the event says was erased. Those of a subject are sent one after another. */
export type Parcel = Required<Pick<DeliveryDocument, 'event' | 'type' | 'subject' | 'position' | 'body'>> & {
  /** Since when it ought to be there, in milliseconds since 1970, where it is given up by that; else by its first failure. */
  readonly since?: number;
};

/** What came of one try. */
export interface Tried extends Omit<Attempt, 'at'> {
  /** `failed` is worth another try, `refused` is not. */
  readonly outcome: 'taken' | 'failed' | 'refused';
  /** How long the receiver asks to be left alone, in milliseconds. */
  readonly retryAfterMs?: number;
}

/** Where events, or what follows from them, are delivered to. */
export interface Destination extends Pick<Webhook, 'generation' | 'from' | 'replays'> {
  readonly id: string;
  /** Another one where anything about it has changed: it is begun anew. */
  readonly revision: number;
  readonly patience: Patience;
  readonly filter: EventFilter;
  sees(event: PublicEvent): boolean;
  parcels(logged: LoggedEvent): readonly Parcel[];
  /** An error that it throws is a failed try. @param abandoned aborts when the process is to stop: whether it was taken is then not known */
  send(parcel: Parcel, at: Date, abandoned: AbortSignal): Promise<Tried>;
  /**
   * Told of what was taken, refused or has failed for too long, before that is stored; may come again after a crash.
   * @param tries how often it was sent in all, and `last` what came of that the last time
   */
  settled?(parcel: Parcel, outcome: Tried['outcome'], tries: number, last: Attempt): Promise<void>;
  /** Whether what is refused or given up stays, to be looked at and sent again by hand, though `settled` was told of it. */
  readonly keepsDead?: true;
  /** The last test that was asked for, and its number. It is sent once. */
  readonly test?: { readonly number: number; readonly parcel: Parcel };
}
