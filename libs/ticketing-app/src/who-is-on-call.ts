import { type Instant, streamName } from '#eventsourcing';
import { absenceAt, agent, type AgentState, agents, agentViews, type Answering, answersAt, inOrder, type OnCallSchedule } from '#ticketing';
import { isPast, readPast, type When } from './past.js';
import { readByIds, type Sources } from './read-models.js';

/**
 * Who is on call at an instant. Who has left or is absent is passed over; who is no agent of the desk is taken to be there.
 * @param when by which knowledge of agents: that of now, or of another time
 */
export async function whoIsOnCall(
  sources: Pick<Sources, 'models' | 'store'>,
  schedule: OnCallSchedule,
  at: Instant,
  when: When = {},
): Promise<Answering> {
  const ids = [...new Set([...inOrder(schedule, at)].map(({ id }) => id))];
  if (ids.length === 0) return { passedOver: [] };
  const found = isPast(when)
    ? await readThen(sources, ids, when)
    : await readByIds<NonNullable<AgentState>>(sources, { view: agents.name, ids });
  const away = new Set(found.filter((one) => !one.active || absenceAt(one, at) !== undefined).map(({ agent: id }) => id));
  return answersAt(schedule, at, ({ id }) => !away.has(id));
}

async function readThen(sources: Pick<Sources, 'store'>, ids: readonly string[], when: When): Promise<readonly NonNullable<AgentState>[]> {
  const found = await Promise.all(ids.map((id) => readPast(sources, agentViews, streamName(agent, id), when)));
  return found.flatMap((past) => past?.state ?? []);
}
