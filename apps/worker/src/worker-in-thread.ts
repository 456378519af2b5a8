import { Worker } from 'node:worker_threads';
import type { LogLevel } from '#platform';
import type { RunningWorker, RunWorkerOptions } from './run-worker.js';

export type ThreadOptions = Omit<RunWorkerOptions, 'log'> & { readonly logLevel: LogLevel };

/**
 * The worker in a thread of its own, so that folding events does not keep the caller's thread from answering. Its log goes to standard
 * error. A fault that ends the thread is an uncaught exception of the process.
 * @throws whatever kept it from starting
 */
export async function startWorkerInThread(options: ThreadOptions): Promise<RunningWorker> {
  const thread = new Worker(new URL('./worker-thread.js', import.meta.url), { workerData: options });
  const ended = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    thread.once('error', reject);
    thread.once('message', () => {
      // From now on nobody listens, which makes it an uncaught exception here.
      thread.off('error', reject);
      resolve();
    });
  });
  return {
    stop: async () => {
      thread.postMessage('stop');
      await ended;
    },
  };
}
