import type { Instant } from '#eventsourcing';
import { absenceAt, type AgentDocument, agents, type Answering, answersAt, inOrder, type OnCallSchedule } from '#ticketing';
import { find, reached, type Sources } from './read-models.js';

/** Who is on call at an instant. Who has left or is absent is passed over; who is no agent of the desk is taken to be there. */
export async function whoIsOnCall(sources: Pick<Sources, 'models'>, schedule: OnCallSchedule, at: Instant): Promise<Answering> {
  const ids = [...new Set([...inOrder(schedule, at)].map(({ id }) => id))];
  if (ids.length === 0) return { passedOver: [] };
  const found = await reached(find<AgentDocument>(sources, agents.name, { _id: { $in: ids } }).toArray());
  const away = new Set(found.filter((agent) => !agent.active || absenceAt(agent, at) !== undefined).map(({ _id }) => _id));
  return answersAt(schedule, at, ({ id }) => !away.has(id));
}
