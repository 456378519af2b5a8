import { evolve, type Projection, type RecordedEvent, streamId } from '#eventsourcing';
import { type Team, team, type TeamEvents, type TeamState, teamUpcasters } from '../desk/team.js';

/** One document a team, by its id. */
export const teams: Projection<Team, TeamEvents> = {
  name: 'teams',
  version: 1,
  streamPrefix: 'team-',
  upcasters: teamUpcasters,
  key: ({ stream }) => streamId(stream),
  apply: (doc, event: RecordedEvent<TeamEvents>) => evolve<TeamEvents, TeamState>(team, doc, event, event.metadata),
  indexes: [{ key: { position: 1 } }],
};
