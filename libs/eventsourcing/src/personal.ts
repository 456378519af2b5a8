import type { Aggregate, AnyEvent } from './aggregate.js';
import type { Actor, NewEvent, PersonalFields, StoredEvent } from './event.js';

/** How personal data gets into a store and out of it. */
export interface PersonalCodec {
  /** The events as stored. The same for the same events, so that a repeated append has the same hashes. @throws StoreUnavailable */
  seal(stream: string, events: readonly NewEvent[]): readonly NewEvent[] | Promise<readonly NewEvent[]>;
  /**
   * The event for reading, with its stored form in `sealed`. What cannot be decrypted reads as a fixed mark.
   * @param ahead whether the following events will be read too
   * @throws StoreUnavailable
   */
  open(event: StoredEvent, ahead: boolean): StoredEvent | Promise<StoredEvent>;
}

/** Says that personal data in a stream was erased: anything derived from earlier events must be derived again. */
export const PERSONAL_DATA_ERASED = 'PersonalDataErased';

/** What personal data reads as once its key is destroyed. */
export const ERASED = '[erased]';

/** The event as stored: hashes are computed from it. */
export function asStored(event: StoredEvent): StoredEvent {
  return event.sealed === undefined ? event : { ...event, ...event.sealed };
}

/** The personal fields of an event by person, if present. A requester's name is also personal when they are the actor. */
export function personalFieldsOf<State>(
  { events, person }: Pick<Aggregate<State>, 'events' | 'person'>,
  { type, data }: AnyEvent,
  state: State,
  actor: Actor,
): readonly PersonalFields[] {
  if (person === undefined) return NONE;
  const { of, fields = [], content } = events[type]?.personal ?? {};
  const named = of === undefined ? undefined : (valueAt(data, of) as { readonly id?: string } | undefined)?.id;
  const whose = named ?? person(state);
  const there = whose === undefined ? [] : fields.filter((field) => valueAt(data, field) !== undefined);
  const kept = content === undefined ? {} : { content: valueAt(data, content) as string };
  const all =
    whose === undefined || there.length === 0 ? NONE : [{ person: whose, fields: there.map((field) => `data.${field}`), ...kept }];
  if (actor.kind !== 'requester' || actor.name === undefined) return all;
  const name = 'metadata.actor.name';
  return all[0]?.person === actor.id ? [{ ...all[0], fields: [...all[0].fields, name] }] : [...all, { person: actor.id, fields: [name] }];
}

/** An actor as the events of an aggregate name them: a requester by id alone where their name could not be erased later. */
export function erasableActor({ person }: Pick<Aggregate, 'person'>, actor: Actor): Actor {
  if (person !== undefined || actor.kind !== 'requester') return actor;
  const { name: _, ...unnamed } = actor;
  return unnamed;
}

const NONE: readonly PersonalFields[] = [];

/** The value at a path such as `reporter.name`; undefined if there is none. */
export function valueAt(object: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Readonly<Record<string, unknown>> | null | undefined)?.[key], object);
}
