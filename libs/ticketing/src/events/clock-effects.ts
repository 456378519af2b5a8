import type { ClockKind, HoldReason, Priority, Tier } from '../vocabulary.js';

/** A clock that an event starts, unless one like it is still open. Cycles of tiers and vendors are counted where the clocks are kept. */
export type ClockStart =
  | { readonly clock: 'response' }
  | { readonly clock: 'resolution'; readonly cycle: number }
  /** `unlessWorking`: not while the tier's `tier-work` clock is open. */
  | { readonly clock: 'tier-accept' | 'tier-work'; readonly tier: Tier; readonly unlessWorking?: true }
  /** Of the vendor that the last hand-off named. */
  | { readonly clock: 'vendor' };

/** Clocks that an event stops, with a verdict: all of a kind, except those of one tier. */
export interface ClockStop {
  readonly clock: ClockKind;
  readonly except?: Tier;
}

/** What a policy or time went by when it moved a ticket: what is left out it did not ask. */
export interface Supposed {
  /** The tier that the ticket was at. */
  readonly tier?: Tier;
  /** Id of who had the ticket; null: nobody. */
  readonly assignee?: string | null;
  /** What the ticket was on hold for. */
  readonly hold?: HoldReason;
}

/** What an event does to the clocks of its ticket. What is left out stays as it is. */
export interface ClockEffects {
  readonly starts?: readonly ClockStart[];
  readonly stops?: readonly ClockStop[] | 'all';
  /** All clocks end without a verdict. */
  readonly cancels?: true;
  /** Nothing more is told of its clocks. */
  readonly silences?: true;
  /** The priority, which sets the targets. */
  readonly priority?: Priority;
  /** A hold begins: it pauses the clocks that the contract says. */
  readonly holds?: HoldReason;
  readonly endsHolds?: true;
  /** A hand-off waits to be accepted, or no longer does: it pauses the sender's `tier-work` clock. */
  readonly handOffPending?: boolean;
  /** The vendor that has the case now. */
  readonly vendor?: string;
}
