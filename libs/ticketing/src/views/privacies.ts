import type { StateFace } from '#eventsourcing';
import { privacySchema, type PrivacyState } from '../desk/privacy.js';
import { documentSchema } from './stored.js';

/** One document per client, by its name. */
export const privacies: StateFace<PrivacyState> = {
  name: 'privacy',
  version: 1,
  schema: () => documentSchema(privacySchema, 'Name of the client'),
  document: (state) => state,
  indexes: [],
};
