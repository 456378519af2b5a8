import { leafText, merkleTree, nameDigest, type Nodes, type StreamEnd, streamEndLeaf, utf8 } from '#audit';
import { asStored, type EventStore, type Position, type StoredEvent, StreamDeleted } from '#eventsourcing';
import { isDuplicateKey, type Mongo } from '#mongo';
import { nativeSha256 } from './native.js';

export const tree = merkleTree(nativeSha256);

/** The hash of an event's leaf in the tree of the log. */
export function leafHashOf(event: StoredEvent): Uint8Array {
  return tree.leafHash(utf8(leafText(asStored(event))));
}

/** Consecutive leaves: `TILE` of them in all but the last tile. */
interface TileDocument {
  readonly _id: number;
  readonly size: number;
  readonly hashes: Buffer | { readonly buffer: Uint8Array };
  /** Commit positions of their events, ascending. */
  readonly positions: readonly number[];
  readonly first: number;
  /** Root of a full tile. */
  readonly root: Buffer | { readonly buffer: Uint8Array } | null;
}

const TILE_LEVEL = 8;
const TILE = 2 ** TILE_LEVEL;

/** Where a stream ends in the tree. */
interface StreamDocument {
  readonly _id: string;
  /** Digests of client and stream, which sort the tree of streams. */
  readonly key: string;
  readonly client: string;
  readonly events: number;
  readonly last: string;
  /** Index of its last leaf. */
  readonly leaf: number;
}

/** How far the tree goes. */
interface TreeDocument {
  readonly _id: 'log';
  readonly size: number;
  readonly position: { readonly commit: string; readonly prepare: string };
  /** The event of the last leaf: identifies the log. */
  readonly last: { readonly stream: string; readonly revision: number; readonly id: string };
}

/** Leaves added together. */
const BATCH = 2_048;

/** The tree was built from another log. */
export class TreeOfOtherLog extends Error {
  override readonly name = 'TreeOfOtherLog';
  constructor() {
    super(
      'The tree was built of another log than this one: its last event is not here. Check the URLs of both stores; ' +
        'where a backup was restored, `npx tierline seal --rebuild` rebuilds it',
    );
  }
}

/** A stream with its place in the tree of streams. */
export interface PlacedStream extends StreamEnd {
  readonly name: string;
  readonly clientName: string;
  readonly index: number;
}

/** The state of the tree: roots, and the nodes for proofs. */
export interface TreeState {
  readonly size: number;
  readonly root: Uint8Array;
  readonly nodes: Nodes;
  readonly streams: { readonly size: number; readonly root: Uint8Array };
}

/**
 * The Merkle tree of a log, stored in MongoDB: the hashes of its leaves in tiles, and where each stream ends. All of it is derived from the
 * log, so it can be dropped at any time, and several processes may extend it concurrently: each writes the same.
 */
export class LogTree {
  readonly #tiles;
  readonly #streams;
  readonly #state;
  readonly #prefixes: readonly string[];

  /** @param categories whose events are leaves */
  constructor(
    private readonly store: EventStore,
    db: Mongo['db'],
    categories: readonly string[],
  ) {
    this.#prefixes = categories.map((category) => `${category}-`);
    this.#tiles = db.collection<TileDocument>('audit_tiles');
    this.#streams = db.collection<StreamDocument>('audit_streams');
    this.#state = db.collection<TreeDocument>('audit_tree');
  }

