import { parentPort, workerData } from 'node:worker_threads';
import { createLog, standardError } from '#platform';
import { runWorker } from './run-worker.js';
import type { ThreadOptions } from './worker-in-thread.js';

const port = parentPort;
if (!port) throw new Error('worker-thread is the body of a worker thread');
const { logLevel, ...options } = workerData as ThreadOptions;
const worker = await runWorker({ ...options, log: createLog(logLevel, standardError()) });
port.once('message', () => {
  // The port keeps the thread; without it, it ends.
  void worker.stop().finally(() => port.close());
});
port.postMessage('runs');
