import { parentPort, workerData } from 'node:worker_threads';
import { BackupExists, BackupFailed } from './backup.js';
import { DamagedLog, UnknownFormat, WriteFailed } from './event-log.js';
import { PortUnavailable, runNode, type NodeOptions, type RunningNode } from './node.js';

/** What the thread tells whoever started it: the port it listens on, or what kept it from doing so. */
export type ThreadMessage = { readonly port: number } | { readonly failure: ThreadFailure };
/** What it is asked afterwards, and answers under the same number. */
export type ThreadRequest = { readonly number: number } & (
  { readonly call: 'scavenge' } | { readonly call: 'backup'; readonly directory: string } | { readonly call: 'close' }
);
export type ThreadAnswer = { readonly number: number } & ({ readonly result: unknown } | { readonly failure: ThreadFailure });
/** Errors lose their class on the way between threads, so that it travels as a word. */
export type ThreadFailure = {
  readonly kind: 'port' | 'format' | 'damaged' | 'write' | 'backup-exists' | 'backup' | 'other';
  readonly detail: string;
};

function describe(error: unknown): ThreadFailure {
  if (error instanceof PortUnavailable) return { kind: 'port', detail: error.reason };
  if (error instanceof UnknownFormat) return { kind: 'format', detail: error.found };
  if (error instanceof DamagedLog) return { kind: 'damaged', detail: error.reason };
  if (error instanceof WriteFailed) return { kind: 'write', detail: error.reason };
  if (error instanceof BackupExists) return { kind: 'backup-exists', detail: error.directory };
  if (error instanceof BackupFailed) return { kind: 'backup', detail: error.reason };
  return { kind: 'other', detail: error instanceof Error ? error.message : String(error) };
}

function perform(node: RunningNode, request: ThreadRequest): Promise<unknown> {
  if (request.call === 'backup') return node.backup(request.directory);
  return node[request.call]();
}

const port = parentPort;
if (!port) throw new Error('node-thread is the body of a worker thread');
try {
  const node = await runNode(workerData as NodeOptions);
  port.on('message', (request: ThreadRequest) => {
    const { number } = request;
    void perform(node, request)
      .then(
        (result) => port.postMessage({ number, result } satisfies ThreadAnswer),
        (error: unknown) => port.postMessage({ number, failure: describe(error) } satisfies ThreadAnswer),
      )
      .finally(() => request.call === 'close' && port.close());
  });
  port.postMessage({ port: node.port } satisfies ThreadMessage);
} catch (error) {
  port.postMessage({ failure: describe(error) } satisfies ThreadMessage);
  port.close();
}
