import { chainText, type EventRecord, storedHash } from './event-record.js';

/** SHA-256 of a text in UTF-8, in hexadecimal. */
export type HashText = (text: string) => string;

/** How far a stream's chain has been followed. */
export interface Chain {
  /** Hash of the last event, whether stored with it or not; null before the first. */
  readonly hash: string | null;
  /** Revision of the last event; -1 before the first. */
  readonly revision: number;
  /** Whether an event had a stored hash: from then on, all must have one. */
  readonly begun: boolean;
}

/** Where a chain is broken: the first event that does not follow from the previous ones. */
export interface BrokenChain {
  readonly revision: number;
  readonly reason: 'missing-events' | 'missing-hash' | 'wrong-hash';
}

export const NO_EVENTS: Chain = { hash: null, revision: -1, begun: false };

/** Extends a chain by one event. Events older than the hashes are hashed too, so that the first stored hash seals those before it. */
export function follow(chain: Chain, event: EventRecord, hashText: HashText): Chain | BrokenChain {
  const { revision } = event;
  if (revision !== chain.revision + 1) return { revision, reason: 'missing-events' };
  const hash = hashText(chainText(event, chain.hash));
  const stored = storedHash(event);
  if (stored === undefined) return chain.begun ? { revision, reason: 'missing-hash' } : { hash, revision, begun: false };
  return stored === hash ? { hash, revision, begun: true } : { revision, reason: 'wrong-hash' };
}

export function isBroken(chain: Chain | BrokenChain): chain is BrokenChain {
  return 'reason' in chain;
}
