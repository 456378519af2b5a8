import type { Instant } from '#eventsourcing';
import type { ClockKind, HoldReason, Priority, Tier } from '../vocabulary.js';

/** A clock that an event starts, unless one like it is still open. Cycles of tiers and vendors are counted by the clocks' fold. */
export type ClockStart =
  | { readonly clock: 'response' }
  | { readonly clock: 'resolution'; readonly cycle: number }
  /** `unlessWorking`: not while the tier's `tier-work` clock is open. */
  | { readonly clock: 'tier-accept' | 'tier-work'; readonly tier: Tier; readonly unlessWorking?: true }
  /** Of the vendor named in the last hand-off. */
  | { readonly clock: 'vendor' };

/** Clocks that an event stops, with a verdict: all clocks of a kind, except those of one tier. */
export interface ClockStop {
  readonly clock: ClockKind;
  readonly except?: Tier;
}

/** What a policy or the timekeeper relied on when it moved a ticket. What is omitted did not matter. */
export interface Supposed {
  /** The tier of the ticket. */
  readonly tier?: Tier;
  /** Id of the assignee; null: nobody. */
  readonly assignee?: string | null;
  /** Why the ticket was on hold. */
  readonly hold?: HoldReason;
  /** Until when it was on hold. */
  readonly until?: Instant;
}

/** What an event does to the clocks of its ticket. What is omitted stays as it is. */
export interface ClockEffects {
  readonly starts?: readonly ClockStart[];
  readonly stops?: readonly ClockStop[] | 'all';
  /** All clocks end without a verdict. */
  readonly cancels?: true;
  /** No further moments of its clocks are recorded. */
  readonly silences?: true;
  /** The priority, which sets the targets. */
  readonly priority?: Priority;
  /** A hold begins: it pauses the clocks listed in the contract. */
  readonly holds?: HoldReason;
  /** When that hold ends by itself. */
  readonly until?: Instant;
  readonly endsHolds?: true;
  /** Whether a hand-off now waits to be accepted: this pauses the sender's `tier-work` clock. */
  readonly handOffPending?: boolean;
  /** The vendor that now has the case. */
  readonly vendor?: string;
}
