import { type HoldReason, type Impact, type Priority, rank, TIERS, type Tier, type Urgency } from './vocabulary.js';

/** Milliseconds in a minute, an hour, a day of 24 hours. */
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** What was agreed with a client. All durations in milliseconds of the contract's time, which in the default contract is 24×7. */
export interface Contract {
  /** Tiers that exist, lowest first. */
  readonly tiers: readonly Tier[];
  readonly priorities: Readonly<Record<Impact, Readonly<Record<Urgency, Priority>>>>;
  /** The SLA promised to the client: time to the first response and to the resolution. */
  readonly targets: Readonly<Record<Priority, { readonly response: number; readonly resolution: number }>>;
  /** Holds that pause the client's clocks. Waiting for a vendor does not, unless the contract says so. */
  readonly pausedBy: readonly HoldReason[];
  /** Returned hand-offs that are borne before someone higher up is told. */
  readonly pingPongLimit: number;
  /** How long after its resolution a ticket can be reopened. */
  readonly reopenWindow: number;
}

/** The figures of the field's practice, for every client that has agreed nothing else. */
export const defaultContract: Contract = {
  tiers: TIERS,
  priorities: {
    major: { critical: 'critical', high: 'critical', medium: 'high', low: 'high' },
    high: { critical: 'critical', high: 'high', medium: 'high', low: 'medium' },
    medium: { critical: 'high', high: 'high', medium: 'medium', low: 'medium' },
    low: { critical: 'medium', high: 'medium', medium: 'low', low: 'low' },
  },
  targets: {
    critical: { response: 15 * MINUTE, resolution: 4 * HOUR },
    high: { response: 15 * MINUTE, resolution: 8 * HOUR },
    medium: { response: 30 * MINUTE, resolution: 24 * HOUR },
    low: { response: 30 * MINUTE, resolution: 48 * HOUR },
  },
  pausedBy: ['customer', 'planned-change'],
  pingPongLimit: 2,
  reopenWindow: 14 * DAY,
};

/** The next higher tier that the contract has. */
export function nextTier(contract: Contract, tier: Tier): Tier | undefined {
  return contract.tiers.find((other) => rank(other) > rank(tier));
}

/** Where a ticket enters when nobody says otherwise: the lowest tier with people in it. */
export function entryTier(contract: Contract): Tier {
  return contract.tiers.find((tier) => tier !== 'L0') ?? 'L1';
}
