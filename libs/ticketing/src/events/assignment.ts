import type { Instant } from '#eventsourcing';
import type { Person } from '../vocabulary.js';

/** Somebody who could be given a ticket now. */
export interface Candidate {
  readonly agent: Person;
  readonly team: string;
  readonly shift: string;
}

/** What decided between the candidates. */
export const ASSIGNMENT_RULES = ['only-candidate', 'least-loaded', 'longest-since-assigned', 'first-by-id'] as const;

/** Who was chosen, and why. */
export interface AssignmentChoice extends Candidate {
  readonly rule: (typeof ASSIGNMENT_RULES)[number];
  readonly candidates: number;
  /** Open tickets of the chosen one, before this one. */
  readonly openTickets: number;
}

/** Why nobody was found: the first of these that holds. */
export const NOBODY_REASONS = ['no-team', 'no-members', 'nobody-skilled', 'nobody-on-shift', 'all-absent'] as const;

export interface NobodyFound {
  readonly because: (typeof NOBODY_REASONS)[number];
  /** Ids of the teams that would do. */
  readonly teams: readonly string[];
  /** When somebody with the skills comes on shift or back next, as far as is known; it is tried again whenever the roster changes. */
  readonly retryAt?: Instant;
}
