import type { Db } from 'mongodb';
import {
  type Document,
  type EventStore,
  PERSONAL_DATA_ERASED,
  type RecordedEvent,
  type StoredEvent,
  streamId,
  upcast,
} from '#eventsourcing';
import type { CheckpointWrite } from './control.js';
import { foldName, keepsFold, positionNumber, type AnyFace, type AnyGroup, type FoldDocument } from './documents.js';
import { datesBy } from './mongo-schema.js';
import { writeDocuments, type DocumentWrite } from './write-documents.js';

/** An event could not be projected: a fault in the fold, in a face, or in the event's data. */
export class ProjectionFailed extends Error {
  override readonly name = 'ProjectionFailed';
  constructor(
    readonly group: string,
    readonly event: Pick<StoredEvent, 'stream' | 'revision' | 'type' | 'id'>,
    cause: unknown,
  ) {
    super(
      `${group} failed at ${event.type} (${event.stream} revision ${event.revision}): ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

/** Result of a batch of events. */
export interface Projected {
  /** Number of events done: all of them, or those before the one that failed. */
  readonly count: number;
  readonly failure?: ProjectionFailed;
  /** Whether the checkpoint was written with the documents. */
  readonly checkpointed: boolean;
}

type Event = RecordedEvent<Record<string, unknown>>;

/** A document derived from a folded state, and the place of the last event that changed it. */
interface Shown {
  readonly document: Document | null;
  readonly position: number;
  readonly revision: number;
}

/** An aggregate as folded so far. Replaced, never changed. */
interface Folded {
  readonly state: unknown;
  readonly position: number;
  readonly revision: number;
  /** One for each state face, in their order. */
  readonly shown: readonly Shown[];
}

/** An aggregate after one of the events of a batch. */
type Step = Omit<Folded, 'shown'>;

/** An aggregate while a batch is folded: before it, and after each of its events. */
interface Folding {
  readonly before: Folded | undefined;
  readonly steps: Step[];
}

const NOT_SHOWN: Shown = { document: null, position: -1, revision: -1 };

/** Characters of JSON of the folds cached in memory; with their documents they take several times as much. */
const MOST_REMEMBERED = 4_000_000;
/** Overhead of each. */
const OF_EACH = 500;

export interface GroupDocumentsOptions {
  /** The faces to write; default: all. */
  readonly faces?: readonly AnyFace[];
  /** Names of the collections, if they are not the live ones. */
  readonly nameOf?: (collection: string) => string;
}

/**
 * Brings a group's documents up to date, in batches of events in log order. Each aggregate's fold is read at most once per batch, and not
 * at all if it was in a recent batch or begins in this one; only faces that changed are written. Every write is guarded by position: an
 * event that a document already includes changes nothing, and a late write is ignored. So it is harmless to repeat a batch, or to run two
 * of them concurrently.
 *
 * If personal data of an aggregate was erased, its stream is read and folded again, and all of its documents are rewritten.
 *
 * Folds are cached while this object lives: no other object may advance the group in the meantime unless this one sees the same events.
 */
export class GroupDocuments {
  readonly #remembered = new Map<string, { readonly folded: Folded; readonly weight: number }>();
  #weight = 0;
  readonly #stateFaces;
  readonly #eventFaces;
  readonly #written: ReadonlySet<AnyFace>;
  readonly #nameOf: (collection: string) => string;
  /** Converts the documents of a face whose stored form differs from the derived one. */
  readonly #stored = new Map<AnyFace, (document: Document) => Document>();

  constructor(
    private readonly db: Db,
    private readonly store: Pick<EventStore, 'readStream'>,
    private readonly group: AnyGroup,
    { faces = group.faces, nameOf = (collection) => collection }: GroupDocumentsOptions = {},
  ) {
    this.#stateFaces = group.faces.filter((face) => 'document' in face);
    this.#eventFaces = group.faces.filter((face) => 'entry' in face).filter((face) => faces.includes(face));
    this.#written = new Set(faces);
    this.#nameOf = nameOf;
    for (const face of this.#stateFaces) if (face.dates) this.#stored.set(face, datesBy(face.schema()));
  }

  /**
   * Projects a batch. If an event cannot be projected, those before it are written, and the failure is returned.
   * @param checkpoint to be written after this many events
   */
  async project(
    events: readonly StoredEvent[],
    checkpoint?: (done: Omit<Projected, 'checkpointed'>) => CheckpointWrite | undefined,
  ): Promise<Projected> {
    if (events.length === 0) return { count: 0, checkpointed: false };
    const before = await this.#load(events);
    const folding = new Map<string, Folding>();
    const entries = new Map<string, DocumentWrite>();
    const done = this.#fold(events, before, folding, entries, await this.#readAnew(events));
    const after = new Map<string, Folded>();
    try {
      for (const [id, one] of folding) after.set(id, this.#shownAfter(one));
    } catch (error) {
      return this.#projectByHalves(events, error, checkpoint);
    }
    const { faces, folds, weights } = this.#writes(before, after);
    try {
      const checkpointed = await writeDocuments(this.db, [...entries.values(), ...faces], folds, checkpoint?.(done));
      for (const [id, folded] of after) this.#remember(id, folded, weights.get(id));
      return { ...done, checkpointed };
    } catch (error) {
      // It is unknown what was written: read it again.
      for (const id of after.keys()) this.#forget(id);
      throw error;
    }
  }

  /** A face failed at one of the events: those before it are projected all the same. */
  async #projectByHalves(
    events: readonly StoredEvent[],
    error: unknown,
    checkpoint?: (done: Omit<Projected, 'checkpointed'>) => CheckpointWrite | undefined,
  ): Promise<Projected> {
    const [only, ...others] = events;
    if (only !== undefined && others.length === 0)
      return { count: 0, failure: new ProjectionFailed(this.group.name, only, error), checkpointed: false };
    const middle = Math.floor(events.length / 2);
    const first = await this.project(events.slice(0, middle));
    if (first.failure !== undefined) return first;
    const rest = await this.project(events.slice(middle), checkpoint && ((done) => checkpoint({ ...done, count: middle + done.count })));
    return { ...rest, count: middle + rest.count };
  }

  /** The existing folds of the events' aggregates. */
  async #load(events: readonly StoredEvent[]): Promise<Map<string, Folded>> {
    const folds = new Map<string, Folded>();
    if (!keepsFold(this.group)) return folds;
    const unknown = new Set<string>();
    const begun = new Set<string>();
    for (const { stream, revision } of events) {
      const id = streamId(stream);
      const known = this.#remembered.get(id)?.folded;
      if (known !== undefined) folds.set(id, known);
      else if (revision === 0) begun.add(id);
      else if (!begun.has(id)) unknown.add(id);
    }
    if (unknown.size === 0) return folds;
    const stored = this.db.collection<FoldDocument>(this.#nameOf(foldName(this.group)));
    for await (const fold of stored.find({ _id: { $in: [...unknown] } }, { batchSize: unknown.size + 1 })) {
      folds.set(fold._id, this.#restored(fold));
    }
    return folds;
  }

  #restored({ state: json, position, revision, faces }: FoldDocument): Folded {
    const state: unknown = JSON.parse(json);
    const shown = this.#stateFaces.map(({ name, document }): Shown => ({
      document: document(state),
      position: faces[name] ?? -1,
      revision: -1,
    }));
    return { state, position, revision, shown };
  }

  /** For each event about erased personal data, its stream up to that event. */
  async #readAnew(events: readonly StoredEvent[]): Promise<ReadonlyMap<StoredEvent, readonly StoredEvent[]>> {
    const streams = new Map<StoredEvent, readonly StoredEvent[]>();
    for (const event of events) {
      if (event.type !== PERSONAL_DATA_ERASED) continue;
      const stream: StoredEvent[] = [];
      for await (const one of this.store.readStream(event.stream)) {
        if (one.revision > event.revision) break;
        if (!one.type.startsWith('foreign:')) stream.push(one);
      }
      streams.set(event, stream);
    }
    return streams;
  }

  #fold(
    events: readonly StoredEvent[],
    before: ReadonlyMap<string, Folded>,
    folding: Map<string, Folding>,
    entries: Map<string, DocumentWrite>,
    readAnew: ReadonlyMap<StoredEvent, readonly StoredEvent[]>,
  ): Omit<Projected, 'checkpointed'> {
    let count = 0;
    for (const stored of events) {
      try {
        const event = upcast(this.group.aggregate, stored) as Event;
        const id = streamId(event.stream);
        const known = folding.get(id) ?? { before: before.get(id), steps: [] };
        const folded = known.steps.at(-1) ?? known.before;
        const position = positionNumber(event.position);
        if (folded === undefined || position > folded.position) {
          const { revision } = event;
          const anew = readAnew.get(stored)?.map((one) => upcast(this.group.aggregate, one) as Event);
          if (anew !== undefined) folding.set(id, { before: this.#foldedAnew(anew, position, revision), steps: [] });
          else {
            const state: unknown = this.group.fold(folded === undefined ? this.group.initial : folded.state, event);
            known.steps.push({ state, position, revision });
            folding.set(id, known);
          }
          const told = (anew ?? [event]).flatMap((one) => this.#entries(one, position, one.revision === revision));
          for (const entry of told) {
            const key = `${entry.collection} ${entry.id}`;
            entries.set(key, { ...entry, isNew: entry.isNew || entries.get(key)?.isNew === true });
          }
        }
        count++;
      } catch (error) {
        return { count, failure: new ProjectionFailed(this.group.name, stored, error) };
      }
    }
    return { count };
  }

  /** What is written for an event. @param position of the event that causes the write */
  #entries(event: Event, position: number, isNew: boolean): DocumentWrite[] {
    return this.#eventFaces.map((face) => ({
      collection: this.#nameOf(face.name),
      id: face.key(event),
      position,
      document: { ...face.entry(event), position: positionNumber(event.position), revision: event.revision },
      isNew,
    }));
  }

  /** Every document counts as changed: stored documents are overwritten, so that they agree with a fold that never saw the data. */
  #foldedAnew(events: readonly Event[], position: number, revision: number): Folded {
    const state = events.reduce<unknown>((state, event) => this.group.fold(state, event) as unknown, this.group.initial);
    return {
      state,
      position,
      revision,
      shown: this.#stateFaces.map(({ document }) => ({ document: document(state), position, revision })),
    };
  }

  /** The documents after a batch. Documents in between are derived only if needed to find the event that changed one last. */
  #shownAfter({ before, steps }: Folding): Folded {
    const last = steps.at(-1);
    if (last === undefined) return before as Folded;
    const shown = this.#stateFaces.map((face, index): Shown => {
      const was = before?.shown[index] ?? NOT_SHOWN;
      const document = face.document(last.state, before && { state: before.state, document: was.document });
      let after = document;
      for (let index = steps.length - 1; index >= 0; index--) {
        const { state, position, revision } = steps[index] as Step;
        const earlier = steps[index - 1];
        const earlierDocument =
          earlier === undefined ? was.document : earlier.state === state ? after : face.document(earlier.state, { state, document: after });
        if (!sameContent(earlierDocument, after)) return { document, position, revision };
        after = earlierDocument;
      }
      return was;
    });
    return { ...last, shown };
  }

  #writes(
    before: ReadonlyMap<string, Folded>,
    after: ReadonlyMap<string, Folded>,
  ): { faces: DocumentWrite[]; folds: DocumentWrite[]; weights: ReadonlyMap<string, number> } {
    const faces: DocumentWrite[] = [];
    const folds: DocumentWrite[] = [];
    const weights = new Map<string, number>();
    if (!keepsFold(this.group)) return { faces, folds, weights };
    // Face by face, since servers execute runs of writes to one collection together.
    for (const [index, face] of this.#stateFaces.entries()) {
      if (!this.#written.has(face)) continue;
      const collection = this.#nameOf(face.name);
      const stored = this.#stored.get(face) ?? ((document: Document) => document);
      for (const [id, { shown }] of after) {
        const now = shown[index] ?? NOT_SHOWN;
        const was = before.get(id)?.shown[index] ?? NOT_SHOWN;
        if (now === was) continue;
        const { document, position, revision } = now;
        const isNew = was.document === null;
        if (document === null) faces.push({ collection, id, position, document, isNew });
        else faces.push({ collection, id, position, document: { ...stored(document), position, revision }, isNew });
      }
    }
    const collection = this.#nameOf(foldName(this.group));
    for (const [id, { state, position, revision, shown }] of after) {
      const json = JSON.stringify(state);
      weights.set(id, json.length + OF_EACH);
      const at: Record<string, number> = {};
      for (const [index, { name }] of this.#stateFaces.entries()) {
        const one = shown[index];
        if (one !== undefined && one.position >= 0) at[name] = one.position;
      }
      const document: Omit<FoldDocument, '_id'> = { position, revision, faces: at, state: json };
      folds.push({ collection, id, position, document, isNew: !before.has(id) });
    }
    return { faces, folds, weights };
  }

  #remember(id: string, folded: Folded, weight: number | undefined): void {
    this.#forget(id);
    if (weight === undefined) return;
    this.#remembered.set(id, { folded, weight });
    this.#weight += weight;
    // The least recently used one comes first.
    for (const oldest of this.#remembered.keys()) {
      if (this.#weight <= MOST_REMEMBERED) return;
      this.#forget(oldest);
    }
  }

  #forget(id: string): void {
    this.#weight -= this.#remembered.get(id)?.weight ?? 0;
    this.#remembered.delete(id);
  }
}

/** Whether two JSON values have the same content; absent and undefined are the same. Identical objects are not compared further. */
function sameContent(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one)) {
    return Array.isArray(other) && one.length === other.length && one.every((item, index) => sameContent(item, other[index]));
  }
  if (Array.isArray(other)) return false;
  const [left, right] = [one as Record<string, unknown>, other as Record<string, unknown>];
  for (const key in left) if (!sameContent(left[key], right[key])) return false;
  for (const key in right) if (left[key] === undefined && right[key] !== undefined) return false;
  return true;
}
