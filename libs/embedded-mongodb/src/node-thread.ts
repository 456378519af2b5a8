import { parentPort, workerData } from 'node:worker_threads';
import { runNode, type NodeOptions, type RunningNode } from './node.js';

/** An error on its way between threads, which would lose its class and its fields. */
export type ThreadError = { readonly name: string; readonly message: string; readonly details: Readonly<Record<string, unknown>> };

/** What the starter asks of the thread. */
export type ThreadRequest = { readonly kind: 'backup'; readonly request: number; readonly directory: string } | { readonly kind: 'close' };

/** What the thread tells its starter. */
export type ThreadMessage =
  | { readonly kind: 'listening'; readonly port: number }
  | ({ readonly kind: 'failed' } & ThreadError)
  /** A backup is complete, or has failed. */
  | { readonly kind: 'backup'; readonly request: number; readonly error?: ThreadError }
  | { readonly kind: 'closed' };

const port = parentPort;
if (!port) throw new Error('this file is the start of a worker thread');

const tell = (message: ThreadMessage): void => port.postMessage(message);

const portable = (error: unknown): ThreadError => {
  const { name, message, ...details } = error as Error;
  return { name, message, details };
};

/** Serves until it is told to stop. */
const main = async (): Promise<void> => {
  let node: RunningNode;
  try {
    node = await runNode(workerData as NodeOptions);
  } catch (error) {
    tell({ kind: 'failed', ...portable(error) });
    port.close();
    return;
  }
  port.on('message', (asked: ThreadRequest) => {
    if (asked.kind === 'close')
      void node.close().finally(() => {
        tell({ kind: 'closed' });
        port.close();
      });
    else {
      const { request } = asked;
      node.backup(asked.directory).then(
        () => tell({ kind: 'backup', request }),
        (error: unknown) => tell({ kind: 'backup', request, error: portable(error) }),
      );
    }
  });
  tell({ kind: 'listening', port: node.port });
};

await main();
