import { base64, fromBase64 } from './bytes.js';

/** The signed state of a log. Its text is a C2SP `tlog-checkpoint` with two extension lines. */
export interface TreeHead {
  /** The unique name of the log. */
  readonly origin: string;
  /** Number of leaves of the tree. */
  readonly size: number;
  readonly root: Uint8Array;
  /** When it was signed: an ISO 8601 instant. */
  readonly at: string;
  /** The tree of the streams' ends: number of streams, and root. */
  readonly streams: { readonly size: number; readonly root: Uint8Array };
}

export function treeHeadText({ origin, size, root, at, streams }: TreeHead): string {
  return `${origin}\n${size}\n${base64(root)}\nstreams ${streams.size} ${base64(streams.root)}\nat ${at}\n`;
}

/** Undefined if the text is not a tree head of this format. */
export function parseTreeHead(text: string): TreeHead | undefined {
  const match = /^(\S+)\n(0|[1-9]\d{0,15})\n(\S+)\nstreams (0|[1-9]\d{0,15}) (\S+)\nat (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\n$/.exec(
    text,
  );
  if (match === null) return undefined;
  const [, origin = '', size = '', root = '', streams = '', streamsRoot = '', at = ''] = match;
  const [rootBytes, streamsBytes] = [fromBase64(root), fromBase64(streamsRoot)];
  if (rootBytes?.length !== 32 || streamsBytes?.length !== 32) return undefined;
  return { origin, size: Number(size), root: rootBytes, at, streams: { size: Number(streams), root: streamsBytes } };
}
