import { canonicalJson } from './canonical-json.js';

/** What is proved of an event: all that the store keeps of it but its place in the log, which the tree proves. */
export interface EventRecord {
  readonly id: string;
  readonly stream: string;
  /** Its number in the stream, from 0. */
  readonly revision: number;
  readonly type: string;
  readonly data: unknown;
  /** As stored; its `hash`, where it has one, is the event's link of the chain. */
  readonly metadata: object;
}

/** The parts that the link of the chain and the leaf of the tree share, as canonical JSON. */
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

/** The hash that an event carries in its metadata; undefined where it carries none. */
export function storedHash({ metadata }: Pick<EventRecord, 'metadata'>): unknown {
  return (metadata as { readonly hash?: unknown }).hash;
}

/** The text that is an event's leaf in the log's tree: canonical JSON of data, hash (null where it has none), id, metadata, revision, stream and type. */
export function leafText(event: EventRecord): string {
  const { data, head, tail } = partsOf(event);
  return `{"data":${data},"hash":${canonicalJson(storedHash(event) ?? null)},${head},${tail}`;
}
