import type { StateFace } from '#eventsourcing';
import type { TeamState } from '../desk/team.js';

/** One document a team, by its id. */
export const teams: StateFace<TeamState> = {
  name: 'teams',
  version: 2,
  document: (state) => state,
  indexes: [{ key: { position: 1 } }],
};
