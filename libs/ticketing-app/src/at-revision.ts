import { type Aggregate, type EventStore, readAggregate, type Refusal, type StateOf } from '#eventsourcing';

/** The current state of an aggregate in the log, with its revision. */
export interface AtRevision<State> {
  readonly state: State;
  readonly revision: number;
}

/** The current state of an aggregate in the log. @param missing the answer if it does not exist */
export async function readKnown<Of extends Aggregate, Code extends string>(
  { store }: { readonly store: EventStore },
  aggregate: Of,
  id: string,
  missing: Refusal<Code>,
): Promise<AtRevision<NonNullable<StateOf<Of>>> | Refusal<Code>> {
  const { state, revision } = await readAggregate(store, aggregate, id);
  return state === null || state === undefined ? missing : { state, revision };
}
