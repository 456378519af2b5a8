import type { Actor, EventMap, EventMetadata, EventOf, PersonalData } from './event.js';
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
  /** When it is told; as it happens, unless said. */
  readonly recordedAt?: Instant;
}

/** An event that a decision leads to. Its `effectiveAt` is the command's unless it has one of its own: what time alone brought about. */
export type Decided<Events extends EventMap> = EventOf<Events> & { readonly effectiveAt?: Instant };

/** The same where nothing is known of the types of events. */
export interface AnyEvent {
  readonly type: string;
  readonly data: unknown;
  readonly effectiveAt?: Instant;
}

/** Events to append (none: no change), or why not. */
export type Decision<Events extends EventMap, Code extends string = string> = readonly Decided<Events>[] | Refusal<Code>;

/** What an evolve function may use of an event's metadata. */
export type EventFacts = Pick<EventMetadata, 'actor' | 'effectiveAt' | 'recordedAt' | 'commandId' | 'imported'>;

/** One step: the data of version n → the data of version n + 1. Pure and total. */
export type Upcaster = (data: never) => unknown;

/** All that is true of one type of event. A domain adds fields of its own, so that nothing about it stands in a second list. */
export interface EventDefinition<State, Data> {
  /** The state after the event. Total: stored facts are facts. */
  evolve(state: State, data: Data, facts: EventFacts): State;
  /** Bring data of older versions up to date, oldest first; without any, the type is at version 1. */
  readonly upcasters?: readonly Upcaster[];
  /** Which of its data is personal: encrypted in the store, and erased when the person is forgotten. Paths are those of the present version. */
  readonly personal?: PersonalData;
}

/** Method and path of a command. A name in braces is the id of the aggregate; `POST /v1/tickets` has none: it is in the body, or new. */
export type Route = `${'POST' | 'PUT' | 'DELETE'} /${string}`;

/** All that is true of one command. */
export interface CommandDefinition<State, Event extends AnyEvent, Body extends object, Code extends string, Given = undefined> {
  /** Class of its body, with the rules by which one from outside is checked. Absent when it has no body, or is internal. */
  readonly body?: new () => Body;
  /** Absent for what only policies and timers send. */
  readonly route?: Route;
  /** Every code that `decide` may refuse it with. */
  readonly refuses: readonly Code[];
  /** What it needs to know from outside its aggregate. The application looks it up and passes it as `given`. */
  readonly needs?: string;
  /** What the command leads to. Pure; never throws. */
  decide(command: Body, state: State, context: DecisionContext, given?: Given): readonly Event[] | Refusal<Code>;
}

/** An aggregate as one value: its state, how each event changes it, and what each command leads to. */
export interface Aggregate<State = unknown> {
  /** Prefix of its streams: `ticket` makes `ticket-<id>`. */
  readonly category: string;
  /** What people call it, in messages. */
  readonly noun: string;
  /** The field that its id has in answers, and in the body of a command whose route does not name it. */
  readonly idName: string;
  readonly initial: State;
  /** The client (tenant) that an aggregate in this state belongs to, written into the metadata of its events. Asked only after its first event. */
  client(state: State): string;
  /** Id of the person whom an aggregate in this state is about. Absent where no aggregate holds personal data. */
  person?(state: State): string | undefined;
  readonly events: EventDefinitions<State>;
  readonly commands: Readonly<Record<string, CommandDefinition<State, AnyEvent, object, string, unknown>>>;
}

/** Event type → its definition. */
export type EventDefinitions<State = unknown> = Readonly<Record<string, EventDefinition<State, unknown>>>;

/** Something whose events can be folded: an aggregate, or another state that is made of the same events. */
export interface Foldable<Definitions extends EventDefinitions = EventDefinitions> {
  readonly events: Definitions;
}

/** Event type → data, of an aggregate or of anything else with `events`. */
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

/** The codes that a command may be refused with; of all commands unless one is named. */
export type CodesOf<
  Commanded extends WithCommands,
  Name extends keyof Commanded['commands'] = keyof Commanded['commands'],
> = Commanded['commands'][Name]['refuses'][number];

/** What a command needs to be given from outside its aggregate. */
export type GivenOf<Commanded extends WithCommands, Name extends keyof Commanded['commands']> = Parameters<
  Commanded['commands'][Name]['decide']
>[3];

/** Declares an event: `event<State, Data>({ evolve })`. */
export function event<State, Data>(definition: EventDefinition<State, Data>): EventDefinition<State, Data> {
  return definition;
}

/** Makes the function that declares the commands of an aggregate. What `decide` refuses with must be in `refuses`: this is checked by types. */
export function commandsOn<State, Events extends EventMap>() {
  return <Body extends object, const Code extends string, Given = undefined>(
    definition: Omit<CommandDefinition<State, Decided<Events>, Body, Code, Given>, 'decide'> & {
      decide(command: Body, state: State, context: DecisionContext, given?: Given): Decision<Events, NoInfer<Code>>;
    },
  ): CommandDefinition<State, Decided<Events>, Body, Code, Given> => definition;
}

/** Applies one event to a state. An event of an unknown type, from a newer version perhaps, changes nothing. */
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

/** The id in a stream's name: what follows the first dash. */
export function streamId(stream: string): string {
  return stream.slice(stream.indexOf('-') + 1);
}
