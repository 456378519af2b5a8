import type { Instant } from './instant.js';

/** An events map: event type → its data, as JSON. Unions, handlers and filters are derived from it. */
export type EventMap = object;

/** The union of an events map's events. */
export type EventOf<Events extends EventMap> = {
  [Type in keyof Events & string]: { readonly type: Type; readonly data: Events[Type] };
}[keyof Events & string];

/** Who did it: a person at the desk, a requester, a program that works alongside them, a system, or a policy of this product. */
export interface Actor {
  readonly id: string;
  readonly kind: 'agent' | 'requester' | 'assistant' | 'system';
  readonly name?: string;
}

/** The tools of an assistant. */
export interface Using {
  /** The language model. */
  readonly model?: string;
  /** Reference to the prompt. */
  readonly prompt?: string;
}

/** Where an imported fact comes from, and which rules it would have broken as a command. */
export interface ImportedFrom {
  /** Source system, such as `bpic2013`. */
  readonly system: string;
  /** The key of the record there, such as the case id. */
  readonly key: string;
  /** Row of the record that the event comes from, from 0. Several events may share a row. */
  readonly row: number;
  /** The content of the row, in the source's own words. */
  readonly said: Readonly<Record<string, string>>;
  /** Codes of the refusals that a command would have met; absent if the rules allow it. */
  readonly deviations?: readonly string[];
}

/** Metadata of every event. `effectiveAt` is when it happened, `recordedAt` when this system learnt of it. */
export interface EventMetadata {
  readonly commandId: string;
  /** Name of the command, and a digest of its content, which distinguishes reuse of an idempotency key with other content. */
  readonly commandType: string;
  readonly commandDigest?: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly actor: Actor;
  /** Who sent the command on behalf of the actor; absent if the actor did. */
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
  /** Links the event to the previous one in its stream; absent from events older than the hashes. See `appendChained`. */
  readonly hash?: string;
  /** The encrypted fields of a stored event; absent once they are decrypted. See `PersonalCodec`. */
  readonly personal?: readonly SealedFields[];
}

/** Which fields of an event's data are personal, and whose. */
export interface PersonalData {
  /** The field with the person's id; default: the person whom the aggregate is about. */
  readonly of?: string;
  /** Paths of fields within the data, such as `reporter.name`. */
  readonly fields: readonly string[];
  /** The field with the SHA-256 of an attachment that is also personal. */
  readonly content?: string;
}

/** Personal fields of an event. */
export interface PersonalFields {
  /** Id of the person they belong to. */
  readonly person: string;
  /** Paths from the event, such as `data.reporter.name`. */
  readonly fields: readonly string[];
  /** SHA-256 of an attachment. */
  readonly content?: string;
}

/** Personal fields as stored: replaced by a mark, with their values encrypted. */
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
  /** Its personal fields; not stored. */
  readonly personal?: readonly PersonalFields[];
}

/** A place in the log of all events: totally ordered, opaque, comparable. Without explicit transactions commit = prepare. */
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
  /** The stored form, if it differs: personal fields are encrypted. */
  readonly sealed?: Pick<NewEvent, 'data' | 'metadata'>;
}

/** A stored event with data in the current shape. */
export type RecordedEvent<Events extends EventMap> = Omit<StoredEvent, 'type' | 'data'> & EventOf<Events>;
