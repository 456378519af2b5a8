import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Config } from '#platform';
import { CannotStart } from './cannot-start.js';
import type { Running, ThreadData, ThreadMessage } from './program.js';

/** Which parts of the worker run. */
export interface WorkerParts {
  /** The read models. */
  readonly views?: boolean;
  readonly policies?: boolean;
  /** Timekeeper. */
  readonly timekeeper?: boolean;
}

/** A running API. */
export interface RunningApi extends Running {
  readonly url: string;
  /** A one-time link to log in as an administrator; if there was no key. */
  readonly firstLogIn?: string;
}

/** Additional tasks of the API. */
export interface ApiParts {
  /** Stores an administrator's key in the data directory, for whoever has access to the machine. */
  readonly administratorKey?: boolean;
}

// An app is started by its file, as a process or a thread, and never imported.
const program = (app: string): URL => new URL(`../../../apps/${app}/src/main.js`, import.meta.url);

/**
 * The API in its own thread, on the configured stores.
 * @throws CannotStart
 */
export const startApiThread = (config: Config, parts: ApiParts = {}): Promise<RunningApi> => startThread(program('api'), config, parts);

/**
 * The worker in its own thread, so that folding events does not delay other threads.
 * @param parts default: all
 * @throws CannotStart
 */
export const startWorkerThread = (config: Config, parts: WorkerParts = {}): Promise<Running> =>
  startThread(program('worker'), config, parts);

/** Its log goes to standard error. A later error that ends the thread is an uncaught exception of the process. */
async function startThread<Up extends Running>(file: URL, config: Config, options: object): Promise<Up> {
  const thread = new Worker(file, { workerData: { config, options } satisfies ThreadData });
  const ended = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
  const message = await new Promise<ThreadMessage>((resolve, reject) => {
    thread.once('error', reject);
    thread.once('exit', (code) => reject(new Error(`${fileURLToPath(file)} ended with code ${code} before it had started`)));
    thread.once('message', (first: ThreadMessage) => {
      // From now on nobody listens, so an error becomes an uncaught exception here.
      thread.off('error', reject);
      resolve(first);
    });
  });
  if ('cannotStart' in message) {
    await thread.terminate();
    throw new CannotStart(message.cannotStart);
  }
  return {
    ...(message.up as Up),
    close: async () => {
      thread.postMessage('close');
      await ended;
    },
  };
}
