import type { Instant, StateFace } from '#eventsourcing';
import { type Agent, type AgentState, nextAbsenceMoment } from '../desk/agent.js';
import { present } from '../plain-json.js';

export interface AgentDocument extends Agent {
  /** When an absence begins or ends next: what the timekeeper looks for. */
  readonly nextAbsenceMoment?: Instant;
}

/** One document an agent, by its id. */
export const agents: StateFace<AgentState> = {
  name: 'agents',
  version: 2,
  document: (state) => state && present({ ...state, nextAbsenceMoment: nextAbsenceMoment(state) }),
  indexes: [{ key: { position: 1 } }, { key: { nextAbsenceMoment: 1 } }],
};
