import { setTimeout as pause } from 'node:timers/promises';
import type { EventStore, Position } from '#eventsourcing';
import { projections } from '#ticketing';
import { viewPosition } from '#ticketing-nest';
import type { Worker } from '../../worker/src/worker.js';
import { Complaint } from './complaint.js';
import type { Session } from './session.js';

/** A worker that makes no headway for so long is not there. */
const PATIENCE_MS = 30_000;

/**
 * Waits until every view holds all that the log held when it was asked.
 * @throws Complaint when nobody brings the views up to date, or the signal's reason
 */
export async function viewsCaughtUp({ store, mongo }: Pick<Session, 'store' | 'mongo'>, worker: Worker | undefined, signal: AbortSignal): Promise<void> {
  let before: string | undefined;
  let lastProgress = Date.now();
  for (;;) {
    signal.throwIfAborted();
    const positions = await Promise.all(projections.map(({ name }) => viewPosition(mongo, name)));
    const behind = await Promise.all(projections.map(({ streamPrefix }, index) => anythingAfter(store, streamPrefix, positions[index])));
    if (!behind.includes(true)) return;
    const now = positions.map((position) => String(position?.commit)).join();
    if (now !== before) lastProgress = Date.now();
    before = now;
    if (Date.now() - lastProgress > PATIENCE_MS) {
      const trouble = worker?.status().find(({ lastError }) => lastError !== undefined)?.lastError?.message;
      throw new Complaint(
        `The views have not moved for ${PATIENCE_MS / 1_000} s and lack events${trouble === undefined ? '' : `: ${trouble}`}`,
        worker === undefined ? 'Is a worker running on these stores?' : 'LOG_LEVEL=debug shows more',
      );
    }
    await pause(100, undefined, { signal });
  }
}

async function anythingAfter(store: EventStore, streamPrefix: string, position: Position | undefined): Promise<boolean> {
  for await (const _event of store.readAll({ streamPrefixes: [streamPrefix] }, position)) return true;
  return false;
}
