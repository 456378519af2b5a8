import type { EventStore } from '#eventsourcing';
import type { Mongo, ViewLog } from '#mongo';
import { LogTree } from './log-tree.js';
import type { Publishing } from './publish.js';
import { seal } from './seal.js';
import { readSealLog } from './seal-log.js';
import { sealingKeyIn } from './sealing-key.js';

export interface SealerOptions {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  readonly log: ViewLog;
  readonly categories: readonly string[];
  readonly keyFile: string;
  readonly publishing: Publishing;
  /** Longest time between two tree heads while the log grows, in milliseconds. */
  readonly everyMs: number;
}

/** Seals the log at intervals. */
export interface Sealer {
  stop(): Promise<void>;
}

/** Seals the log whenever the last tree head is older than the interval. Of several that run, one signs. Whatever goes wrong is logged and tried again. */
export function startSealer({ store, db, log, categories, keyFile, publishing, everyMs }: SealerOptions): Sealer {
  const stopping = new AbortController();
  const logTree = new LogTree(store, db, categories);
  let sealing: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    try {
      const last = (await readSealLog(store)).heads.at(-1)?.head;
      if (last !== undefined && Date.now() - Date.parse(last.at) < everyMs) return;
      const sealed = await seal({
        store,
        tree: logTree,
        key: () => sealingKeyIn(keyFile),
        publishing,
        onWitnessFailed: (error) => log.warn({ err: error }, 'the witness did not sign the tree head'),
        signal: stopping.signal,
      });
      if (sealed?.isNew) log.info({ size: sealed.head.size }, 'the log was sealed');
    } catch (error) {
      if (!stopping.signal.aborted) log.error({ err: error }, 'the log was not sealed');
    }
  };
  // More often than the interval: processes do not start together.
  const timer = setInterval(() => {
    sealing = sealing.then(look);
  }, everyMs / 4);
  return {
    stop: async () => {
      stopping.abort();
      clearInterval(timer);
      await sealing;
    },
  };
}
