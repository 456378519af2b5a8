import type { StateFace } from '#eventsourcing';
import { agentSchema, type AgentState, nextAbsenceMoment } from '../desk/agent.js';
import { omitUndefined } from '../plain-json.js';
import { about, instant, open, optional, type Static } from '../schema.js';
import { documentSchema } from './stored.js';

export const agentDocumentSchema = about(
  open({ ...agentSchema.entries, nextAbsenceMoment: optional(about(instant, 'When the next absence begins or the current one ends')) }),
  'A member of the service desk',
);

export type AgentDocument = Static<typeof agentDocumentSchema>;

/** One document per agent, by its id. */
export const agents: StateFace<AgentState> = {
  name: 'agents',
  version: 3,
  schema: () => documentSchema(agentDocumentSchema, 'Id of the agent'),
  document: (state) => state && omitUndefined({ ...state, nextAbsenceMoment: nextAbsenceMoment(state) }),
  indexes: [{ key: { position: 1 } }, { key: { nextAbsenceMoment: 1 } }],
};
