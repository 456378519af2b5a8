import { type Aggregate, type EventStore, readAggregate, type Refusal, type StateOf } from '#eventsourcing';

/** An aggregate as the log has it now, with its revision. */
export interface AtRevision<State> {
  readonly state: State;
  readonly revision: number;
}

/** An aggregate as the log has it now. @param missing the answer where there is none */
export async function readKnown<Of extends Aggregate, Code extends string>(
  { store }: { readonly store: EventStore },
  aggregate: Of,
  id: string,
  missing: Refusal<Code>,
): Promise<AtRevision<NonNullable<StateOf<Of>>> | Refusal<Code>> {
  const { state, revision } = await readAggregate(store, aggregate, id);
  return state === null || state === undefined ? missing : { state, revision };
}
