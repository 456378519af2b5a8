import { parentPort, workerData } from 'node:worker_threads';
import { DamagedLog, UnknownFormat } from './event-log.js';
import { PortUnavailable, runNode, type NodeOptions } from './node.js';

/** What the thread tells whoever started it: the port it listens on, or what kept it from doing so. */
export type ThreadMessage = { readonly port: number } | { readonly failure: ThreadFailure };
/** Errors lose their class on the way between threads, so that it travels as a word. */
export type ThreadFailure = { readonly kind: 'port' | 'format' | 'damaged' | 'other'; readonly detail: string };

function describe(error: unknown): ThreadFailure {
  if (error instanceof PortUnavailable) return { kind: 'port', detail: error.reason };
  if (error instanceof UnknownFormat) return { kind: 'format', detail: error.found };
  if (error instanceof DamagedLog) return { kind: 'damaged', detail: error.reason };
  return { kind: 'other', detail: error instanceof Error ? error.message : String(error) };
}

const port = parentPort;
if (!port) throw new Error('node-thread is the body of a worker thread');
try {
  const node = await runNode(workerData as NodeOptions);
  port.once('message', () => void node.close().finally(() => port.close()));
  port.postMessage({ port: node.port } satisfies ThreadMessage);
} catch (error) {
  port.postMessage({ failure: describe(error) } satisfies ThreadMessage);
  port.close();
}
