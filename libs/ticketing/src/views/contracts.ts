import { type Projection, type RecordedEvent, streamId } from '#eventsourcing';
import { contract, type ContractEvents, type ContractState } from '../contract/contract-agreement.js';

/** All versions of what was agreed with a client, oldest first. */
export type ClientContract = NonNullable<ContractState>;

function apply(doc: ClientContract | null, event: RecordedEvent<ContractEvents>): ClientContract | null {
  return event.type === 'ContractAgreed' ? contract.events.ContractAgreed.evolve(doc, event.data, event.metadata) : doc;
}

/** One document a client, by its name. */
export const contracts: Projection<ClientContract, ContractEvents> = {
  name: 'contracts',
  version: 1,
  streamPrefix: 'contract-',
  aggregate: contract,
  key: ({ stream }) => streamId(stream),
  apply,
  indexes: [{ key: { position: 1 } }],
};
