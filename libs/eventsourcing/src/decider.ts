import type { Actor, EventMap, EventOf, EventMetadata } from './event.js';
import type { Instant } from './instant.js';
import type { Refusal } from './refusal.js';

/** What a decision may know besides state and command: all that the domain may not fetch for itself. */
export interface DecisionContext {
  readonly commandId: string;
  /** Id of the aggregate; absent where it has none yet, as in an import that only asks what would be decided. */
  readonly id?: string;
  readonly actor: Actor;
  /** When what the command tells of happened. */
  readonly effectiveAt: Instant;
}

/** An event that a decision leads to. Its `effectiveAt` is the command's unless it has one of its own: what time alone brought about. */
export type Decided<Events extends EventMap> = EventOf<Events> & { readonly effectiveAt?: Instant };

/** Events to append (none: it is already so), or why not. */
export type Decision<Events extends EventMap> = readonly Decided<Events>[] | Refusal;

/** What an evolve function may use of an event's metadata. */
export type EventFacts = Pick<EventMetadata, 'actor' | 'effectiveAt' | 'recordedAt' | 'commandId' | 'imported'>;

/**
 * One aggregate: its initial state, how each event changes it (total, never refuses) and what each command leads to (never throws).
 * Commands and events are maps from name to content.
 */
export interface Decider<Commands extends object, Events extends EventMap, State> {
  /** Prefix of its streams: `ticket` makes `ticket-<id>`. */
  readonly category: string;
  readonly initial: State;
  /** The client (tenant) that an aggregate in this state belongs to, written into the metadata of its events. Asked only after its first event. */
  readonly client: (state: State) => string;
  readonly evolve: { readonly [Type in keyof Events]: (state: State, data: Events[Type], facts: EventFacts) => State };
  readonly decide: {
    readonly [Name in keyof Commands]: (command: Commands[Name], state: State, context: DecisionContext) => Decision<Events>;
  };
}

/** Applies one event to a state. An event of an unknown type, from a newer version perhaps, changes nothing. */
export function evolve<Events extends EventMap, State>(
  decider: Pick<Decider<object, Events, State>, 'evolve'>,
  state: State,
  event: { readonly type: string; readonly data: unknown },
  facts: EventFacts,
): State {
  if (!Object.hasOwn(decider.evolve, event.type)) return state;
  const apply = decider.evolve[event.type as keyof Events] as (state: State, data: unknown, facts: EventFacts) => State;
  return apply(state, event.data, facts);
}

/** The name of an aggregate's stream. */
export function streamName(category: string, id: string): string {
  return `${category}-${id}`;
}

/** The id in a stream's name: what follows the first dash. */
export function streamId(stream: string): string {
  return stream.slice(stream.indexOf('-') + 1);
}
