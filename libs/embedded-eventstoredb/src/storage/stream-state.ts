import { dataOf, isJson, kindOf, MARK, revisionOf, streamNumberOf, TOMBSTONE, type LogRecord } from './record.js';
import { DELETED, isMetadataStream, NO_METADATA, parseStreamMetadata, type StreamMetadata } from './stream-metadata.js';

/** What the node knows of one stream. Immutable: a commit replaces it. */
export interface StreamState {
  readonly name: string;
  /** Number of the stream in the index; -1 before anything was written. */
  readonly number: number;
  /** Last revision; -1 if there is none. */
  readonly lastRevision: number;
  readonly tombstoned: boolean;
  readonly metadata: StreamMetadata;
  /** Whether its metadata stream has ever been written. */
  readonly hasMetadata: boolean;
}

export const isSoftDeleted = (stream: StreamState): boolean => (stream.metadata.truncateBefore ?? 0) >= DELETED;

/** The changes that a record makes to streams: to its own, and, if it contains metadata, to the one that it describes. */
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
