import { parentPort, workerData } from 'node:worker_threads';
import { runNode, type NodeOptions, type RunningNode } from './node.js';

/** What the thread tells its starter. */
export type ThreadMessage =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly name: string; readonly message: string; readonly details: Readonly<Record<string, unknown>> }
  | { readonly kind: 'closed' };

const port = parentPort;
if (!port) throw new Error('this file is the start of a worker thread');

const tell = (message: ThreadMessage): void => port.postMessage(message);

/** Serves until it is told to stop. */
const main = async (): Promise<void> => {
  let node: RunningNode;
  try {
    node = await runNode(workerData as NodeOptions);
  } catch (error) {
    const { name, message, ...details } = error as Error;
    tell({ kind: 'failed', name, message, details });
    port.close();
    return;
  }
  port.once('message', () => {
    void node.close().finally(() => {
      tell({ kind: 'closed' });
      port.close();
    });
  });
  tell({ kind: 'listening', port: node.port });
};

await main();
