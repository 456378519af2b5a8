import type { EventDefinition } from '#eventsourcing';

/** What other services read of an event: all of its data, what a function makes of it, or nothing: then it is not a public event. */
export type PublicData<Data> = 'all' | 'none' | ((data: Data) => unknown);

/** An event of an aggregate that other services follow. */
export interface PublishedEventDefinition<State, Data, Public extends PublicData<Data> = PublicData<Data>> extends EventDefinition<
  State,
  Data
> {
  readonly publicData: Public;
}

/**
 * Declares an event of an aggregate that other services follow: `publishedEvent<State, Data>({ publicData, personal, evolve })`. If not all
 * of its data is public, the type of `publicData` is the third type argument: the types of public events are derived from it.
 */
export function publishedEvent<State, Data, Public extends PublicData<Data> = 'all'>(
  definition: PublishedEventDefinition<State, Data, Public>,
): PublishedEventDefinition<State, Data, Public> {
  return definition;
}

/** Makes the function that declares changes to what exists already. Without it, they have no effect. */
export function publishedChangesOf<Existing extends object>() {
  return <Data, Public extends PublicData<Data> = 'all'>({
    evolve,
    ...definition
  }: PublishedEventDefinition<Existing, Data, Public>): PublishedEventDefinition<Existing | null, Data, Public> => ({
    ...definition,
    evolve: (state, data, facts) => state && evolve(state, data, facts),
  });
}
