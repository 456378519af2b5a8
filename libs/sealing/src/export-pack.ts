import { createHash } from 'node:crypto';
import {
  base64,
  canonicalJson,
  type Chain,
  type EventRecord,
  isBroken,
  NO_EVENTS,
  noteText,
  PACK_FORMAT,
  type PackCounts,
  type PackLine,
  type PackScope,
  packText,
  sign,
  type SignerKey,
  type TreeHead,
} from '#audit';
import { asStored, type EventStore, followChain, type Instant, instantFrom, type StoredEvent } from '#eventsourcing';
import { type LogTree, type PlacedStream, tree } from './log-tree.js';
import type { Sealed } from './seal.js';

/** Contents of a pack. */
export type PackRequest =
  | { readonly kind: 'ticket'; readonly stream: string; readonly ticket: string }
  | { readonly kind: 'client'; readonly client: string }
  | { readonly kind: 'period'; readonly from: Instant; readonly to: Instant };

export interface ExportOptions {
  readonly store: EventStore;
  readonly tree: LogTree;
  /** The log as just sealed. */
  readonly sealed: Sealed;
  readonly key: SignerKey;
  readonly request: PackRequest;
  /** What verdicts depend on besides events. */
  readonly definitions: readonly { readonly name: string; readonly value: unknown }[];
  /** Streams that a ticket's verdicts depend on, by its client. */
  readonly streamsOfTicket: (client: string) => readonly string[];
  /** Called with each line, including its line feed. */
  readonly write: (line: string) => Promise<void> | void;
}

/** There is nothing to put into a pack. */
export class NothingToExport extends Error {
  override readonly name = 'NothingToExport';
}

/** Writes a proof pack. @returns its counts @throws NothingToExport, StoreUnavailable */
export async function exportPack({
  store,
  tree: logTree,
  sealed: { head, log, state },
  key,
  request,
  definitions,
  streamsOfTicket,
  write,
}: ExportOptions): Promise<PackCounts> {
  const origin = head.origin;
  const digest = createHash('sha256');
  const counts = { keys: 0, heads: 0, definitions: 0, streams: 0, events: 0 };
  let lines = 0;
  const put = async (line: PackLine): Promise<void> => {
    lines++;
    const text = `${canonicalJson(line)}\n`;
    if (line.kind !== 'end') digest.update(text);
    await write(text);
  };

  const first = log.heads[0]?.head;
  const period =
    request.kind === 'period'
      ? enclosing(
          log.heads.map(({ head }) => head),
          request.from,
          request.to,
        )
      : undefined;
  const scope: PackScope = request.kind === 'period' ? { ...request, ...(period as { fromSize: number; toSize: number }) } : request;
  const wantedStreams = await chosen(logTree, request, period, streamsOfTicket);
  if (wantedStreams.length === 0) throw new NothingToExport('There are no such events');
  const names = new Set(wantedStreams.map(({ stream }) => stream));
  const proven = await logTree.streams((stream) => names.has(stream));
  const proofOfStream = async (index: number) => (await tree.inclusionProof(index, state.streams.size, proven.nodes)).map(base64);

  await put({ kind: 'manifest', format: PACK_FORMAT, origin, createdAt: instantFrom(Date.now()), scope });
  for (const { note } of log.keys) {
    counts.keys++;
    await put({ kind: 'key', note });
  }
  const sizes = new Set([first?.size, period?.fromSize, period?.toSize, head.size]);
  let before: TreeHead | undefined;
  for (const { head: one, note } of log.heads) {
    if (!sizes.has(one.size) || one.size === before?.size) continue;
    counts.heads++;
    const proof = before === undefined ? [] : await tree.consistencyProof(before.size, one.size, state.nodes);
    await put({ kind: 'head', note, proof: proof.map(base64) });
    before = one;
  }
  for (const { name, value } of definitions) {
    counts.definitions++;
    await put({ kind: 'definition', name, value });
  }
  if (request.kind === 'client') {
    const own = proven.streams.map(({ index }) => index);
    for (const index of [Math.min(...own) - 1, Math.max(...own) + 1]) {
      const end = proven.at(index);
      if (end !== undefined) await put({ kind: 'neighbour', index, end, proof: await proofOfStream(index) });
    }
  }
  for (const one of proven.streams) {
    counts.streams++;
    const { from, previous, events } = await eventsOf(store, one, wantedStreams.find(({ stream }) => stream === one.name)?.leaves);
    const { name: stream, clientName: client, index, last } = one;
    await put({ kind: 'stream', stream, client, index, events: one.events, last, proof: await proofOfStream(index), from, previous });
    for (const event of events) {
      const leaf = await logTree.indexAt(event.position);
      if (leaf === undefined) throw new Error(`${event.stream}@${event.revision} is not in the tree`);
      counts.events++;
      const proof = (await tree.inclusionProof(leaf, head.size, state.nodes)).map(base64);
      await put({ kind: 'event', leaf, proof, event: recordOf(asStored(event)) });
    }
  }
  const sha256 = digest.digest('hex');
  await put({ kind: 'end', lines: lines + 1, counts, sha256, note: noteText(sign({ text: packText(origin, sha256) }, key)) });
  return counts;
}

