import type { Instant } from '#eventsourcing';
import type { PinnedContract } from '../contract/contract.js';
import { CLOCK_VERDICTS, type ClockKind, type Tier } from '../vocabulary.js';
import { note, unchanged } from './definition.js';
import { about, count, instant, oneOf, open, optional, type Static } from '../schema.js';

/** What identifies a clock within its ticket. */
export interface ClockIdentity {
  readonly clock: ClockKind;
  readonly tier?: Tier;
  readonly vendor?: string;
  readonly cycle: number;
}

export const clockVerdictSchema = open({
  contractVersion: about(count, "Version of the client's contract that it ended under; 0: the default contract"),
  verdict: about(oneOf(CLOCK_VERDICTS), 'What became of it'),
  target: about(count, 'Its target, in milliseconds of open time'),
  elapsed: about(count, 'Time used, in milliseconds of open time'),
  dueAt: optional(about(instant, 'When it was due')),
  breachedAt: optional(about(instant, 'When it was breached')),
});

/** The verdict on an ended clock, and the contract it is based on. */
export type ClockVerdict = Static<typeof clockVerdictSchema>;

interface TermsRebased {
  readonly contract: PinnedContract;
  readonly clocks: readonly (ClockIdentity & { readonly oldDue?: Instant; readonly newDue?: Instant })[];
}

/** The full contract is private to the client; its version identifies it. */
const withContractVersion = ({ contract, clocks }: TermsRebased) => ({ contractVersion: contract.version, clocks });

/** Events about the clocks themselves. For their effect on the clocks see sla/sla-terms.ts. */
export const slaEvents = {
  SlaThresholdReached: note<
    ClockIdentity & { readonly terms: number; readonly percent: number; readonly target: number; readonly dueAt?: Instant }
  >({
    says: "a share of a clock's target is used up: `effectiveAt` is when that happened, `recordedAt` when it was noticed",
    publicData: 'all',
    evolve: unchanged,
    personal: null,
  }),

  SlaBreached: note<ClockIdentity & { readonly terms: number; readonly target: number; readonly dueAt?: Instant }>({
    says: 'a clock has run past its target: `effectiveAt` is when it was due, `recordedAt` when that was noticed',
    publicData: 'all',
    evolve: unchanged,
    personal: null,
  }),

  SlaTermsRebased: note<TermsRebased, typeof withContractVersion>({
    says: "a new version of the client's contract applies from now on: the clocks continue under it and keep their elapsed time",
    publicData: withContractVersion,
    evolve: (ticket, { contract }) => ({ ...ticket, contract }),
    personal: null,
  }),

  SlaRestated: note<
    ClockIdentity & {
      /** The previous verdict. */
      readonly was?: ClockVerdict;
      /** Absent if there would have been no such clock, or it has not ended. */
      readonly is?: ClockVerdict;
      /**
       * A warning or breach that was recorded of the clock, ended or not: when it was said to have happened, and when it really did, if it
       * did.
       */
      readonly moment?: { readonly terms: number; readonly percent?: number; readonly was: Instant; readonly is?: Instant };
      /** Revision and type of the late event in this stream that shows it. */
      readonly because?: { readonly revision: number; readonly type: string };
      /** Version of the time zone data used for recomputing; absent under the default contract. */
      readonly tzdata?: string;
      readonly reason: string;
    }
  >({
    says:
      'what was recorded of a clock turned out differently, through a late fact or the contract now known to have been ' +
      'in force; the earlier record stays, and this says what replaces it',
    publicData: 'all',
    evolve: unchanged,
    personal: null,
  }),
};
