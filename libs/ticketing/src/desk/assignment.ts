import type { Instant } from '#eventsourcing';
import { absenceAt, type Agent } from './agent.js';
import type { AssignmentRequest } from '../ticket/assignment-request.js';
import { omitUndefined } from '../plain-json.js';
import { nextShiftOf, nextStartOf, serves, shiftAt, type Team } from './team.js';
import type { Candidate, NobodyFound, AssignmentChoice } from '../events/assignment.js';

/** Automatic assignment: who is given a ticket. Pure; the caller brings the roster and the workloads. */

/** The known teams and agents. */
export interface Roster {
  readonly teams: readonly Team[];
  readonly agents: readonly Agent[];
}

export interface Workload {
  /** Unfinished tickets of the agent. */
  readonly openTickets: number;
  /** When the agent's latest ticket was assigned; absent if they never had one. */
  readonly lastAssignedAt?: Instant;
}

/** Who could be given a ticket now, by id: agents of the eligible teams with the skills, on shift and not absent. */
export function candidatesFor(request: AssignmentRequest, { teams, agents }: Roster, at: Instant): readonly Candidate[] | NobodyFound {
  const { client, tier, team, skills, declinedBy = [] } = request;
  const asked = teams
    .filter((one) => (team === undefined ? serves(one, tier, client) : one.team === team))
    .sort((one, other) => (one.team < other.team ? -1 : 1));
  const nobody = (because: NobodyFound['because'], retryAt?: Instant): NobodyFound =>
    omitUndefined({ because, teams: asked.map((one) => one.team), retryAt });
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
    const next = skilled.flatMap(({ team: of, agent }) => nextAvailableAt(of, agent, at) ?? []).sort()[0];
    return nobody(onShift.length === 0 ? 'nobody-on-shift' : 'all-absent', next);
  }
  const byId = new Map<string, Candidate>();
  for (const { team: of, agent, shift } of there) {
    // The first team counts for an agent in several.
    if (!byId.has(agent.agent)) byId.set(agent.agent, { agent: { id: agent.agent, name: agent.name }, team: of.team, shift: shift.name });
  }
  return [...byId.values()].sort(byAgentId);
}

/** When an agent who is unavailable at an instant is next on shift and not absent; undefined if unknown. */
function nextAvailableAt(team: Team, agent: Agent, at: Instant): Instant | undefined {
  const { agent: id } = agent;
  const back = absenceAt(agent, at)?.until;
  const moments = [nextShiftOf(team, id, at), back, back && nextShiftOf(team, id, back)].filter((moment) => moment !== undefined);
  return moments.sort().find((moment) => shiftAt(team, id, moment) !== undefined && absenceAt(agent, moment) === undefined);
}

/** The candidates with the fewest open tickets. */
export function leastLoaded(candidates: readonly Candidate[], openTickets: ReadonlyMap<string, number>): readonly Candidate[] {
  const load = ({ agent }: Candidate) => openTickets.get(agent.id) ?? 0;
  const least = Math.min(...candidates.map(load));
  return candidates.filter((candidate) => load(candidate) === least);
}

/**
 * The candidate with the fewest open tickets; among several, the one whose last assignment is longest ago (never assigned comes first),
 * then the first by id.
 * @returns undefined without candidates
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

/** When an agent next comes on shift or back after an instant, as far as known. Unassigned tickets are tried again then. */
export function nextRosterMoment({ teams, agents }: Roster, after: Instant): Instant | undefined {
  const shifts = teams.flatMap((team) => team.shifts.flatMap((shift) => nextStartOf(shift, after) ?? []));
  const returns = agents.flatMap(({ absences }) => absences.flatMap(({ until }) => (until !== undefined && until > after ? until : [])));
  return [...shifts, ...returns].sort()[0];
}
