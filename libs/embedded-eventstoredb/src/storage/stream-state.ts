import { dataOf, isJson, kindOf, MARK, revisionOf, streamNumberOf, TOMBSTONE, type LogRecord } from './record.js';
import { DELETED, isMetadataStream, NO_METADATA, parseStreamMetadata, type StreamMetadata } from './stream-metadata.js';

/** What the node knows of one stream. Never changed in place: a commit puts a new one into its stead. */
export interface StreamState {
  readonly name: string;
  /** Number that stands for the name in the index, -1 before anything was written. */
  readonly number: number;
  /** Last revision, -1 when there is none. */
  readonly lastRevision: number;
  readonly tombstoned: boolean;
  readonly metadata: StreamMetadata;
  /** Whether its metadata stream has ever been written. */
  readonly hasMetadata: boolean;
}

export const isSoftDeleted = (stream: StreamState): boolean => (stream.metadata.truncateBefore ?? 0) >= DELETED;

/** What a record changes about the streams that it names: its own, and, when that holds metadata, the one that it is about. */
export function evolveStreams(
  record: LogRecord,
  name: string,
  get: (stream: string) => StreamState,
  set: (state: StreamState) => void,
): void {
  if (kindOf(record) === MARK) return;
  const number = streamNumberOf(record);
  const about = isMetadataStream(name) ? name.slice(2) : undefined;
  if (kindOf(record) === TOMBSTONE) {
    set({ ...get(name), number, tombstoned: true });
    if (about !== undefined && !isMetadataStream(about)) set({ ...get(about), metadata: NO_METADATA, hasMetadata: true });
    return;
  }
  set({ ...get(name), number, lastRevision: revisionOf(record) });
  if (about === undefined) return;
  const state = get(about);
  set({
    ...state,
    metadata: isMetadataStream(about) ? state.metadata : parseStreamMetadata(dataOf(record), isJson(record)),
    hasMetadata: true,
  });
}