  /** Adds the log's new events. @returns the number of leaves @throws TreeOfOtherLog, StoreUnavailable */
  async extend(signal?: AbortSignal): Promise<number> {
    const state = await this.#state.findOne({ _id: 'log' });
    if (state !== null && !(await this.#isOfThisLog(state))) throw new TreeOfOtherLog();
    if (state === null) {
      await this.#tiles.createIndex({ first: 1 });
      await this.#streams.createIndex({ key: 1 });
      await this.#streams.createIndex({ client: 1 });
      await this.#streams.createIndex({ leaf: 1 });
    }
    const after = state === null ? undefined : { commit: BigInt(state.position.commit), prepare: BigInt(state.position.prepare) };
    let size = state?.size ?? 0;
    let batch: StoredEvent[] = [];
    const add = async () => {
      await this.#add(batch, size);
      size += batch.length;
      batch = [];
    };
    for await (const event of this.store.readAll({ streamPrefixes: this.#prefixes }, after)) {
      signal?.throwIfAborted();
      batch.push(event);
      if (batch.length === BATCH) await add();
    }
    if (batch.length > 0) await add();
    return size;
  }

  /** Drops it, to be rebuilt. */
  async drop(): Promise<void> {
    // The progress first: the rest is overwritten.
    await this.#state.deleteMany({});
    await this.#tiles.deleteMany({});
    await this.#streams.deleteMany({});
  }

  async #isOfThisLog({ last }: TreeDocument): Promise<boolean> {
    try {
      for await (const { id } of this.store.readStream(last.stream, last.revision)) return id === last.id;
      return false;
    } catch (error) {
      // It existed once.
      if (error instanceof StreamDeleted) return true;
      throw error;
    }
  }

  async #add(events: readonly StoredEvent[], size: number): Promise<void> {
    const added = events.map(leafHashOf);
    const firstTile = Math.floor(size / TILE);
    const begun = size % TILE === 0 ? null : await this.#tiles.findOne({ _id: firstTile });
    const hashes = [...(begun === null ? [] : leavesOf(begun).slice(0, size % TILE)), ...added];
    const positions = [...(begun?.positions.slice(0, size % TILE) ?? []), ...events.map(({ position }) => Number(position.commit))];
    const tiles: TileDocument[] = [];
    for (let at = 0; at < hashes.length; at += TILE) {
      const own = hashes.slice(at, at + TILE);
      const root = own.length === TILE ? Buffer.from(await tree.root(TILE, nodesOf(own))) : null;
      const first = positions[at] as number;
      tiles.push({
        _id: firstTile + at / TILE,
        size: own.length,
        hashes: Buffer.concat(own),
        positions: positions.slice(at, at + TILE),
        first,
        root,
      });
    }
    // Each write is guarded: another process may be ahead, and what it wrote stays.
    await unlessNewer(
      this.#tiles.bulkWrite(
        tiles.map(({ _id, ...tile }) => ({
          updateOne: { filter: { _id, size: { $lte: tile.size } }, update: { $set: tile }, upsert: true },
        })),
        { ordered: false },
      ),
    );
    const ends = new Map(events.map((event, index) => [event.stream, { event, index }]));
    await unlessNewer(
      this.#streams.bulkWrite(
        Array.from(ends, ([_id, { event, index }]) => {
          const { client } = event.metadata;
          const end = {
            events: event.revision + 1,
            last: Buffer.from(added[index] as Uint8Array).toString('base64'),
            leaf: size + index,
          };
          // A stream stays with the client of its first event.
          const first = { client, key: `${nameDigest(client, nativeSha256)} ${nameDigest(_id, nativeSha256)}` };
          return { updateOne: { filter: { _id, leaf: { $lte: end.leaf } }, update: { $set: end, $setOnInsert: first }, upsert: true } };
        }),
        { ordered: false },
      ),
    );
    const { position, stream, revision, id } = events.at(-1) as StoredEvent;
    const reached = {
      size: size + events.length,
      position: { commit: String(position.commit), prepare: String(position.prepare) },
      last: { stream, revision, id },
    };
    await unlessNewer(this.#state.updateOne({ _id: 'log', size: { $lte: reached.size } }, { $set: reached }, { upsert: true }));
  }

  /**
   * The current tree.
   * @throws Error while another process extends it: try again
   */
  async state(): Promise<TreeState> {
    const size = (await this.#state.findOne({ _id: 'log' }))?.size ?? 0;
    const nodes = await this.nodes();
    const streamNodes = nodesOf(await this.#streamLeaves());
    const streams = await this.#streams.countDocuments();
    const streamsRoot = await tree.root(streams, streamNodes);
    if ((await this.#streams.findOne({ leaf: { $gte: size } })) !== null) throw new TreeMoves();
    return { size, root: await tree.root(size, nodes), nodes, streams: { size: streams, root: streamsRoot } };
  }

  /** Nodes of the tree of leaves. Roots of tiles are read at once, tiles on demand. */
  async nodes(): Promise<Nodes> {
    const roots: Uint8Array[] = [];
    for await (const { _id, root } of this.#tiles.find({ root: { $ne: null } }, { projection: { root: 1 }, sort: { _id: 1 } }))
      roots[_id] = bytesOf(root as Buffer);
    const above = nodesOf(roots);
    const read = new Map<number, Nodes>();
    return async (level, index) => {
      if (level >= TILE_LEVEL) return above(level - TILE_LEVEL, index);
      const tile = Math.floor(index / 2 ** (TILE_LEVEL - level));
      let within = read.get(tile);
      if (within === undefined) {
        const found = await this.#tiles.findOne({ _id: tile });
        if (found === null) throw new RangeError(`the tree has no tile ${tile}`);
        read.set(tile, (within = nodesOf(leavesOf(found))));
      }
      return within(level, index - tile * 2 ** (TILE_LEVEL - level));
    };
  }

  /** The index of an event's leaf; undefined if it is not in the tree. */
  async indexAt(position: StoredEvent['position']): Promise<number | undefined> {
    const commit = Number(position.commit);
    const tile = await this.#tiles.findOne({ first: { $lte: commit } }, { sort: { first: -1 }, projection: { positions: 1 } });
    const place = tile?.positions.indexOf(commit) ?? -1;
    return tile === null || place < 0 ? undefined : tile._id * TILE + place;
  }

  /** The position of a leaf's event; undefined if there is no such leaf. */
  async positionOf(index: number): Promise<Position | undefined> {
    const tile = await this.#tiles.findOne({ _id: Math.floor(index / TILE) }, { projection: { positions: 1 } });
    const commit = tile?.positions[index % TILE];
    return commit === undefined ? undefined : { commit: BigInt(commit), prepare: BigInt(commit) };
  }

  /** The events of the leaves from one index to before another, in order. */
  async *events(from: number, to: number): AsyncGenerator<StoredEvent> {
    if (from >= to) return;
    const after = from === 0 ? undefined : await this.positionOf(from - 1);
    let left = to - from;
    for await (const event of this.store.readAll({ streamPrefixes: this.#prefixes }, after)) {
      yield event;
      if (--left === 0) return;
    }
  }

  async #streamLeaves(): Promise<Uint8Array[]> {
    const leaves: Uint8Array[] = [];
    for await (const end of this.#streams.find({}, { sort: { key: 1 } })) leaves.push(tree.leafHash(streamEndLeaf(endOf(end))));
    return leaves;
  }

  /** The requested streams, by their place in the tree of streams, with the nodes of that tree. */
  async streams(wanted: (stream: string, client: string) => boolean): Promise<{
    readonly streams: readonly PlacedStream[];
    readonly at: (index: number) => StreamEnd | undefined;
    readonly nodes: Nodes;
  }> {
    const all: StreamEnd[] = [];
    const streams: PlacedStream[] = [];
    for await (const document of this.#streams.find({}, { sort: { key: 1 } })) {
      const end = endOf(document);
      if (wanted(document._id, document.client))
        streams.push({ ...end, name: document._id, clientName: document.client, index: all.length });
      all.push(end);
    }
    return { streams, at: (index) => all[index], nodes: nodesOf(all.map((end) => tree.leafHash(streamEndLeaf(end)))) };
  }
}

/** The tree is being extended by another process. */
export class TreeMoves extends Error {
  override readonly name = 'TreeMoves';
  constructor() {
    super('the tree is being extended by another process: try again');
  }
}

function endOf({ key, events, last }: StreamDocument): StreamEnd {
  const [client = '', stream = ''] = key.split(' ');
  return { client, stream, events, last };
}

function leavesOf({ hashes }: TileDocument): Uint8Array[] {
  const bytes = bytesOf(hashes);
  return Array.from({ length: bytes.length / 32 }, (_, index) => bytes.subarray(index * 32, (index + 1) * 32));
}

/** The driver returns `Binary` for what was written as a Buffer. */
function bytesOf(stored: Buffer | { readonly buffer: Uint8Array }): Uint8Array {
  return Buffer.isBuffer(stored) ? stored : stored.buffer instanceof Uint8Array ? stored.buffer : new Uint8Array(stored.buffer);
}

/** Nodes above the given hashes. */
function nodesOf(hashes: readonly Uint8Array[]): Nodes {
  const levels: Uint8Array[][] = [[...hashes]];
  return (level, index) => {
    for (let upper = levels.length; upper <= level; upper++) {
      const below = levels[upper - 1] as Uint8Array[];
      levels.push(
        Array.from({ length: Math.floor(below.length / 2) }, (_, at) =>
          tree.nodeHash(below[at * 2] as Uint8Array, below[at * 2 + 1] as Uint8Array),
        ),
      );
    }
    const node = levels[level]?.[index];
    if (node === undefined) throw new RangeError(`the tree has no node ${index} at level ${level}`);
    return node;
  };
}

/** If an upsert found no document for its guard, there is a newer one. */
async function unlessNewer(writing: Promise<unknown>): Promise<void> {
  await writing.catch((error: unknown) => {
    if (!isDuplicateKey(error)) throw error;
  });
}
