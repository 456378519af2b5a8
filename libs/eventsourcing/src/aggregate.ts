import type { Actor, EventMap, EventMetadata, EventOf, PersonalData } from './event.js';
import type { Instant } from './instant.js';
import type { Refusal } from './refusal.js';

/** What a decision may know besides state and command: everything that the domain must not look up itself. */
export interface DecisionContext {
  readonly commandId: string;
  /** Id of the aggregate; absent if it has none yet, as in an import that only asks what would be decided. */
  readonly id?: string;
  readonly actor: Actor;
  /** When the fact happened. */
  readonly effectiveAt: Instant;
  /** When it is recorded; default: as it happens. */
  readonly recordedAt?: Instant;
}

/** An event from a decision. Its `effectiveAt` is the command's, unless it has its own, as what time alone brings about. */
export type Decided<Events extends EventMap> = EventOf<Events> & { readonly effectiveAt?: Instant };

/** The same when the event types are unknown. */
export interface AnyEvent {
  readonly type: string;
  readonly data: unknown;
  readonly effectiveAt?: Instant;
}

/** Events to append (none: no change), or a refusal. */
export type Decision<Events extends EventMap, Code extends string = string> = readonly Decided<Events>[] | Refusal<Code>;

/** The metadata that an evolve function may use. */
export type EventFacts = Pick<EventMetadata, 'actor' | 'effectiveAt' | 'recordedAt' | 'commandId' | 'imported'>;

/** One step, from the data of version n to that of version n + 1. Pure and total. */
export type Upcaster = (data: never) => unknown;

/** Everything about one type of event. A domain adds its own fields, so that no second list is needed. */
export interface EventDefinition<State, Data> {
  /** The state after the event. Total: stored facts are facts. */
  evolve(state: State, data: Data, facts: EventFacts): State;
  /** Bring data of older versions up to date, oldest first; a type without any is at version 1. */
  readonly upcasters?: readonly Upcaster[];
  /** Its personal data: encrypted in the store, and erased when the person is forgotten. Paths refer to the current version. Null: none. */
  readonly personal: PersonalData | null;
}

/**
 * Method and path of a command. A name in braces is the id of the aggregate; `POST /v1/tickets` has none: the id is in the body, or new.
 */
export type Route = `${'POST' | 'PUT' | 'DELETE'} /${string}`;

/** Everything about one command. */
export interface CommandDefinition<State, Event extends AnyEvent, Body extends object, Code extends string, Given = undefined> {
  /** Class of its body, with the validation rules for one from outside. Absent if it has no body, or is internal. */
  readonly body?: new () => Body;
  /** Absent for commands sent only by policies and timers. */
  readonly route?: Route;
  /** Every code that `decide` may refuse it with. */
  readonly refuses: readonly Code[];
  /** What it needs from outside its aggregate. The application looks it up and passes it as `given`. */
  readonly needs?: string;
  /** The result of the command. Pure; never throws. */
  decide(command: Body, state: State, context: DecisionContext, given?: Given): readonly Event[] | Refusal<Code>;
}

/** An aggregate as one value: its state, how each event changes it, and what each command does. */
export interface Aggregate<State = unknown> {
  /** Prefix of its streams: `ticket` gives `ticket-<id>`. */
  readonly category: string;
  /** Its name in messages. */
  readonly noun: string;
  /** The name of its id in answers, and in the body of a command whose route does not have it. */
  readonly idName: string;
  readonly initial: State;
  /** The client (tenant) of an aggregate in this state, for the metadata of its events. Called only after its first event. */
  client(state: State): string;
  /**
   * Id of the person whom an aggregate in this state is about. Absent if aggregates of this kind hold no personal data: as actors of their
   * events, requesters have an id alone.
   */
  person?(state: State): string | undefined;
  readonly events: EventDefinitions<State>;
  readonly commands: Readonly<Record<string, CommandDefinition<State, AnyEvent, object, string, unknown>>>;
}

/** Event type → its definition. */
export type EventDefinitions<State = unknown> = Readonly<Record<string, EventDefinition<State, unknown>>>;

/** Something whose events can be folded: an aggregate, or another state from the same events. */
export interface Foldable<Definitions extends EventDefinitions = EventDefinitions> {
  readonly events: Definitions;
}

/** Event type → data, of an aggregate or anything else with `events`. */
export type EventsOf<Folded extends Foldable> = {
  readonly [Type in keyof Folded['events'] & string]: Parameters<Folded['events'][Type]['evolve']>[1];
};

/** The state that the events fold into. */
export type StateOf<Folded extends Foldable> = ReturnType<Folded['events'][keyof Folded['events']]['evolve']>;

type WithCommands = Pick<Aggregate, 'commands'>;

/** Command name → content. */
export type CommandsOf<Commanded extends WithCommands> = {
  [Name in keyof Commanded['commands'] & string]: Parameters<Commanded['commands'][Name]['decide']>[0];
};

/** The codes that a command may be refused with; of all commands if none is named. */
export type CodesOf<
  Commanded extends WithCommands,
  Name extends keyof Commanded['commands'] = keyof Commanded['commands'],
> = Commanded['commands'][Name]['refuses'][number];

/** What a command needs from outside its aggregate. */
export type GivenOf<Commanded extends WithCommands, Name extends keyof Commanded['commands']> = Parameters<
  Commanded['commands'][Name]['decide']
>[3];

/** Declares an event: `event<State, Data>({ evolve })`. */
export function event<State, Data>(definition: EventDefinition<State, Data>): EventDefinition<State, Data> {
  return definition;
}

/** Makes the function that declares the commands of an aggregate. Types ensure that `refuses` lists every code of `decide`. */
export function commandsOn<State, Events extends EventMap>() {
  return <Body extends object, const Code extends string, Given = undefined>(
    definition: Omit<CommandDefinition<State, Decided<Events>, Body, Code, Given>, 'decide'> & {
      decide(command: Body, state: State, context: DecisionContext, given?: Given): Decision<Events, NoInfer<Code>>;
    },
  ): CommandDefinition<State, Decided<Events>, Body, Code, Given> => definition;
}

/** Applies one event to a state. An event of an unknown type, perhaps from a newer version, changes nothing. */
export function evolve<Folded extends Foldable>(
  { events }: Folded,
  state: StateOf<Folded>,
  { type, data }: { readonly type: string; readonly data: unknown },
  facts: EventFacts,
): StateOf<Folded> {
  const definition = Object.hasOwn(events, type) ? events[type] : undefined;
  return definition === undefined ? state : (definition.evolve(state, data, facts) as StateOf<Folded>);
}

/** The name of an aggregate's stream. */
export function streamName({ category }: Pick<Aggregate, 'category'>, id: string): string {
  return `${category}-${id}`;
}

/** The id in a stream's name: everything after the first dash. */
export function streamId(stream: string): string {
  return stream.slice(stream.indexOf('-') + 1);
}
