import {
  type EventStore,
  type Instant,
  type Position,
  refuse,
  type Refusal,
  type StoredEvent,
  StreamDeleted,
  streamId,
  upcast,
} from '#eventsourcing';
import {
  comparisonOf,
  type Contract,
  evolveReplay,
  isChanged,
  replayedEvents,
  type Replay,
  type Simulation,
  SimulationSums,
  ticket,
  type TicketComparison,
} from '#ticketing';

/** Which tickets to replay, and under which contract. */
export interface SimulationRequest {
  /** Valid: see `contractTerms`. */
  readonly contract: Contract;
  /** Tickets opened at this time or later. */
  readonly from?: Instant | undefined;
  /** Tickets opened before this time. */
  readonly to?: Instant | undefined;
  readonly client?: string | undefined;
  /** Later events are ignored; what had not ended is judged as of this instant. */
  readonly asOf: Instant;
  /** Maximum number of changed tickets in the answer. The totals cover all. */
  readonly limit: number;
}

/** Tickets whose clocks are in memory at the same time: some 5 KB each. For more tickets the log is read again from the next opening. */
const MOST_AT_ONCE = 10_000;

/** Up to this number, reading the streams beats reading the log: the request may be for one day in a log of years. */
const FEW = 200;

/** A simulation with a waiting caller is given up after this time, in milliseconds. */
const LONGEST_MS = 60_000;

/** Concurrent simulations per process with waiting callers: each keeps a core busy. */
const MOST_RUNNING = 2;

export interface Watched {
  readonly signal: AbortSignal;
  /** Called with the position reached in the log, and the number of tickets being replayed. */
  readonly onProgress?: (position: Position, tickets: number) => void;
}

/**
 * Replays every ticket of a period under a proposed contract, and returns what would have become of the clocks. Reads only. Memory does not
 * grow with the number of tickets.
 * @param atOnce tickets held in memory at the same time
 * @throws StoreUnavailable; the signal's reason once it aborts
 */
export async function simulate(
  store: EventStore,
  request: SimulationRequest,
  watched: Watched,
  atOnce = MOST_AT_ONCE,
): Promise<Simulation> {
  const { asOf, limit } = request;
  const sums = new SimulationSums();
  const items: TicketComparison[] = [];
  let openings: readonly StoredEvent[];
  let after: Position | undefined;
  do {
    openings = await nextOpenings(store, request, after, atOnce, watched.signal);
    after = openings.at(-1)?.position;
    for (const [stream, replay] of await replays(store, request, openings, watched)) {
      const comparison = comparisonOf(streamId(stream), replay, asOf);
      sums.add(comparison);
      if (items.length < limit && isChanged(comparison)) items.push(changesOf(comparison));
    }
  } while (openings.length === atOnce);
  return { asOf, totals: sums.totals(), items };
}

let running = 0;

/**
 * The same for a waiting caller: limited in time and in number.
 * @param left aborts when nobody waits any more
 * @throws StoreUnavailable; the reason of `left` once it aborts
 */
export async function simulateForCaller(
  store: EventStore,
  request: SimulationRequest,
  left?: AbortSignal,
): Promise<Simulation | Refusal<'too-many-simulations' | 'simulation-too-long'>> {
  if (running >= MOST_RUNNING)
    return refuse('too-many-simulations', `${MOST_RUNNING} simulations are already running`, undefined, { retryAfter: 10 });
  const tooLong = AbortSignal.timeout(LONGEST_MS);
  running++;
  try {
    return await simulate(store, request, { signal: left === undefined ? tooLong : AbortSignal.any([left, tooLong]) });
  } catch (error) {
    if (left?.aborted || !tooLong.aborted) throw error;
    return refuse('simulation-too-long', `It was aborted after ${LONGEST_MS / 1000} s: give a shorter period, or a client`);
  } finally {
    running--;
  }
}

function changesOf(comparison: TicketComparison): TicketComparison {
  const clocks = comparison.clocks.filter(({ breach }) => breach !== undefined);
  const escalations = comparison.escalations.filter(({ escalation }) => escalation !== undefined);
  return { ...comparison, clocks, escalations };
}

/** The next openings of tickets to replay, after a position. */
async function nextOpenings(
  store: EventStore,
  { from, to, client, asOf }: SimulationRequest,
  after: Position | undefined,
  most: number,
  signal: AbortSignal,
): Promise<readonly StoredEvent[]> {
  const openings: StoredEvent[] = [];
  for await (const event of store.readAll({ eventTypes: ['TicketOpened'] }, after)) {
    signal.throwIfAborted();
    const { stream, revision, metadata } = event;
    if (
      // A second opening has no effect.
      revision === 0 &&
      stream.startsWith(PREFIX) &&
      metadata.effectiveAt <= asOf &&
      (from === undefined || metadata.effectiveAt >= from) &&
      (to === undefined || metadata.effectiveAt < to) &&
      (client === undefined || metadata.client === client)
    )
      openings.push(event);
    if (openings.length === most) break;
  }
  return openings;
}

/** The opened tickets, each after all of its events up to the instant. */
async function replays(
  store: EventStore,
  { contract, asOf }: SimulationRequest,
  openings: readonly StoredEvent[],
  { signal, onProgress = () => {} }: Watched,
): Promise<ReadonlyMap<string, Replay>> {
  const found = new Map<string, Replay>();
  const take = (stored: StoredEvent) => {
    const replay = evolveReplay(contract, found.get(stored.stream) ?? null, upcast(ticket, stored));
    if (replay !== null) found.set(stored.stream, replay);
  };
  for (const opening of openings) take(opening);
  const few = openings.length <= FEW;
  let read = 0;
  for await (const event of few ? streams(store, openings) : store.readAll({ eventTypes: replayedEvents }, openings[0]?.position)) {
    signal.throwIfAborted();
    if (event.revision > 0 && event.metadata.effectiveAt <= asOf && found.has(event.stream)) take(event);
    if (read++ % TOLD_EVERY === 0) onProgress(event.position, found.size);
  }
  return found;
}

/** Events between progress reports. */
const TOLD_EVERY = 500;

/** The events after the openings. */
async function* streams(store: EventStore, openings: readonly StoredEvent[]): AsyncGenerator<StoredEvent> {
  for (const { stream } of openings) {
    try {
      yield* store.readStream(stream, 1);
    } catch (error) {
      // A stream deleted in the meantime has no events left; the log may still hold its opening.
      if (!(error instanceof StreamDeleted)) throw error;
    }
  }
}

const PREFIX = `${ticket.category}-`;
