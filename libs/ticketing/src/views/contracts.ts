import type { StateFace } from '#eventsourcing';
import type { ContractState } from '../contract/contract-agreement.js';

/** All versions of what was agreed with a client, oldest first. */
export type ClientContract = NonNullable<ContractState>;

/** One document a client, by its name. */
export const contracts: StateFace<ContractState> = {
  name: 'contracts',
  version: 2,
  document: (state) => state,
  indexes: [{ key: { position: 1 } }],
};
