import { setTimeout as pause } from 'node:timers/promises';
import type { EventStore, Position } from '#eventsourcing';
import type { AnyGroup } from '#mongo';
import { projectionGroups } from '#ticketing';
import { groupPosition } from '#ticketing-app';
import { Complaint } from './complaint.js';
import type { Session } from './session.js';

/** A worker without progress for this long is not running. */
const PATIENCE_MS = 30_000;

/**
 * Waits until every view, or those of some groups, includes everything that is in the log now.
 * @param ownWorker whether this process keeps the views
 * @throws Complaint if nothing brings the views up to date, or the signal's reason
 */
export async function viewsCaughtUp(
  { store, mongo }: Pick<Session, 'store' | 'mongo'>,
  ownWorker: boolean,
  signal: AbortSignal,
  groups: readonly AnyGroup[] = projectionGroups,
): Promise<void> {
  let before: string | undefined;
  let lastProgress = Date.now();
  for (;;) {
    signal.throwIfAborted();
    const positions = await Promise.all(groups.map(({ name }) => groupPosition(mongo, name)));
    const behind = await Promise.all(groups.map(({ streamPrefix }, index) => anythingAfter(store, streamPrefix, positions[index])));
    if (!behind.includes(true)) return;
    const now = positions.map((position) => String(position?.commit)).join();
    if (now !== before) lastProgress = Date.now();
    before = now;
    if (Date.now() - lastProgress > PATIENCE_MS) {
      throw new Complaint(
        `The views have not moved for ${PATIENCE_MS / 1_000} s and lack events`,
        ownWorker ? 'LOG_LEVEL=warn shows why' : 'Is a worker running on these stores?',
      );
    }
    await pause(100, undefined, { signal });
  }
}

async function anythingAfter(store: EventStore, streamPrefix: string, position: Position | undefined): Promise<boolean> {
  for await (const _event of store.readAll({ streamPrefixes: [streamPrefix] }, position)) return true;
  return false;
}
