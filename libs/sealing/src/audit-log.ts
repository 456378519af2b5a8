import { type BrokenChain, type Chain, equal, GrowingRoot, isBroken, NO_EVENTS, type TreeHead } from '#audit';
import { type EventStore, followChain, type StoredEvent } from '#eventsourcing';
import { leafHashOf, tree } from './log-tree.js';
import { readSealLog } from './seal-log.js';

/** The findings of an audit of the entire log. */
export interface LogAudit {
  readonly events: number;
  readonly streams: number;
  readonly brokenChains: readonly (BrokenChain & { readonly stream: string })[];
  readonly heads: number;
  /** Sizes of the heads that the log contradicts. */
  readonly falseHeads: readonly number[];
  /** Sizes of the heads published elsewhere that the log contradicts: it was changed, or rolled back. */
  readonly falsePublished: readonly number[];
  /** What is wrong with the stream of heads itself. */
  readonly sealLog?: string;
  /** Number of events covered by the last true head, and when the first head was signed. */
  readonly sealed: number;
  readonly since?: string;
}

/**
 * Reads the entire log and checks every chain of hashes and every tree head, from the log alone.
 * @param categories whose events are leaves
 * @param options.published heads of this log that were published elsewhere
 * @throws StoreUnavailable
 */
export async function auditLog(
  store: EventStore,
  categories: readonly string[],
  signal: AbortSignal,
  {
    published = [],
    onEvent = () => {},
  }: { readonly published?: readonly TreeHead[]; readonly onEvent?: (event: StoredEvent, count: number) => void } = {},
): Promise<LogAudit> {
  const sealLog = await readSealLog(store, { everySignature: true }).catch((error: unknown) => {
    if ((error as Error).name === 'SealLogBroken') return (error as Error).message;
    throw error;
  });
  const heads = typeof sealLog === 'string' ? [] : sealLog.heads;
  const chains = new Map<string, Chain | BrokenChain>();
  const root = new GrowingRoot(tree);
  const roots = new Map<number, Uint8Array>();
  const sizes = new Set([...heads.map(({ head }) => head.size), ...published.map(({ size }) => size)]);
  for await (const event of store.readAll({ streamPrefixes: categories.map((category) => `${category}-`) })) {
    signal.throwIfAborted();
    root.add(leafHashOf(event));
    if (sizes.has(root.size)) roots.set(root.size, root.root());
    const chain = chains.get(event.stream) ?? NO_EVENTS;
    if (!isBroken(chain)) chains.set(event.stream, await followed(store, chain, event));
    onEvent(event, root.size);
  }
  const brokenChains = [...chains].flatMap(([stream, chain]) => (isBroken(chain) ? [{ ...chain, stream }] : []));
  const isTrue = (head: TreeHead) => equal(roots.get(head.size) ?? new Uint8Array(), head.root);
  const since = heads[0]?.head.at;
  return {
    events: root.size,
    streams: chains.size,
    brokenChains,
    heads: heads.length,
    falseHeads: heads.filter(({ head }) => !isTrue(head)).map(({ head }) => head.size),
    falsePublished: published.filter((head) => !isTrue(head)).map(({ size }) => size),
    ...(typeof sealLog === 'string' ? { sealLog } : {}),
    sealed: heads.findLast(({ head }) => isTrue(head))?.head.size ?? 0,
    ...(since === undefined ? {} : { since }),
  };
}

/** Feeds skip events of other programs; the stream itself shows them. */
async function followed(store: EventStore, chain: Chain, event: StoredEvent): Promise<Chain | BrokenChain> {
  const next = followChain(chain, event);
  if (!isBroken(next) || next.reason !== 'missing-events') return next;
  let whole: Chain | BrokenChain = NO_EVENTS;
  for await (const read of store.readStream(event.stream)) {
    if (read.revision > event.revision || isBroken(whole)) break;
    whole = followChain(whole, read);
  }
  return whole;
}
