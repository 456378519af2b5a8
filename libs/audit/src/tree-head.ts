import { base64, fromBase64 } from './bytes.js';

/** The state of a log: what is signed of it. Its text is a C2SP `tlog-checkpoint` with two lines of extension. */
export interface TreeHead {
  /** Names the log, apart from all others. */
  readonly origin: string;
  /** How many leaves the tree has. */
  readonly size: number;
  readonly root: Uint8Array;
  /** When it was signed: an ISO 8601 instant. */
  readonly at: string;
  /** The tree of the streams' ends: how many streams, and its root. */
  readonly streams: { readonly size: number; readonly root: Uint8Array };
}

export function treeHeadText({ origin, size, root, at, streams }: TreeHead): string {
  return `${origin}\n${size}\n${base64(root)}\nstreams ${streams.size} ${base64(streams.root)}\nat ${at}\n`;
}

/** Undefined where the text is no tree head of this format. */
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
