import type { EventStore, FeedFilter, Position, StoredEvent } from '#eventsourcing';

/** What has arrived from a feed since the previous batch. */
export interface FeedBatch {
  readonly events: readonly StoredEvent[];
  /** Nothing up to here is missing from this batch and the earlier ones. */
  readonly position: Position | undefined;
  /** History has ended by the end of this batch. */
  readonly caughtUp: boolean;
}

/**
 * A feed in batches: whatever has arrived when the reader asks, up to a number of events. While the reader works on one batch, the next one
 * gathers, so batches are small when the log is quiet and large under load. Ends when the signal aborts; however the loop over it ends, the
 * subscription ends too.
 */
export async function* feedBatches(
  store: EventStore,
  filter: FeedFilter,
  after: Position | undefined,
  signal: AbortSignal,
  size: number,
): AsyncGenerator<FeedBatch> {
  const stop = new AbortController();
  const ending = AbortSignal.any([signal, stop.signal]);
  let events: StoredEvent[] = [];
  let position: Position | undefined;
  let caughtUp = false;
  let news = false;
  let ended = false;
  let failure: { error: unknown } | undefined;
  let wakeReader = () => {};
  let wakePump = () => {};

  const pump = (async () => {
    try {
      for await (const item of store.subscribe(filter, after ?? 'start', ending)) {
        if (item.kind === 'event') events.push(item.event);
        if (item.kind === 'caught-up') caughtUp = true;
        else position = item.kind === 'event' ? item.event.position : item.position;
        news = true;
        wakeReader();
        if (events.length >= size) await new Promise<void>((resolve) => (wakePump = resolve));
      }
    } catch (error) {
      failure = { error };
    } finally {
      ended = true;
      wakeReader();
    }
  })();

  try {
    while (!ending.aborted) {
      if (!news && !ended) await new Promise<void>((resolve) => (wakeReader = resolve));
      // One turn of the event loop, so that what came in the same packet comes in the same batch.
      if (events.length < size && !ended) await new Promise<void>((resolve) => setImmediate(resolve));
      if (failure !== undefined) throw failure.error;
      if (ending.aborted || (ended && !news)) return;
      const batch = { events, position, caughtUp };
      events = [];
      news = false;
      wakePump();
      yield batch;
    }
  } finally {
    stop.abort();
    wakePump();
    await pump;
  }
}
