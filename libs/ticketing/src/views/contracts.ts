import type { StateFace } from '#eventsourcing';
import { clientContractSchema, type ContractState } from '../contract/contract-agreement.js';
import { documentSchema } from './stored.js';

/** All versions of what was agreed with a client, oldest first. */
export type ClientContract = NonNullable<ContractState>;

/** One document a client, by its name. */
export const contracts: StateFace<ContractState> = {
  name: 'contracts',
  version: 2,
  schema: () => documentSchema(clientContractSchema, 'The client'),
  document: (state) => state,
  indexes: [{ key: { position: 1 } }],
};
