import type { Instant } from './instant.js';

/** An events map: event type → its data, as JSON. Unions, handlers and filters are derived from it. */
export type EventMap = object;

/** The union of an events map's events. */
export type EventOf<Events extends EventMap> = {
  [Type in keyof Events & string]: { readonly type: Type; readonly data: Events[Type] };
}[keyof Events & string];

/** Who did it: a person at the desk, a requester, a program that works beside them, a system, or a policy of ours. */
export interface Actor {
  readonly id: string;
  readonly kind: 'agent' | 'requester' | 'assistant' | 'system';
  readonly name?: string;
}

/** What an assistant works with. */
export interface Using {
  /** The language model. */
  readonly model?: string;
  /** Reference to the prompt. */
  readonly prompt?: string;
}

/** Where an imported fact comes from, and which of our rules it would have broken had it been a command. */
export interface ImportedFrom {
  /** Source system, such as `bpic2013`. */
  readonly system: string;
  /** The key of the record there, such as the case id. */
  readonly key: string;
  /** Number of the row of the record that the event comes from, from 0. Several events may share a row. */
  readonly row: number;
  /** What the row said, in the source's own words. */
  readonly said: Readonly<Record<string, string>>;
  /** Codes of the refusals that a command would have met; absent when the rules allow it. */
  readonly deviations?: readonly string[];
}

/** What is known of every event besides its data. `effectiveAt` is when it happened, `recordedAt` when this system learnt of it. */
export interface EventMetadata {
  readonly commandId: string;
  /** Name of the command, and a digest of its content: the same idempotency key with another content is told apart. */
  readonly commandType: string;
  readonly commandDigest?: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly actor: Actor;
  /** Who sent the command on behalf of the actor; absent when the actor did. */
  readonly sentBy?: Actor;
  /** What the assistant reports having used. */
  readonly using?: Using;
  /** Client (tenant) of the ticket. */
  readonly client: string;
  readonly effectiveAt: Instant;
  readonly recordedAt: Instant;
  /** Version of the shape of the event's data, from 1: upcasters bring older ones up to date. */
  readonly schemaVersion: number;
  readonly imported?: ImportedFrom;
  /** Links the event to the one before it in its stream; absent from events that were written before there were hashes. See `appendChained`. */
  readonly hash?: string;
  /** The fields of a stored event that are encrypted; absent once they are decrypted. See `PersonalCodec`. */
  readonly personal?: readonly SealedFields[];
}

/** Which fields of an event's data are personal, and whose. */
export interface PersonalData {
  /** The field that names the person; unless said, it is the one whom the aggregate is about. */
  readonly of?: string;
  /** Paths of fields within the data, such as `reporter.name`. */
  readonly fields: readonly string[];
  /** The field with the SHA-256 of an attachment that is personal as well. */
  readonly content?: string;
}

/** Personal fields of an event. */
export interface PersonalFields {
  /** Id of the person whose they are. */
  readonly person: string;
  /** Paths from the event, such as `data.reporter.name`. */
  readonly fields: readonly string[];
  /** SHA-256 of an attachment. */
  readonly content?: string;
}

/** Personal fields as they are stored: in their places stands a mark, and what they held is encrypted. */
export interface SealedFields {
  /** Id of the key. */
  readonly key: string;
  readonly fields: readonly string[];
  /** Their values, encrypted, as base64. */
  readonly box: string;
}

/** An event about to be appended. */
export interface NewEvent {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
  readonly metadata: EventMetadata;
  /** What of it is personal; not stored. */
  readonly personal?: readonly PersonalFields[];
}

/** A place in the log of all events: total order, opaque, comparable. Without explicit transactions commit = prepare. */
export interface Position {
  readonly commit: bigint;
  readonly prepare: bigint;
}

/** An event as the store returns it, before upcasting. */
export interface StoredEvent extends Omit<NewEvent, 'personal'> {
  readonly stream: string;
  /** Its number in the stream, from 0. */
  readonly revision: number;
  readonly position: Position;
  /** What the store has, where that is not what is read: personal fields are encrypted. */
  readonly sealed?: Pick<NewEvent, 'data' | 'metadata'>;
}

/** A stored event whose data has the present shape. */
export type RecordedEvent<Events extends EventMap> = Omit<StoredEvent, 'type' | 'data'> & EventOf<Events>;
