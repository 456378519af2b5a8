/** The expected revision of an append: the genuine server's numbers, which also appear in trailers. */
export const ANY = -2;
export const NO_STREAM = -1;
export const STREAM_EXISTS = -4;

/** What is known of a stream when deciding on an append. */
export interface StreamView {
  /** Last revision; -1 if nothing was ever written. */
  readonly lastRevision: number;
  readonly tombstoned: boolean;
  readonly softDeleted: boolean;
  /** Whether its metadata stream has ever been written. */
  readonly hasMetadata: boolean;
  /** Revision of this event id, the first if it occurs more than once. */
  revisionOf(id: string): number | undefined;
  /** Event id at a revision, including events that are truncated for readers. */
  idAt(revision: number): string | undefined;
}

export type Verdict =
  | { readonly kind: 'append' }
  | { readonly kind: 'repeated'; readonly lastRevision: number }
  | { readonly kind: 'wrong-revision' }
  | { readonly kind: 'deleted' };

const APPEND: Verdict = { kind: 'append' };
const WRONG: Verdict = { kind: 'wrong-revision' };
const DELETED: Verdict = { kind: 'deleted' };

/**
 * Whether events with these ids may be appended. Repetitions are recognised by event ids alone: with `any` and `stream_exists` anywhere in
 * the stream, with an exact revision only at the revisions that follow it.
 */
export function judgeAppend(stream: StreamView, expected: number, ids: readonly string[]): Verdict {
  if (stream.tombstoned) return DELETED;
  if (expected === STREAM_EXISTS) {
    if (stream.softDeleted) return DELETED;
    if (stream.lastRevision < 0 && !stream.hasMetadata) return WRONG;
  }
  if (expected === ANY || expected === STREAM_EXISTS) return judgeByIds(stream, ids);
  if (expected > stream.lastRevision) return WRONG;
  if (expected === stream.lastRevision) return APPEND;
  return judgeBySlots(stream, expected, ids);
}

function judgeByIds(stream: StreamView, ids: readonly string[]): Verdict {
  if (stream.lastRevision < 0) return APPEND;
  let lastRevision = -1;
  for (const [index, id] of ids.entries()) {
    const revision = stream.revisionOf(id);
    if (revision === undefined) return index === 0 ? APPEND : WRONG;
    lastRevision = revision;
  }
  return ids.length === 0 ? APPEND : { kind: 'repeated', lastRevision };
}

function judgeBySlots(stream: StreamView, expected: number, ids: readonly string[]): Verdict {
  if (ids.length === 0) return WRONG;
  for (const [index, id] of ids.entries()) {
    if (stream.idAt(expected + 1 + index) === id) continue;
    return index === 0 && expected === NO_STREAM && stream.softDeleted ? APPEND : WRONG;
  }
  return { kind: 'repeated', lastRevision: expected + ids.length };
}
