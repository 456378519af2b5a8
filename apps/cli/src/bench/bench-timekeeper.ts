import { randomUUID } from 'node:crypto';
import { epochMillis, eventIdFor, instantFrom } from '#eventsourcing';
import type { EventStoreDB } from '#eventstoredb';
import { startWorkerThread } from '#local';
import { projectGroup } from '#mongo';
import { defaultContract, type TicketEvents, ticketViews } from '#ticketing';
import { untilLive } from './bench-projector.js';
import { onOwnStores } from './on-own-stores.js';

/** Running clocks while moments become due. Each ticket has two: response and resolution. */
const CLOCKS = Number(process.env['BENCH_CLOCKS'] ?? 100_000);
/** Moments that become due per second, and for how many seconds. */
const RATE = Number(process.env['BENCH_RATE'] ?? 50);
const SECONDS = 30;
const AT_ONCE = 256;
/** How long after its opening a ticket of low priority has used half of its response time: the first moment of its life. */
const FIRST_MOMENT = defaultContract.targets.low.response / 2;
/** After the last moment is due: anything that has not arrived by then is missing. */
const PATIENCE_MS = 20_000;

/** Delay from a clock's warning being due to its recording, and to a subscriber, while 100,000 clocks run. */
export async function benchTimekeeper(): Promise<void> {
  await onOwnStores(async ({ store, mongo, config, log }) => {
    const done = new AbortController();
    try {
      const moments = RATE * SECONDS;
      const began = performance.now();
      await open(store, CLOCKS / 2 - moments, () => Date.now());
      const projector = projectGroup({ db: mongo.db, store, group: ticketViews, log, owner: randomUUID() });
      await untilLive(projector);
      const built = performance.now() - began;

      const first = Date.now() + 5_000 + moments / 2;
      await open(store, moments, (index) => first + (index * 1000) / RATE - FIRST_MOMENT);
      const told = warningDelays(
        store,
        moments,
        AbortSignal.any([done.signal, AbortSignal.timeout(first + SECONDS * 1000 + PATIENCE_MS - Date.now())]),
      );
      const timekeeper = await startWorkerThread(config, { views: false, policies: false });
      const { recorded, received } = await told;
      await timekeeper.close();
      await projector.stop();
      if (recorded.length < moments) throw new Error(`only ${recorded.length} of ${moments} moments were told`);
      console.log(
        `timekeeper ${moments} moments due at ${RATE}/s among ${CLOCKS} running clocks (in store and view after ${(built / 1000).toFixed(0)} s): ` +
          `recorded after ${share(recorded, 0.5)} ms p50, ${share(recorded, 0.99)} ms p99, ${share(recorded, 1)} ms at most; ` +
          `at a subscriber after ${share(received, 0.5)} ms p50, ${share(received, 0.99)} ms p99`,
      );
    } finally {
      // Before the stores are closed under it.
      done.abort();
    }
  });
}

/** Tickets of low priority, opened at the times given by `openedAt`. */
async function open(store: EventStoreDB, tickets: number, openedAt: (index: number) => number): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < tickets; index = next++) {
      const id = randomUUID();
      const data: TicketEvents['TicketOpened'] = {
        client: 'northwind',
        kind: 'incident',
        summary: 'Cannot print',
        reporter: { id: 'joe' },
        channel: 'phone',
        impact: 'low',
        urgency: 'low',
        priority: 'low',
        tier: 'L1',
      };
      const metadata = {
        commandId: id,
        commandType: 'Bench',
        correlationId: id,
        causationId: id,
        actor: { id: 'ada', kind: 'agent' as const },
        client: 'northwind',
        effectiveAt: instantFrom(Math.round(openedAt(index))),
        recordedAt: instantFrom(Date.now()),
        schemaVersion: 1,
      };
      await store.append(`ticket-${id}`, 'no-stream', [{ id: eventIdFor(id, 0), type: 'TicketOpened', data, metadata }]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

/** How long after its due time each warning was recorded, and was here, in milliseconds. */
async function warningDelays(store: EventStoreDB, most: number, signal: AbortSignal): Promise<{ recorded: number[]; received: number[] }> {
  const recorded: number[] = [];
  const received: number[] = [];
  for await (const item of store.subscribe({ eventTypes: ['SlaThresholdReached'] }, 'end', signal)) {
    if (item.kind !== 'event') continue;
    const { effectiveAt, recordedAt } = item.event.metadata;
    recorded.push(epochMillis(recordedAt) - epochMillis(effectiveAt));
    received.push(Date.now() - epochMillis(effectiveAt));
    if (recorded.length === most) break;
  }
  return { recorded, received };
}

/** The value that a share of all values do not exceed. */
function share(values: readonly number[], part: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}
