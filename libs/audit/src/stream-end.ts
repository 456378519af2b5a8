import { hex, type Sha256, utf8 } from './bytes.js';
import { canonicalJson } from './canonical-json.js';

/**
 * The end of a stream: a leaf of the tree of streams, which is sorted by the digests of client and stream. Digests instead of names keep
 * neighbours anonymous.
 */
export interface StreamEnd {
  /** SHA-256 of the client's name, in hexadecimal. */
  readonly client: string;
  /** SHA-256 of the stream's name, in hexadecimal. */
  readonly stream: string;
  /** Number of the stream's events that are leaves of the log's tree. */
  readonly events: number;
  /** Hash of the leaf of the last one, in base64. */
  readonly last: string;
}

export function streamEndLeaf({ client, stream, events, last }: StreamEnd): Uint8Array {
  return utf8(canonicalJson({ client, events, last, stream }));
}

/** The digest that replaces a name. */
export function nameDigest(name: string, sha256: Sha256): string {
  return hex(sha256(utf8(name)));
}
