import { evolve, type Projection, type RecordedEvent, streamId } from '#eventsourcing';
import { type Team, team, type TeamEvents } from '../desk/team.js';

/** One document a team, by its id. */
export const teams: Projection<Team, TeamEvents> = {
  name: 'teams',
  version: 1,
  streamPrefix: 'team-',
  aggregate: team,
  key: ({ stream }) => streamId(stream),
  apply: (doc, event: RecordedEvent<TeamEvents>) => evolve(team, doc, event, event.metadata),
  indexes: [{ key: { position: 1 } }],
};
