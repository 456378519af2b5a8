import type { StateFace } from '#eventsourcing';
import { majorIncidentSchema, type MajorIncidentState } from '../major-incident/major-incident.js';
import { documentSchema } from './stored.js';

/** One document per major incident, by its id. */
export const majorIncidents: StateFace<MajorIncidentState> = {
  name: 'major_incidents',
  version: 2,
  schema: () => documentSchema(majorIncidentSchema, 'Id of the major incident'),
  document: (state) => state,
  indexes: [{ key: { client: 1, status: 1 } }, { key: { 'review.status': 1, 'review.dueAt': 1 } }, { key: { nextReminderAt: 1 } }],
};
