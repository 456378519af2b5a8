import type { TreeHead } from '#audit';
import type { EventStore } from '#eventsourcing';
import type { Mongo, ViewLog } from '#mongo';
import { LogTree } from './log-tree.js';
import { NotPublished, type Publishing } from './publish.js';
import { checkSigns, LogContradictsSeal, seal } from './seal.js';
import { readSealLog } from './seal-log.js';
import { type SealingTrouble, tellSealing } from './sealing-health.js';
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

/**
 * Keeps the tree up to date with the log, and seals it whenever the last tree head is older than the interval. If several run, one signs.
 * Failures are logged, reported (`sealingHealth`) and retried.
 */
export function startSealer({ store, db, log, categories, keyFile, publishing, everyMs }: SealerOptions): Sealer {
  const stopping = new AbortController();
  const { signal } = stopping;
  const logTree = new LogTree(store, db, categories);
  let trouble: SealingTrouble | undefined;

  const troubled = (code: SealingTrouble['code'], error: unknown): void => {
    trouble = { code, message: (error as Error).message, at: new Date().toISOString() };
  };

  /** @returns the last tree head, if there is one */
  async function sealIfDue(): Promise<TreeHead | undefined> {
    await logTree.extend(signal);
    const last = (await readSealLog(store)).heads.at(-1)?.head;
    const isDue = last === undefined || Date.now() - Date.parse(last.at) >= everyMs;
    // Unpublished heads are published as soon as possible.
    if (!isDue && (trouble === undefined || trouble.code === 'not-witnessed')) return last;
    trouble = undefined;
    const onWitnessFailed = (error: unknown): void => {
      log.warn({ err: error }, 'the witness did not sign the tree head');
      troubled('not-witnessed', error);
    };
    const sealed = await seal({
      store,
      tree: logTree,
      key: (isNeeded) => sealingKeyIn(keyFile, isNeeded),
      publishing,
      onWitnessFailed,
      signal,
    });
    if (sealed?.isNew) log.info({ size: sealed.head.size }, 'the log was sealed');
    return sealed?.head;
  }

  async function look(): Promise<void> {
    let head: TreeHead | undefined;
    try {
      head = await sealIfDue();
    } catch (error) {
      if (signal.aborted) return;
      const code = error instanceof LogContradictsSeal ? 'log-contradicts-seal' : 'not-sealed';
      troubled(error instanceof NotPublished ? 'not-published' : code, error);
      log.error({ err: error }, error instanceof NotPublished ? 'the tree head was not published' : 'the log was not sealed');
    }
    try {
      const sealedTo = head && (await logTree.positionOf(head.size - 1));
      await tellSealing(db, { everyMs, trouble: trouble ?? null, ...(head && { head: { size: head.size, at: head.at } }), sealedTo });
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, 'how sealing is doing cannot be told');
    }
  }

  /** A wrong key is noticed at the start, not only when something must be signed. */
  async function begin(): Promise<void> {
    try {
      const sealLog = await readSealLog(store);
      if (sealLog.keys.length > 0) checkSigns(sealLog, await sealingKeyIn(keyFile, true));
    } catch (error) {
      if (signal.aborted) return;
      troubled('not-sealed', error);
      log.error({ err: error }, 'the log cannot be sealed');
    }
    await tellSealing(db, { everyMs, ...(trouble && { trouble }) }).catch(() => {});
  }

  let sealing = begin();
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
