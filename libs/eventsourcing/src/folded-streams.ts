import { LRUCache } from 'lru-cache';
import type { BrokenChain, Chain } from '#audit';
import type { Aggregate } from './aggregate.js';
import type { EventStore } from './event-store.js';

/** An aggregate as this process last saw its stream. */
export interface Folded<State> {
  readonly state: State;
  /** Of its last event; -1 if it had none. */
  readonly revision: number;
  /** How far its chain of hashes goes, or where it is broken. */
  readonly chain: Chain | BrokenChain;
  /** Ids of the commands whose events are in the stream. */
  readonly commandIds: Set<string>;
  /** Approximate size of its events, in bytes: the state grows with it. */
  readonly weight: number;
  /** Milliseconds on this process's monotonic clock: the stream contained nothing newer at that time. */
  readonly confirmedAt: number;
}

export interface FoldedStreamsLimits {
  readonly streams: number;
  /** Approximate bytes, by the size of their events. */
  readonly weight: number;
}

/**
 * The folded states of the streams that this process used last. They may be out of date, since other processes append too: an append at
 * their revision detects this; anything not guarded by an append must be confirmed by reading.
 */
export class FoldedStreams {
  readonly #entries: LRUCache<string, Folded<unknown> & { readonly of: Aggregate }>;
  /** The end of what was last begun on each stream. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor({ streams, weight }: FoldedStreamsLimits = { streams: 10_000, weight: 64 * 1024 * 1024 }) {
    this.#entries = new LRUCache({ max: streams, maxSize: weight, sizeCalculation: (entry) => entry.weight });
  }

  get<State>(aggregate: Pick<Aggregate, 'category'>, stream: string): Folded<State> | undefined {
    const entry = this.#entries.get(stream);
    return entry?.of === aggregate ? (entry as Folded<unknown> as Folded<State>) : undefined;
  }

  /** Stores a state that is at least as new as the cached one. */
  put(aggregate: Aggregate, stream: string, folded: Folded<unknown>): void {
    const known = this.#entries.peek(stream);
    if (known?.of === aggregate && known.revision > folded.revision) return;
    this.#entries.set(stream, { ...folded, of: aggregate });
  }

  forget(stream: string): void {
    this.#entries.delete(stream);
  }

  /**
   * Runs what reads a stream and appends to it, once what this process began earlier on the same stream has ended: if both ran at once, one of
   * them would have to read and decide again.
   */
  async inTurn<T>(stream: string, run: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(stream);
    const turn = before === undefined ? run() : before.then(run);
    const ended = turn.then(ignore, ignore);
    this.#turns.set(stream, ended);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(stream) === ended) this.#turns.delete(stream);
    }
  }

  get streams(): number {
    return this.#entries.size;
  }

  get weight(): number {
    return this.#entries.calculatedSize;
  }
}

const ignore = () => {};

const kept = new WeakMap<EventStore, FoldedStreams>();

/** This process's cache of a store's streams. */
export function foldedStreamsOf(store: EventStore): FoldedStreams {
  let folded = kept.get(store);
  if (folded === undefined) kept.set(store, (folded = new FoldedStreams()));
  return folded;
}

/** Lets a store that forwards to another one share its cache. */
export function shareFoldedStreams(store: EventStore, of: EventStore): void {
  kept.set(store, foldedStreamsOf(of));
}

/** Approximate bytes of an entry without events, and of each event's command id. */
export const WEIGHT_OF_STREAM = 300;
const WEIGHT_OF_EVENT = 100;

/** What an event adds to the weight of its stream. */
export function weightOfEvent(data: unknown): number {
  return WEIGHT_OF_EVENT + weightOf(data);
}

/** Approximate size of JSON data in memory, in bytes. */
function weightOf(data: unknown): number {
  if (typeof data === 'string') return 24 + data.length;
  if (typeof data !== 'object' || data === null) return 8;
  let weight = 32;
  for (const key in data) weight += 8 + weightOf((data as Readonly<Record<string, unknown>>)[key]);
  return weight;
}
