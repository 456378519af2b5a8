import { expect } from '@jest/globals';
import {
  type Document,
  type EventFace,
  type EventMap,
  type EventMetadata,
  instantFrom,
  type ProjectionGroup,
  type RecordedEvent,
  type StateFace,
} from '#eventsourcing';

/** An event of a stream: omitted fields are the same for all. */
export interface Told {
  readonly type: string;
  readonly data: unknown;
  /** When it took effect, and was recorded unless `metadata` says otherwise; default: the epoch. */
  readonly at?: EventMetadata['effectiveAt'];
  readonly metadata?: Partial<EventMetadata>;
}

/** Events as in the stream of one aggregate. */
export function recorded<Events extends EventMap>(stream: string, events: readonly Told[]): readonly RecordedEvent<Events>[] {
  return events.map(({ type, data, at = instantFrom(0), metadata }, revision) => ({
    id: `${stream}/${revision}`,
    stream,
    revision,
    position: { commit: BigInt(revision), prepare: BigInt(revision) },
    type,
    data,
    metadata: {
      commandId: `command-${revision}`,
      commandType: 'Test',
      correlationId: 'correlation',
      causationId: `command-${revision}`,
      actor: { id: 'ada', kind: 'agent' },
      client: 'northwind',
      effectiveAt: at,
      recordedAt: at,
      schemaVersion: 1,
      ...metadata,
    },
  })) as unknown as readonly RecordedEvent<Events>[];
}

/**
 * `given(group, events).then(face, document)`: the document of a face after the events of one aggregate. The state is stored as JSON and
 * read again before each event, and the document derived from the previous one, since projectors may do both.
 */
export function given<State, Events extends EventMap>(group: ProjectionGroup<State, Events>, events: readonly Told[]) {
  const stored = recorded<Events>(`${group.streamPrefix}1`, events);
  const states = stored.reduce<readonly State[]>(
    (before, event) => [...before, asStored(group.fold(asStored(before.at(-1) ?? group.initial), event))],
    [],
  );
  const document = (face: StateFace<State>): Document | null => {
    let last: { readonly state: State; readonly document: Document | null } | undefined;
    for (const state of states) last = { state, document: face.document(state, last) };
    return last?.document ?? null;
  };
  return {
    state: states.at(-1) ?? group.initial,
    document,
    /** @param fields the fields that matter here; all of them unless said */
    then: (face: StateFace<State>, expected: Document | null, fields?: readonly string[]) =>
      expect(only(document(face), fields)).toEqual(expected),
    /** The documents of a face that has one an event, by their keys. */
    thenEntries: (face: EventFace<Events>, expected: Readonly<Record<string, Document>>) =>
      expect(Object.fromEntries(stored.map((event) => [face.key(event), face.entry(event)]))).toEqual(expected),
  };
}

function only(document: Document | null, fields: readonly string[] | undefined): Document | null {
  return document && fields ? Object.fromEntries(Object.entries(document).filter(([field]) => fields.includes(field))) : document;
}

function asStored<State>(state: State): State {
  return JSON.parse(JSON.stringify(state)) as State;
}
