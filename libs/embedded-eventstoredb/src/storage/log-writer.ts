import { randomUUID } from 'node:crypto';
import { ANY, judgeAppend, type StreamView } from './append-rules.js';
import type { EventLog } from './event-log.js';
import { evolveStreams, isSoftDeleted, type StreamState } from './stream-state.js';
import { shuttingDown } from '../wire/faults.js';
import {
  dataOf,
  encodeRecord,
  EVENT,
  idOf,
  MARK,
  NO_BYTES,
  positionOf,
  TOMBSTONE,
  TOMBSTONE_REVISION,
  type LogRecord,
  type RecordContent,
} from './record.js';
import { isMetadataStream, metadataStreamOf, revivedMetadata, SOFT_DELETE_JSON } from './stream-metadata.js';

export interface NewEvent {
  /** Lower-case uuid with dashes. */
  readonly id: string;
  readonly type: Buffer;
  readonly json: boolean;
  readonly data: Uint8Array;
  readonly customMetadata: Uint8Array;
}

/** An event of a system stream, and the stream. */
export interface Link {
  readonly stream: string;
  readonly event: NewEvent;
}

/** The outcome of a write. `position` is that of its last record; a repeated write whose events are truncated has none. */
export type WriteOutcome =
  | { readonly kind: 'written'; readonly lastRevision: number; readonly position: number | undefined }
  | { readonly kind: 'wrong-revision'; readonly lastRevision: number }
  | { readonly kind: 'deleted' };

type Write =
  | { readonly kind: 'append'; readonly stream: string; readonly expected: number; readonly events: readonly NewEvent[] }
  | { readonly kind: 'delete' | 'tombstone'; readonly stream: string; readonly expected: number }
  | { readonly kind: 'links'; readonly links: readonly Link[]; readonly repeats: boolean };