function recordOf({ id, stream, revision, type, data, metadata }: StoredEvent): EventRecord {
  return { id, stream, revision, type, data, metadata };
}

/** The heads that enclose a period: the last one signed by its start, and the first one signed at or after its end, or the last of all. */
function enclosing(heads: readonly TreeHead[], from: Instant, to: Instant): { readonly fromSize: number; readonly toSize: number } {
  const fromSize = heads.findLast(({ at }) => at <= from)?.size ?? 0;
  const toSize = (heads.find(({ at }) => at >= to) ?? heads.at(-1))?.size ?? 0;
  return { fromSize, toSize };
}

interface Wanted {
  readonly stream: string;
  /** Range of revisions; default: all. */
  readonly leaves?: { readonly from: number; readonly to: number };
}

async function chosen(
  logTree: LogTree,
  request: PackRequest,
  period: { readonly fromSize: number; readonly toSize: number } | undefined,
  streamsOfTicket: (client: string) => readonly string[],
): Promise<readonly Wanted[]> {
  switch (request.kind) {
    case 'ticket': {
      const { streams } = await logTree.streams((stream) => stream === request.stream);
      return streams.flatMap(({ name, clientName }) => [{ stream: name }, ...streamsOfTicket(clientName).map((stream) => ({ stream }))]);
    }
    case 'client': {
      const { streams } = await logTree.streams((_, client) => client === request.client);
      return streams.map(({ name }) => ({ stream: name }));
    }
    case 'period': {
      const { fromSize, toSize } = period as { fromSize: number; toSize: number };
      const revisions = new Map<string, { from: number; to: number }>();
      for await (const { stream, revision } of logTree.events(fromSize, toSize)) {
        const known = revisions.get(stream);
        revisions.set(stream, { from: known?.from ?? revision, to: revision });
      }
      return Array.from(revisions, ([stream, leaves]) => ({ stream, leaves }));
    }
  }
}

/** The events of a stream for a pack, with the hash before them. Excludes events after the head, and those of other programs. */
async function eventsOf(store: EventStore, { name, events: count }: PlacedStream, range = { from: 0, to: count - 1 }) {
  let chain: Chain | undefined = NO_EVENTS;
  let previous: string | null = null;
  const events: StoredEvent[] = [];
  for await (const event of store.readStream(name)) {
    if (event.revision > range.to) break;
    if (event.revision === range.from) previous = chain?.hash ?? null;
    if (event.revision >= range.from && !event.type.startsWith('foreign:')) events.push(event);
    if (chain === undefined) continue;
    const next = followChain(chain, event);
    // If a chain is broken, continue with the next stored hash.
    chain = isBroken(next)
      ? event.metadata.hash === undefined
        ? undefined
        : { hash: event.metadata.hash, revision: event.revision, begun: true }
      : next;
  }
  return { from: range.from, previous, events };
}
