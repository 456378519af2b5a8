import type { StateFace } from '#eventsourcing';
import { agreedWith, clientContractSchema, type ContractState } from '../contract/contract-agreement.js';
import { documentSchema } from './stored.js';

/** One document per client with an agreement, by its name. */
export const contracts: StateFace<ContractState> = {
  name: 'contracts',
  version: 2,
  schema: () => documentSchema(clientContractSchema, 'The client'),
  document: (state) => agreedWith(state),
  indexes: [{ key: { position: 1 } }],
};