interface Waiting {
  readonly write: Write;
  readonly resolve: (outcome: WriteOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** A commit is limited to this many events and bytes, so that one flush does not delay the others for long. */
const GROUP_EVENTS = 4096;
const GROUP_BYTES = 8 * 1024 * 1024;
const LINKS_WAIT_MS = 10;
/** If the disk flushes this fast, a single write may block the thread during its flush: handing it over would take as long. */
const QUICK_FLUSH_MS = 1;
const SMALL_GROUP_BYTES = 8 * 1024;

/**
 * Group commit: writes that arrive during a flush form the next group. Each is decided against everything before it, also within its group,
 * and answered after the flush.
 */
export class LogWriter {
  private queue: Waiting[] = [];
  private readonly tasks: Array<() => Promise<void>> = [];
  private running: Promise<void> | undefined;
  private closed = false;
  /** Ends the wait of links for other writes. */
  private hurry: () => void = () => undefined;
  private lastGroup = { writes: 0, milliseconds: 0 };

  constructor(
    private readonly log: EventLog,
    private readonly now: () => number,
  ) {}

  append(stream: string, expected: number, events: readonly NewEvent[]): Promise<WriteOutcome> {
    return this.enqueue({ kind: 'append', stream, expected, events });
  }

  delete(stream: string, expected: number): Promise<WriteOutcome> {
    return this.enqueue({ kind: 'delete', stream, expected });
  }

  tombstone(stream: string, expected: number): Promise<WriteOutcome> {
    return this.enqueue({ kind: 'tombstone', stream, expected });
  }

  /** Runs something between two groups, while nothing is being written. */
  between<T>(task: () => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(shuttingDown());
    return new Promise((resolve, reject) => {
      this.tasks.push(() => task().then(resolve, reject));
      this.running ??= this.run();
    });
  }

  /** Writes links into system streams; with `repeats`, only those that do not exist yet. Nothing is written to a tombstoned stream. */
  async link(links: readonly Link[], repeats: boolean): Promise<void> {
    await this.enqueue({ kind: 'links', links, repeats });
  }

  /** Writes what is waiting, and accepts nothing more. */
  async close(): Promise<void> {
    this.closed = true;
    this.hurry();
    await this.running;
  }

  private enqueue(write: Write): Promise<WriteOutcome> {
    if (this.closed) return Promise.reject(shuttingDown());
    return new Promise((resolve, reject) => {
      this.queue.push({ write, resolve, reject });
      if (write.kind !== 'links') this.hurry();
      this.running ??= this.run();
    });
  }

  /** A flush costs about the same for one write as for hundreds, so the writer waits while each turn of the event loop brings more. */
  private async gather(): Promise<void> {
    if (this.queue.every(({ write }) => write.kind === 'links')) await this.company();
    let before: number;
    do {
      before = this.queue.length;
      await new Promise<void>((resolve) => void setImmediate(resolve));
    } while (this.queue.length > before && this.queue.length < GROUP_EVENTS);
  }

  /** Links alone wait briefly for a write to share its flush, so that clients rarely wait for a flush of links. */
  private async company(): Promise<void> {
    if (this.closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LINKS_WAIT_MS);
      this.hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.hurry = () => undefined;
  }

  /** Takes the next group from the queue. */
  private decide(): { group: Group; decided: Array<{ waiting: Waiting; outcome: WriteOutcome }> } {
    const group = new Group(this.log, this.now());
    const decided: Array<{ waiting: Waiting; outcome: WriteOutcome }> = [];
    for (const waiting of this.queue) {
      if (group.events >= GROUP_EVENTS || group.bytes >= GROUP_BYTES) break;
      try {
        decided.push({ waiting, outcome: group.apply(waiting.write) });
      } catch (error) {
        // It may have left half an append behind (because it met a damaged record): the others are decided again, without it.
        this.queue = this.queue.filter((other) => other !== waiting);
        waiting.reject(error);
        return this.decide();
      }
    }
    this.queue = this.queue.slice(decided.length);
    return { group, decided };
  }

  private async run(): Promise<void> {
    while (this.queue.length > 0 || this.tasks.length > 0) {
      for (const task of this.tasks.splice(0)) await task();
      if (this.queue.length === 0) continue;
      await this.gather();
      const { group, decided } = this.decide();
      try {
        if (group.events > 0) {
          const since = performance.now();
          const alone =
            decided.length === 1 &&
            group.bytes <= SMALL_GROUP_BYTES &&
            this.lastGroup.writes === 1 &&
            this.lastGroup.milliseconds < QUICK_FLUSH_MS;
          await this.log.commit(group, alone);
          this.lastGroup = { writes: decided.length, milliseconds: performance.now() - since };
        }
        for (const { waiting, outcome } of decided) waiting.resolve(outcome);
      } catch (error) {
        for (const { waiting } of decided) waiting.reject(error);
      }
    }
    // In the same turn as the check of the queue: a later write starts the next run.
    this.running = undefined;
  }
}

/** A stream as it will be after the writes of the group so far. */
interface Draft {
  state: StreamState;
  readonly committedRevision: number;
  /** Events of this group, in revision order. */
  readonly fresh: Array<{ readonly id: string; readonly position: number }>;
  /** First revision of each event id of this group. */
  readonly freshIds: Map<string, number>;
  /** Last record written to it in this group. */
  lastRecord: LogRecord | undefined;
  nameBytes: Buffer | undefined;
}

class Group {
  readonly records: LogRecord[] = [];
  readonly names: string[] = [];
  bytes = 0;
  private readonly drafts = new Map<string, Draft>();
  private position: number;
  private streamNumber: number;

  constructor(
    private readonly log: EventLog,
    private readonly now: number,
  ) {
    this.position = log.end;
    this.streamNumber = log.nextStreamNumber;
  }

  get events(): number {
    return this.records.length;
  }

  apply(write: Write): WriteOutcome {
    if (write.kind === 'links') return this.links(write.links, write.repeats);
    const draft = this.draft(write.stream);
    const { lastRevision } = draft.state;
    // A delete counts as one new event.
    const ids = write.kind === 'append' ? write.events.map((event) => event.id) : [randomUUID()];
    const verdict = judgeAppend(this.view(draft), write.expected, ids);
    if (verdict.kind === 'deleted') return { kind: 'deleted' };
    if (verdict.kind === 'wrong-revision') return { kind: 'wrong-revision', lastRevision };
    if (verdict.kind === 'repeated')
      return { kind: 'written', lastRevision: verdict.lastRevision, position: this.visiblePosition(draft, verdict.lastRevision) };
    if (write.kind === 'append') return this.append(draft, write.events);
    if (write.kind === 'tombstone') return { kind: 'written', lastRevision, position: this.tombstone(draft) };
    if (lastRevision < 0 && !draft.state.hasMetadata) return { kind: 'wrong-revision', lastRevision };
    return { kind: 'written', lastRevision, position: this.metadata(draft, SOFT_DELETE_JSON) };
  }

  private links(links: readonly Link[], repeats: boolean): WriteOutcome {
    for (const { stream, event } of links) {
      const draft = this.draft(stream);
      if (draft.state.tombstoned || (repeats && this.view(draft).revisionOf(event.id) !== undefined)) continue;
      this.append(draft, [event]);
    }
    return { kind: 'written', lastRevision: -1, position: undefined };
  }

  private append(draft: Draft, events: readonly NewEvent[]): WriteOutcome {
    const { name } = draft.state;
    // A write to a soft-deleted stream or to its metadata restores it; its old events stay gone.
    const revived = [draft, ...(isMetadataStream(name) ? [this.draft(name.slice(2))] : [])]
      .filter(({ state }) => isSoftDeleted(state))
      .map((deleted) => ({ deleted, nextRevision: deleted.state.lastRevision + 1 }));
    let position: number | undefined;
    for (const event of events) position = this.event(draft, event);
    position ??= this.mark(draft);
    const { lastRevision } = draft.state;
    for (const { deleted, nextRevision } of revived) {
      const json = revivedMetadata(this.metadataOf(deleted), nextRevision);
      if (json !== undefined) this.metadata(deleted, json);
    }
    return { kind: 'written', lastRevision, position };
  }

  private event(draft: Draft, event: NewEvent): number {
    const revision = draft.state.lastRevision + 1;
    const position = this.put(draft, EVENT, revision, event);
    draft.fresh.push({ id: event.id, position });
    if (!draft.freshIds.has(event.id)) draft.freshIds.set(event.id, revision);
    return position;
  }

  private metadata(draft: Draft, json: string): number {
    const about = this.draft(metadataStreamOf(draft.state.name));
    return this.event(about, { id: randomUUID(), type: METADATA_TYPE, json: true, data: Buffer.from(json), customMetadata: NO_BYTES });
  }

  private tombstone(draft: Draft): number {
    return this.put(draft, TOMBSTONE, TOMBSTONE_REVISION, {
      id: randomUUID(),
      type: TOMBSTONE_TYPE,
      json: false,
      data: NO_BYTES,
      customMetadata: NO_BYTES,
    });
  }

  private mark(draft: Draft): number {
    return this.put(draft, MARK, Math.max(draft.state.lastRevision, 0), {
      id: randomUUID(),
      type: NO_TYPE,
      json: false,
      data: NO_BYTES,
      customMetadata: NO_BYTES,
    });
  }

  private put(draft: Draft, kind: RecordContent['kind'], revision: number, event: NewEvent): number {
    const { position } = this;
    const { name } = draft.state;
    const { id, type, json, data, customMetadata } = event;
    draft.nameBytes ??= Buffer.from(name, 'utf8');
    const stream = { number: this.numberFor(draft, kind), name: draft.nameBytes };
    const record = encodeRecord({ kind, position, stream, revision, created: this.now, id, type, json, data, customMetadata });
    this.records.push(record);
    this.names.push(name);
    this.bytes += record.length;
    this.position += record.length;
    if (kind === EVENT) draft.lastRecord = record;
    evolveStreams(
      record,
      name,
      (stream) => this.draft(stream).state,
      (state) => (this.draft(state.name).state = state),
    );
    return position;
  }

  /** A mark alone does not create a stream. */
  private numberFor({ state }: Draft, kind: RecordContent['kind']): number {
    if (state.number >= 0) return state.number;
    return kind === MARK ? 0 : this.streamNumber++;
  }

  private draft(name: string): Draft {
    const known = this.drafts.get(name);
    if (known) return known;
    const state = this.log.stream(name);
    const draft: Draft = {
      state,
      committedRevision: state.lastRevision,
      fresh: [],
      freshIds: new Map(),
      lastRecord: undefined,
      nameBytes: undefined,
    };
    this.drafts.set(name, draft);
    return draft;
  }

  private view(draft: Draft): StreamView {
    const { log } = this;
    const { state, committedRevision, fresh, freshIds } = draft;
    return {
      lastRevision: state.lastRevision,
      tombstoned: this.isTombstoned(state),
      softDeleted: isSoftDeleted(state),
      hasMetadata: state.hasMetadata,
      revisionOf: (id) => {
        const committed = committedRevision < 0 ? undefined : log.revisionOfId(state.number, id);
        return committed ?? freshIds.get(id);
      },
      idAt: (revision) => {
        if (revision > committedRevision) return fresh[revision - committedRevision - 1]?.id;
        const record = log.recordAt(state.number, revision);
        return record && idOf(record);
      },
    };
  }

  /** Existing metadata of a tombstoned stream can be replaced; it cannot get any if it has none. */
  private isTombstoned({ name, tombstoned, lastRevision }: StreamState): boolean {
    if (tombstoned || lastRevision >= 0 || !isMetadataStream(name)) return tombstoned;
    for (let about = name.slice(2); ; about = about.slice(2)) {
      if (this.draft(about).state.tombstoned) return true;
      if (!isMetadataStream(about)) return false;
    }
  }

  /** The revision of the event, unless readers no longer see it. */
  private visiblePosition(draft: Draft, revision: number): number | undefined {
    const { metadata, lastRevision, number } = draft.state;
    const lowest = Math.max(metadata.truncateBefore ?? 0, metadata.maxCount ? lastRevision - metadata.maxCount + 1 : 0);
    if (revision < lowest) return undefined;
    if (revision > draft.committedRevision) return draft.fresh[revision - draft.committedRevision - 1]?.position;
    const record = this.log.recordAt(number, revision);
    return record && positionOf(record);
  }

  private metadataOf(draft: Draft): Buffer {
    const about = this.draft(metadataStreamOf(draft.state.name));
    const record = about.lastRecord ?? this.log.recordAt(about.state.number, about.state.lastRevision);
    return record ? dataOf(record) : NO_METADATA;
  }
}

const METADATA_TYPE = Buffer.from('$metadata');
const TOMBSTONE_TYPE = Buffer.from('$streamDeleted');
const NO_TYPE = Buffer.alloc(0);
const NO_METADATA = Buffer.alloc(0);

/** What a new genuine node has in its log before any writes. */
export const FIRST_EVENT = {
  stream: '$$$scavenges',
  expected: ANY,
  event: (): NewEvent => ({
    id: randomUUID(),
    type: METADATA_TYPE,
    json: true,
    data: Buffer.from('{"$maxAge":2592000,"$acl":{"$r":"$ops","$w":[],"$d":[],"$mr":[],"$mw":[]}}'),
    customMetadata: NO_BYTES,
  }),
};
