import { type Instant, instantFrom, type ProjectionGroup, refuse, type Refusal, type StateFace, upcast } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import type { Sources } from './read-models.js';

/** The time of a question: by what had happened, by what was known, or both. Neither means now. */
export interface When {
  /** Later events are ignored. */
  readonly asOf?: Instant | undefined;
  /** Events recorded later are ignored. */
  readonly knownAt?: Instant | undefined;
}

/** Whether the time is not now. */
export function isPast({ asOf, knownAt }: When): boolean {
  return asOf !== undefined || knownAt !== undefined;
}

/** The instant for evaluating clocks and calendars. */
export function evaluatedAt({ asOf, knownAt }: When): Instant {
  return asOf ?? knownAt ?? instantFrom(Date.now());
}

/** An aggregate at another time. */
export interface Past<State> {
  readonly state: State;
  /** Revision and commit position of the last event that counts. */
  readonly revision: number;
  readonly position: number;
}

type GroupOf<State, Events extends object> = Pick<ProjectionGroup<State, Events>, 'aggregate' | 'initial' | 'fold'>;

/**
 * An aggregate at another time, from the log, by the fold of its live views. An event is known once all before it in its stream are,
 * whatever the machines' clocks said.
 * @returns undefined if it does not exist yet
 */
export async function readPast<State, Events extends object>(
  { store }: Pick<Sources, 'store'>,
  { aggregate, initial, fold }: GroupOf<State, Events>,
  stream: string,
  { asOf, knownAt }: When,
): Promise<Past<State> | undefined> {
  let past: Past<State> | undefined;
  for await (const stored of store.readStream(stream)) {
    const { recordedAt, effectiveAt } = stored.metadata;
    if (knownAt !== undefined && recordedAt > knownAt) break;
    if (asOf !== undefined && effectiveAt > asOf) continue;
    const state = fold(past?.state ?? initial, upcast(aggregate, stored) as never);
    past = { state, revision: stored.revision, position: Number(stored.position.commit) };
  }
  return past;
}

/** The document of a face at another time, as it would be in its collection. */
export function pastDocument<Doc extends object, State>(
  face: StateFace<State>,
  id: string,
  { state, revision, position }: Past<State>,
): ViewDocument<Doc> | undefined {
  const document = face.document(state) as Doc | null;
  return document === null ? undefined : { _id: id, ...document, revision, position };
}

/** There was no such ticket then. */
export function noTicket(when: When): Refusal<'ticket-not-found'> {
  return refuse('ticket-not-found', `There is no such ticket${then(when)}`);
}

/** A time in words, at the end of a sentence. */
export function then({ asOf, knownAt }: When): string {
  const happened = asOf === undefined ? '' : `, going by what had happened by ${asOf}`;
  return `${happened}${knownAt === undefined ? '' : `${happened === '' ? ', going by what' : ' and'} was known by ${knownAt}`}`;
}
