import type { StateFace } from '#eventsourcing';
import { teamSchema, type TeamState } from '../desk/team.js';
import { documentSchema } from './stored.js';

/** One document per team, by its id. */
export const teams: StateFace<TeamState> = {
  name: 'teams',
  version: 2,
  schema: () => documentSchema(teamSchema, 'Id of the team'),
  document: (state) => state,
  indexes: [{ key: { position: 1 } }],
};
