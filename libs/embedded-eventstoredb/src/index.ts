import { once } from 'node:events';
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { lockDirectory } from '#directory-lock';
import { DamagedLog, UnknownFormat } from './event-log.js';
import { PortUnavailable, runNode, type NodeOptions, type RunningNode } from './node.js';
import type { ThreadFailure, ThreadMessage } from './node-thread.js';

export { DirectoryLocked } from '#directory-lock';
export { DamagedLog, UnknownFormat } from './event-log.js';
export { PortUnavailable } from './node.js';

export interface EmbeddedEventStoreDBOptions {
  /** Where the log lies; made when missing. One node at a time may hold it. */
  readonly directory: string;
  /** TCP port; 0 for any free one. */
  readonly port: number;
  /** A loopback address, 127.0.0.1 by default: the node knows no users, so it is not for a network. */
  readonly host?: string;
  /**
   * Whether the node runs in a thread of its own, so that the application and the node do not wait for each other.
   * By default it does wherever it is compiled; run from TypeScript sources it stays in the calling thread.
   */
  readonly thread?: boolean;
}

export interface EmbeddedEventStoreDB {
  /** Connection string for any EventStoreDB client. */
  readonly url: string;
  readonly port: number;
  /** Answers what is being written, ends all calls and lets go of the directory. */
  close(): Promise<void>;
}

/** The node would be reachable from other machines, which it refuses. */
export class NotLoopback extends Error {
  readonly code = 'ERR_NOT_LOOPBACK';
  constructor(readonly host: string) {
    super(`The embedded event store node listens on loopback addresses only, not on ${host}: it has no users and no encryption.`);
  }
}

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|localhost|::1|\[::1\])$/;

/**
 * Starts a single EventStoreDB node on a directory. Everything it acknowledges has been flushed to disk.
 *
 * @throws NotLoopback, DirectoryLocked, PortUnavailable, UnknownFormat, DamagedLog; each has a stable `code`.
 */
export async function startEmbeddedEventStoreDB(options: EmbeddedEventStoreDBOptions): Promise<EmbeddedEventStoreDB> {
  const host = options.host ?? '127.0.0.1';
  if (!LOOPBACK.test(host)) throw new NotLoopback(host);
  mkdirSync(options.directory, { recursive: true });
  const directory = realpathSync(options.directory);
  const unlock = await lockDirectory(directory);
  try {
    const thread = options.thread ?? existsSync(THREAD);
    const node = await (thread ? runInThread : runNode)({ directory, host, port: options.port });
    let closing: Promise<void> | undefined;
    return {
      url: `esdb://${host}:${node.port}?tls=false`,
      port: node.port,
      close: () => (closing ??= node.close().finally(unlock)),
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

const THREAD = fileURLToPath(new URL('./node-thread.js', import.meta.url));

async function runInThread(options: NodeOptions): Promise<RunningNode> {
  // Flags of the process, such as --input-type or --eval, are not meant for this file.
  const worker = new Worker(THREAD, { workerData: options, execArgv: [] });
  const exited = once(worker, 'exit');
  // An error ends the thread, and the application is told by its calls, which fail; once() would leave it unhandled.
  const failed = new Promise<never>((_resolve, reject) => worker.on('error', reject));
  failed.catch(() => undefined);
  const [message] = (await Promise.race([once(worker, 'message'), failed])) as [ThreadMessage];
  if ('failure' in message) throw revived(message.failure, options);
  return {
    port: message.port,
    async close() {
      worker.postMessage('close');
      await exited;
    },
  };
}

function revived({ kind, detail }: ThreadFailure, { port, directory }: NodeOptions): Error {
  if (kind === 'port') return new PortUnavailable(port, detail);
  if (kind === 'damaged') return new DamagedLog(directory, detail);
  return kind === 'format' ? new UnknownFormat(directory, detail) : new Error(detail);
}
