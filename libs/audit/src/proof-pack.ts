import type { EventRecord } from './event-record.js';
import type { StreamEnd } from './stream-end.js';

export const PACK_FORMAT = 'tierline-proof-pack/1';

/** What a pack claims to contain completely. */
export type PackScope =
  | { readonly kind: 'ticket'; readonly ticket: string; readonly stream: string }
  | { readonly kind: 'client'; readonly client: string }
  /** Every event of the log between two tree heads, which enclose the period. */
  | { readonly kind: 'period'; readonly from: string; readonly to: string; readonly fromSize: number; readonly toSize: number };

/** Number of lines of each kind. */
export interface PackCounts {
  readonly keys: number;
  readonly heads: number;
  readonly definitions: number;
  readonly streams: number;
  readonly events: number;
}

/** The lines of a proof pack, in order. docs/proof-packs.md is the specification. */
export type PackLine =
  | {
      readonly kind: 'manifest';
      readonly format: typeof PACK_FORMAT;
      readonly origin: string;
      readonly createdAt: string;
      readonly scope: PackScope;
    }
  /** A key, introduced by the previous one. */
  | { readonly kind: 'key'; readonly note: string }
  /** A tree head, with the proof that it continues the previous one. */
  | { readonly kind: 'head'; readonly note: string; readonly proof: readonly string[] }
  | { readonly kind: 'definition'; readonly name: string; readonly value: unknown }
  /** A neighbour of a client's streams in the tree of streams: proves that the client has no others. */
  | { readonly kind: 'neighbour'; readonly index: number; readonly end: StreamEnd; readonly proof: readonly string[] }
  /** A stream whose events follow: its end as of the last head, and the first revision in the pack. */
  | {
      readonly kind: 'stream';
      readonly stream: string;
      readonly client: string;
      readonly index: number;
      readonly events: number;
      readonly last: string;
      readonly proof: readonly string[];
      readonly from: number;
      readonly previous: string | null;
    }
  | { readonly kind: 'event'; readonly leaf: number; readonly proof: readonly string[]; readonly event: EventRecord }
  | { readonly kind: 'end'; readonly lines: number; readonly counts: PackCounts; readonly sha256: string; readonly note: string };

/** The text that introduces a key: signed by the key itself and by the previous one. */
export function keyText(origin: string, key: string): string {
  return `${origin}\nkey ${key}\n`;
}

/** The text that the exporter signs: the digest of all lines before the last. */
export function packText(origin: string, sha256: string): string {
  return `${origin}\npack ${sha256}\n`;
}
