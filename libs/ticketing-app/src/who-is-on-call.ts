import { type Instant, streamName } from '#eventsourcing';
import {
  agent,
  type AgentState,
  agents,
  agentViews,
  type Answering,
  answersAt,
  inOrder,
  type OnCallSchedule,
  type Person,
} from '#ticketing';
import { isPast, readPast, type When } from './past.js';
import { readByIds, type Sources } from './read-models.js';
import { deputyOf, isAway } from './who-is-there.js';

/**
 * Who is on call at an instant. People who have left or are absent are skipped; someone who is not an agent of the desk counts as present.
 * If nobody is there, the deputy of an absent person answers.
 * @param when the time for looking up agents: now or another time
 */
export async function whoIsOnCall(
  sources: Pick<Sources, 'models' | 'store'>,
  schedule: OnCallSchedule,
  at: Instant,
  when: When = {},
): Promise<Answering> {
  const ids = [...new Set([...inOrder(schedule, at)].map(({ id }) => id))];
  if (ids.length === 0) return { passedOver: [] };
  const read = (some: readonly string[]) =>
    isPast(when) ? readThen(sources, some, when) : readByIds<NonNullable<AgentState>>(sources, { view: agents.name, ids: [...some] });
  const away = new Map((await read(ids)).filter((one) => isAway(one, at)).map((one) => [one.agent, one]));
  const standIns = new Map<string, Person>();
  if (ids.every((id) => away.has(id))) {
    for (const [id, absent] of away) {
      const deputy = await deputyOf(absent, at, async (named) => (await read([named]))[0] ?? null);
      if (deputy !== undefined) standIns.set(id, deputy);
    }
  }
  return answersAt(
    schedule,
    at,
    ({ id }) => !away.has(id),
    ({ id }) => standIns.get(id),
  );
}

async function readThen(sources: Pick<Sources, 'store'>, ids: readonly string[], when: When): Promise<readonly NonNullable<AgentState>[]> {
  const found = await Promise.all(ids.map((id) => readPast(sources, agentViews, streamName(agent, id), when)));
  return found.flatMap((past) => past?.state ?? []);
}
