import { canonicalJson } from './canonical-json.js';

/** The proved content of an event: everything stored except its place in the log, which the tree proves. */
export interface EventRecord {
  readonly id: string;
  readonly stream: string;
  /** Its number in the stream, from 0. */
  readonly revision: number;
  readonly type: string;
  readonly data: unknown;
  /** As stored; its `hash`, if any, is the event's link of the chain. */
  readonly metadata: object;
}

/** The parts shared by the link of the chain and the leaf of the tree, as canonical JSON. */
interface Parts {
  readonly head: string;
  readonly tail: string;
  readonly data: string;
}

function partsOf({ id, stream, revision, type, data, metadata }: EventRecord): Parts {
  const { hash: _, ...rest } = metadata as { readonly hash?: unknown };
  return {
    data: canonicalJson(data),
    head: `"id":${JSON.stringify(id)},"metadata":${canonicalJson(rest)}`,
    tail: `"revision":${revision},"stream":${JSON.stringify(stream)},"type":${JSON.stringify(type)}}`,
  };
}

/**
 * The text whose SHA-256, in hexadecimal, is an event's hash: canonical JSON of data, id, metadata (without its own hash), previous,
 * revision, stream and type.
 * @param previous hash of the event before it in the stream; null for revision 0
 */
export function chainText(event: EventRecord, previous: string | null): string {
  const { data, head, tail } = partsOf(event);
  return `{"data":${data},${head},"previous":${previous === null ? 'null' : `"${previous}"`},${tail}`;
}

/** The hash in an event's metadata; undefined if there is none. */
export function storedHash({ metadata }: Pick<EventRecord, 'metadata'>): unknown {
  return (metadata as { readonly hash?: unknown }).hash;
}

/**
 * The text of an event's leaf in the log's tree: canonical JSON of data, hash (null if there is none), id, metadata, revision, stream and
 * type.
 */
export function leafText(event: EventRecord): string {
  const { data, head, tail } = partsOf(event);
  return `{"data":${data},"hash":${canonicalJson(storedHash(event) ?? null)},${head},${tail}`;
}
