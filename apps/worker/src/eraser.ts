import { setTimeout as pause } from 'node:timers/promises';
import { formatPosition, instantFrom, parsePosition } from '#eventsourcing';
import type { ViewLog } from '#mongo';
import { eraseForgotten, eraseWhatIsDue, type Erasing, tellErased } from '#ticketing-app';

export interface EraserOptions extends Erasing {
  readonly log: ViewLog;
  /** How often unfinished work is resumed, in milliseconds (default: one minute). */
  readonly everyMs?: number;
  /** How often expired data is erased, in milliseconds (default: one day). */
  readonly retentionEveryMs?: number;
}

/**
 * Performs erasures requested by events, and by the agreed retention, in log order and exactly once: after a crash they are completed at
 * the next start. Several may run.
 */
export function startEraser({ log, everyMs = 60_000, retentionEveryMs = 86_400_000, ...erasing }: EraserOptions): {
  stop(): Promise<void>;
} {
  const { store, keys, blobs } = erasing;
  const stopping = new AbortController();
  const { signal } = stopping;

  async function follow(): Promise<void> {
    await tellErased(erasing);
    const [kept, end] = [parsePosition((await keys.place()) ?? ''), await store.end()];
    // A log that is shorter than what was read is another log.
    const after = kept !== undefined && end !== 'start' && kept.commit <= end.commit ? kept : 'start';
    for await (const item of store.subscribe({ eventTypes: ['PersonForgotten'] }, after, signal)) {
      if (item.kind === 'caught-up') continue;
      if (item.kind === 'event') await eraseForgotten(erasing, item.event);
      await keys.keepPlace(formatPosition(item.kind === 'event' ? item.event.position : item.position));
    }
  }

  async function again(what: string, work: () => Promise<void>, everyMs: number): Promise<void> {
    while (!signal.aborted) {
      await work().catch((error: unknown) => {
        if (!signal.aborted) log.warn({ err: error }, `${what}; tried again`);
      });
      await pause(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  const running = [
    again('who was forgotten cannot be read', follow, 1_000),
    again('what is kept for too long cannot be erased', () => eraseWhatIsDue(erasing, instantFrom(Date.now())), retentionEveryMs),
    again('what was never attached cannot be removed', () => blobs.releaseUnattached(), retentionEveryMs),
    again('what was erased cannot be told', () => tellErased(erasing), everyMs),
  ];
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
    },
  };
}
