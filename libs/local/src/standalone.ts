import { resolve } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { Config } from '#platform';
import { explainDataDir } from './cannot-start.js';
import { type Closable, opening } from './opening.js';
import { removeRunFile, type RunFile, writeRunFile } from './run-file.js';
import { openStores } from './stores.js';
import { startApiThread, startWorkerThread } from './threads.js';

/**
 * API, worker and, unless configured elsewhere, the stores: in one process, each in its own thread. Closing it stops accepting requests,
 * finishes current work, flushes and unlocks the data directory.
 */
export interface Standalone extends RunFile, Closable {
  /** Where the embedded stores keep their data; undefined if both stores run elsewhere. */
  readonly dataDir?: string;
  /** A one-time link to log in as an administrator; at the first start. */
  readonly firstLogIn?: string;
}

/** @throws CannotStart */
export async function startStandalone(config: Config): Promise<Standalone> {
  // Files of this process are private to its owner. Threads share the mask, and cannot set it.
  if (isMainThread) process.umask(0o077);
  return opening(async (onClose) => {
    const stores = await openStores(config);
    onClose(() => stores.close());
    const { eventStoreUrl, mongodbUrl, reportsUrl } = stores;
    const onStores = { ...config, eventStoreUrl, mongodbUrl };
    const starting = [startWorkerThread(onStores), startApiThread(onStores, { administratorKey: true })] as const;
    for (const thread of starting)
      onClose(() =>
        thread.then(
          (running) => running.close(),
          () => undefined,
        ),
      );
    const [, { url, firstLogIn }] = await Promise.all(starting);
    const first = firstLogIn === undefined ? {} : { firstLogIn };
    const runFile: RunFile = { pid: process.pid, api: url, eventStoreUrl, mongodbUrl, ...(reportsUrl !== undefined && { reportsUrl }) };
    if (config.eventStoreUrl !== undefined && config.mongodbUrl !== undefined) return { ...runFile, ...first };
    const dataDir = resolve(config.dataDir);
    await writeRunFile(dataDir, runFile).catch((error: unknown) => {
      throw explainDataDir(dataDir, error);
    });
    // Last opened, first closed: nobody is directed to a process that is stopping.
    onClose(() => removeRunFile(dataDir));
    return { ...runFile, ...first, dataDir };
  });
}
