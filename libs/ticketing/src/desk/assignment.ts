import type { Instant } from '#eventsourcing';
import { absenceAt, type Agent } from './agent.js';
import type { AssignmentRequest } from '../ticket/assignment-request.js';
import { omitUndefined } from '../plain-json.js';
import { nextShiftOf, nextStartOf, serves, shiftAt, type Team } from './team.js';
import type { Candidate, NobodyFound, AssignmentChoice } from '../events/assignment.js';

/** Automatic assignment: who is given a ticket. All of it is pure; who asks brings the roster and the workloads. */

/** Teams and agents as they are known. */
export interface Roster {
  readonly teams: readonly Team[];
  readonly agents: readonly Agent[];
}

export interface Workload {
  /** Tickets that the agent has and that are not done. */
  readonly openTickets: number;
  /** When a ticket that the agent has, or had last, was assigned; absent for who never had one. */
  readonly lastAssignedAt?: Instant;
}

/** Who could be given a ticket now, by id: agents of the teams in question with the skills, on shift and not absent. */
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
    // Of two teams the first counts.
    if (!byId.has(agent.agent)) byId.set(agent.agent, { agent: { id: agent.agent, name: agent.name }, team: of.team, shift: shift.name });
  }
  return [...byId.values()].sort(byAgentId);
}

/** When an agent is on shift in a team and not absent, after an instant at which that is not so; undefined when it is not known. */
function nextAvailableAt(team: Team, agent: Agent, at: Instant): Instant | undefined {
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
