import type { Contract } from '../contract/contract.js';
import type { Ticket } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import type { Tier } from '../vocabulary.js';

/** What a ticket requires of its agent. */
export interface AssignmentRequest {
  readonly client: string;
  readonly tier: Tier;
  /** The team that someone assigned it to: it stays there. */
  readonly team?: string;
  readonly skills: readonly string[];
  /** Ids of the agents from whom it was taken on request, at this tier. */
  readonly declinedBy?: readonly string[];
}

/** The requirements for automatic assignment of a ticket; undefined if it is not to be assigned. */
export function assignmentRequest(ticket: Ticket, contract: Contract): AssignmentRequest | undefined {
  const { work, assignee, client, tier, declinedBy } = ticket;
  const goesOn = work.status === 'open' || work.status === 'in-progress' || work.status === 'escalated' || work.status === 'on-hold';
  if (contract.assignment !== 'automatic' || !goesOn || assignee !== undefined) return undefined;
  const team = ticket.teamChosen ? undefined : ticket.team;
  return omitUndefined({ client, tier, team, skills: requiredSkills(ticket, contract), declinedBy });
}

/** The skills set at triage; by default, those that the contract requires for the category and all categories above it. */
export function requiredSkills(
  { skills, category }: Pick<Ticket, 'skills' | 'category'>,
  { categorySkills = {} }: Contract,
): readonly string[] {
  if (skills !== undefined) return skills;
  if (category === undefined) return [];
  const asked = Object.entries(categorySkills).filter(([known]) => category === known || category.startsWith(`${known}/`));
  return asSkills(asked.flatMap(([, ofCategory]) => ofCategory));
}

/** Skills compare without regard to case; each counts once. */
export function asSkills(given: readonly string[]): readonly string[] {
  return [...new Set(given.map((skill) => skill.trim().toLowerCase()).filter((skill) => skill !== ''))].sort();
}
