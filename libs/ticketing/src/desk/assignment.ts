import type { Instant } from '#eventsourcing';
import { absenceAt, type Agent, asSkills } from './agent.js';
import type { Contract } from '../contract/contract.js';
import { present } from '../plain-json.js';
import { nextShiftOf, nextStartOf, serves, shiftAt, type Team } from './team.js';
import type { Person } from '../ticket/ticket-events.js';
import type { Ticket } from '../ticket/ticket-state.js';
import type { Tier } from '../vocabulary.js';

/** Automatic assignment: who is given a ticket. All of it is pure; who asks brings the roster and the workloads. */

/** What a ticket asks of its agent. */
export interface AssignmentRequest {
  readonly client: string;
  readonly tier: Tier;
  /** The team that somebody gave it to: it stays there. */
  readonly team?: string;
  readonly skills: readonly string[];
  /** Ids of the agents from whom it was taken on request, at this tier. */
  readonly declinedBy?: readonly string[];
}

/** Teams and agents as they are known. */
export interface Roster {
  readonly teams: readonly Team[];
  readonly agents: readonly Agent[];
}

/** Somebody who could be given a ticket now. */
export interface Candidate {
  readonly agent: Person;
  readonly team: string;
  readonly shift: string;
}

export interface Workload {
  /** Tickets that the agent has and that are not done. */
  readonly openTickets: number;
  /** When a ticket that the agent has, or had last, was assigned; absent for who never had one. */
  readonly lastAssignedAt?: Instant;
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

/** What a ticket asks of the agent whom it is to be given automatically; undefined when it is not to be. */
export function assignmentRequest(ticket: Ticket, contract: Contract): AssignmentRequest | undefined {
  const { work, assignee, client, tier, declinedBy } = ticket;
  const goesOn = work.status === 'open' || work.status === 'in-progress' || work.status === 'escalated' || work.status === 'on-hold';
  if (contract.assignment !== 'automatic' || !goesOn || assignee !== undefined) return undefined;
  const team = ticket.teamChosen ? undefined : ticket.team;
  return present({ client, tier, team, skills: requiredSkills(ticket, contract), declinedBy });
}

/** The skills that were stated at triage, else those that the contract asks for in the category and all above it. */
export function requiredSkills(
  { skills, category }: Pick<Ticket, 'skills' | 'category'>,
  { categorySkills = {} }: Contract,
): readonly string[] {
  if (skills !== undefined) return skills;
  if (category === undefined) return [];
  const asked = Object.entries(categorySkills).filter(([known]) => category === known || category.startsWith(`${known}/`));
  return asSkills(asked.flatMap(([, ofCategory]) => ofCategory));
}

/** Who could be given a ticket now, by id: agents of the teams in question with the skills, on shift and not absent. */
export function candidatesFor(request: AssignmentRequest, { teams, agents }: Roster, at: Instant): readonly Candidate[] | NobodyFound {
  const { client, tier, team, skills, declinedBy = [] } = request;
  const asked = teams
    .filter((one) => (team === undefined ? serves(one, tier, client) : one.team === team))
    .sort((one, other) => (one.team < other.team ? -1 : 1));
  const nobody = (because: NobodyFound['because'], retryAt?: Instant): NobodyFound =>
    present({ because, teams: asked.map((one) => one.team), retryAt });
  if (asked.length === 0) return nobody('no-team');
  const known = new Map(agents.map((one) => [one.agent, one]));
  const members = asked.flatMap((one) =>
    one.members.flatMap((id) => {
      const agent = known.get(id);
      return agent?.active && !declinedBy.includes(id) ? [{ team: one, agent }] : [];
    }),
  );
  if (members.length === 0) return nobody('no-members');
  const skilled = members.filter(({ agent }) => skills.every((skill) => agent.skills.includes(skill)));
  if (skilled.length === 0) return nobody('nobody-skilled');
  const onShift = skilled.flatMap((member) => {
    const shift = shiftAt(member.team, member.agent.agent, at);
    return shift === undefined ? [] : [{ ...member, shift }];
  });
  const there = onShift.filter(({ agent }) => absenceAt(agent, at) === undefined);
  if (there.length === 0) {
    const next = skilled.flatMap(({ team: of, agent }) => comesNext(of, agent, at) ?? []).sort()[0];
    return nobody(onShift.length === 0 ? 'nobody-on-shift' : 'all-absent', next);
  }
  const byId = new Map<string, Candidate>();
  for (const { team: of, agent, shift } of there) {
    // Of two teams the first counts.
    if (!byId.has(agent.agent)) byId.set(agent.agent, { agent: { id: agent.agent, name: agent.name }, team: of.team, shift: shift.name });
  }
  return [...byId.values()].sort(byAgentId);
}

/** When an agent is on shift in a team and not absent, after an instant at which that is not so; undefined when it is not known. */
function comesNext(team: Team, agent: Agent, at: Instant): Instant | undefined {
  const { agent: id } = agent;
  const back = absenceAt(agent, at)?.until;
  const moments = [nextShiftOf(team, id, at), back, back && nextShiftOf(team, id, back)].filter((moment) => moment !== undefined);
  return moments.sort().find((moment) => shiftAt(team, id, moment) !== undefined && absenceAt(agent, moment) === undefined);
}

/** Those with the fewest open tickets. */
export function leastLoaded(candidates: readonly Candidate[], openTickets: ReadonlyMap<string, number>): readonly Candidate[] {
  const load = ({ agent }: Candidate) => openTickets.get(agent.id) ?? 0;
  const least = Math.min(...candidates.map(load));
  return candidates.filter((candidate) => load(candidate) === least);
}

/**
 * The one with the fewest open tickets; of several the one whose last assignment is longest ago (who never had one first), then the first
 * by id.
 * @returns undefined when there are no candidates
 */
export function chooseAgent(candidates: readonly Candidate[], workloads: ReadonlyMap<string, Workload>): AssignmentChoice | undefined {
  const openTickets = new Map([...workloads].map(([id, workload]) => [id, workload.openTickets]));
  const least = leastLoaded(candidates, openTickets);
  const last = ({ agent }: Candidate) => workloads.get(agent.id)?.lastAssignedAt ?? '';
  const longest = least.map(last).sort()[0];
  const waiting = least.filter((candidate) => last(candidate) === longest);
  const [chosen] = [...waiting].sort(byAgentId);
  if (chosen === undefined) return undefined;
  const rule =
    candidates.length === 1
      ? 'only-candidate'
      : least.length === 1
        ? 'least-loaded'
        : waiting.length === 1
          ? 'longest-since-assigned'
          : 'first-by-id';
  return { ...chosen, rule, candidates: candidates.length, openTickets: openTickets.get(chosen.agent.id) ?? 0 };
}

function byAgentId(one: Candidate, other: Candidate): number {
  return one.agent.id < other.agent.id ? -1 : 1;
}

/** When somebody comes on shift or back next, after an instant, as far as is known: tickets that found nobody are tried again then. */
export function nextRosterMoment({ teams, agents }: Roster, after: Instant): Instant | undefined {
  const shifts = teams.flatMap((team) => team.shifts.flatMap((shift) => nextStartOf(shift, after) ?? []));
  const returns = agents.flatMap(({ absences }) => absences.flatMap(({ until }) => (until !== undefined && until > after ? until : [])));
  return [...shifts, ...returns].sort()[0];
}
