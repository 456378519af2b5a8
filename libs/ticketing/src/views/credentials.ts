import type { StateFace } from '#eventsourcing';
import { type Key, keySchema } from '../identity/credential.js';
import { documentSchema } from './stored.js';

/** One document per key, link or session, by its id; without the hash of its secret. */
export const credentials: StateFace<Key | null> = {
  name: 'credentials',
  version: 2,
  schema: () => documentSchema(keySchema, 'Id of the key'),
  document: (state) => state,
  indexes: [{ key: { form: 1, 'principal.id': 1, _id: 1 } }, { key: { 'provider.subject': 1, _id: 1 } }],
};
