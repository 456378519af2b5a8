import type { StateFace } from '#eventsourcing';
import { type Account, accountSchema } from '../identity/account.js';
import { documentSchema } from './stored.js';

/** One document per account, by its id; without the hash of its password. */
export const accounts: StateFace<Account | null> = {
  name: 'accounts',
  version: 2,
  schema: () => documentSchema(accountSchema, 'Id of the account'),
  document: (state) => state,
  indexes: [],
};
