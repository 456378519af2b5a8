import { instantFrom } from '#eventsourcing';
import { HOUR } from '../contract/contract.js';
import type { Agent } from '../desk/agent.js';
import { serves, shiftAt, type Team } from '../desk/team.js';
import type { CapacityReport } from '../views/capacity-report.js';
import type { TicketFacts } from '../views/ticket-facts.js';
import { rank, type Tier } from '../vocabulary.js';
import type { Facts } from './kpi.js';

/** The facts that capacity follows from. */
export const CAPACITY_FIELDS = [
  'openedAt',
  'client',
  'category',
  'stays',
  'touch',
  'touchSeconds',
  'resolvedTier',
  'resolvedAgent',
  'rootCause',
] as const satisfies readonly (keyof TicketFacts)[];

/** What is needed besides the tickets. */
export interface CapacityContext {
  /** The period, in milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly zone: string;
  readonly teams: readonly Team[];
  readonly agents: readonly Agent[];
  /** The skills that a client's contract requires for a category. */
  skillsOf(client: string, category: string): readonly string[];
}

type Told = Pick<CapacityReport, 'skills' | 'learning' | 'load' | 'busFactor'>;

/** Fewer people than this with the skills for a category are too few: one may be away. */
const ENOUGH = 2;

/** What a desk lacks for the tickets opened in a period. */
export function capacityOf(tickets: readonly Facts[], context: CapacityContext): Told {
  return {
    skills: skillsMissing(tickets, context),
    learning: learningPairs(tickets),
    load: load(tickets, context),
    busFactor: busFactors(tickets),
  };
}

/** Most first, then by name. */
function mostFirst<One>(count: (one: One) => number) {
  return (one: One, other: One) => count(other) - count(one) || (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1);
}

function skillsMissing(tickets: readonly Facts[], { teams, agents, skillsOf }: CapacityContext): Told['skills'] {
  const came = new Map<string, { tier: Tier; category: string; asked: readonly string[]; client: string; tickets: number }>();
  for (const { client, category, stays } of tickets) {
    const asked = category === undefined ? [] : skillsOf(client, category);
    if (category === undefined || asked.length === 0) continue;
    for (const tier of new Set(stays.map((stay) => stay.tier))) {
      const key = JSON.stringify([tier, category, client]);
      const known = came.get(key) ?? { tier, category, asked, client, tickets: 0 };
      came.set(key, { ...known, tickets: known.tickets + 1 });
    }
  }
  const found = [...came.values()].flatMap(({ tier, category, asked, client, tickets }) => {
    const ids = new Set(teams.filter((team) => serves(team, tier, client)).flatMap(({ members }) => members));
    const there = agents.filter(({ agent, active }) => active && ids.has(agent));
    const able = there.filter(({ skills }) => asked.every((skill) => skills.includes(skill))).map(({ agent }) => agent);
    const missing = asked.filter((skill) => !there.some(({ skills }) => skills.includes(skill)));
    return able.length >= ENOUGH ? [] : [{ tier, category, tickets, asked, agents: able.sort(), missing }];
  });
  return found.sort(mostFirst(({ tickets }) => tickets));
}

function learningPairs(tickets: readonly Facts[]): Told['learning'] {
  const pairs = new Map<string, Told['learning'][number]>();
  for (const { category, touch, resolvedTier, resolvedAgent: teacher, rootCause } of tickets) {
    if (category === undefined || resolvedTier === undefined || teacher === undefined) continue;
    const lower = touch.filter(({ tier, agent }) => rank(tier) < rank(resolvedTier) && agent !== teacher);
    for (const learner of new Set(lower.map(({ agent }) => agent))) {
      const key = JSON.stringify([category, learner, teacher]);
      const known = pairs.get(key) ?? { category, learner, teacher, tickets: 0, teachable: 0 };
      const teachable = known.teachable + (rootCause?.lowerTierCanResolve === true ? 1 : 0);
      pairs.set(key, { ...known, tickets: known.tickets + 1, teachable });
    }
  }
  return [...pairs.values()].sort(mostFirst(({ tickets }) => tickets));
}

/** In every zone, hours begin at a quarter of an hour in UTC. */
const QUARTER = HOUR / 4;
const DAYS_OF_WEEK = 7;
const HOURS_OF_DAY = 24;

function load(tickets: readonly Facts[], { from, to, zone, teams, agents }: CapacityContext): Told['load'] {
  const place = placeIn(zone);
  const slots = Array.from({ length: DAYS_OF_WEEK * HOURS_OF_DAY }, () => ({ hours: 0, arrivals: 0 }));
  for (let at = Math.floor(from / QUARTER) * QUARTER; at < to; at += QUARTER)
    slots[place(at)]!.hours += (Math.min(at + QUARTER, to) - Math.max(at, from)) / HOUR;
  for (const { openedAt } of tickets) slots[place(+openedAt)]!.arrivals++;
  const touch = tickets.reduce((sum, { touchSeconds }) => sum + touchSeconds, 0);
  const each = tickets.length === 0 ? 0 : touch / 3_600 / tickets.length;
  // When each hour of the week first begins after the period.
  const next = new Map<number, number>();
  for (let at = Math.ceil(to / QUARTER) * QUARTER; at < to + 8 * HOURS_OF_DAY * HOUR; at += QUARTER) {
    const slot = place(at);
    if (slot !== place(at - QUARTER) && !next.has(slot)) next.set(slot, at);
  }
  const active = new Set(agents.filter((agent) => agent.active).map(({ agent }) => agent));
  return slots.flatMap(({ hours, arrivals: came }, slot) => {
    if (came === 0 || hours === 0) return [];
    const at = instantFrom(next.get(slot) ?? to);
    const onShift = new Set(teams.flatMap((team) => team.members.filter((id) => active.has(id) && shiftAt(team, id, at) !== undefined)))
      .size;
    const arrivals = came / hours;
    const work = arrivals * each;
    const [weekday, hour] = [Math.floor(slot / HOURS_OF_DAY) + 1, slot % HOURS_OF_DAY];
    return [{ weekday, hour, arrivals, hours: work, onShift, load: onShift === 0 ? null : work / onShift }];
  });
}

/** The hour of the week of an instant in a zone: 0 is the first hour of Monday. */
function placeIn(zone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, weekday: 'short', hour: '2-digit', hourCycle: 'h23' });
  return (at) => {
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
    return WEEK.indexOf(parts['weekday'] ?? '') * HOURS_OF_DAY + Number(parts['hour']);
  };
}

const WEEK: readonly string[] = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

function busFactors(tickets: readonly Facts[]): Told['busFactor'] {
  const byCategory = new Map<string, Map<string, number>>();
  for (const { category, resolvedAgent } of tickets) {
    if (category === undefined || resolvedAgent === undefined) continue;
    const agents = byCategory.get(category) ?? new Map<string, number>();
    agents.set(resolvedAgent, (agents.get(resolvedAgent) ?? 0) + 1);
    byCategory.set(category, agents);
  }
  const found = [...byCategory].map(([category, agents]) => {
    const busiest = [...agents].sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1));
    const resolved = busiest.reduce((sum, [, count]) => sum + count, 0);
    const who: string[] = [];
    for (let sum = 0, index = 0; sum * 2 < resolved; index++) {
      const [agent, count] = busiest[index] as [string, number];
      who.push(agent);
      sum += count;
    }
    return { category, resolved, agents: agents.size, factor: who.length, who };
  });
  return found.sort((one, other) => one.factor - other.factor || other.resolved - one.resolved || (one.category < other.category ? -1 : 1));
}
