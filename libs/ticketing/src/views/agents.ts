import { evolve, type Instant, type Projection, type RecordedEvent, streamId } from '#eventsourcing';
import { type Agent, agent, type AgentEvents, nextAbsenceMoment } from '../desk/agent.js';
import { present } from '../plain-json.js';

export interface AgentDocument extends Agent {
  /** When an absence begins or ends next: what the timekeeper looks for. */
  readonly nextAbsenceMoment?: Instant;
}

/** One document an agent, by its id. */
export const agents: Projection<AgentDocument, AgentEvents> = {
  name: 'agents',
  version: 1,
  streamPrefix: 'agent-',
  aggregate: agent,
  key: ({ stream }) => streamId(stream),
  apply: (doc, event: RecordedEvent<AgentEvents>) => {
    const state = evolve(agent, doc, event, event.metadata);
    return state && present({ ...state, nextAbsenceMoment: nextAbsenceMoment(state) });
  },
  indexes: [{ key: { position: 1 } }, { key: { nextAbsenceMoment: 1 } }],
};
