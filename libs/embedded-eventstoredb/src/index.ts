import { once } from 'node:events';
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { lockDirectory } from '#directory-lock';
import { BackupExists, BackupFailed } from './backup.js';
import { DamagedLog, UnknownFormat, WriteFailed } from './event-log.js';
import { inUrl, isWildcard, PortUnavailable, runNode, type NodeOptions, type RunningNode } from './node.js';
import type { ThreadAnswer, ThreadFailure, ThreadMessage, ThreadRequest } from './node-thread.js';
import type { Scavenged } from './scavenge.js';

export { DirectoryLocked } from '#directory-lock';
export { backUpEventStoreDB } from './backup-directory.js';
export { BackupExists, BackupFailed } from './backup.js';
export { DamagedLog, UnknownFormat, WriteFailed } from './event-log.js';
export { PortUnavailable } from './node.js';
export type { Scavenged } from './scavenge.js';

export interface EmbeddedEventStoreDBOptions {
  /** Where the log lies; made when missing. One node at a time may hold it. */
  readonly directory: string;
  /** TCP port; 0 for any free one. */
  readonly port: number;
  /** A loopback address, 127.0.0.1 by default. Any other one needs `tls` and `credentials` both. */
  readonly host?: string;
  /** Certificate chain and private key, PEM. With them the node speaks TLS only. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /**
   * The administrator. With one the node asks every caller who it is and enforces access control; without, it serves
   * everyone who reaches it. The user is made, or given this password, at each start.
   */
  readonly credentials?: { readonly user: string; readonly password: string };
  /**
   * Whether each event gets links in the system streams `$ce-<category>`, `$et-<type>`, `$bc-<correlation id>`,
   * `$category-<category>` and `$streams`, as by the system projections of the genuine server. By default it does.
   */
  readonly systemStreams?: boolean;
  /**
   * Whether the node runs in a thread of its own, so that the application and the node do not wait for each other.
   * By default it does wherever it is compiled; run from TypeScript sources it stays in the calling thread.
   */
  readonly thread?: boolean;
}

export interface EmbeddedEventStoreDB {
  /** Connection string for any EventStoreDB client, without user and password. */
  readonly url: string;
  readonly port: number;
  /**
   * Drops from the log what no reader of a stream can see any more: truncated events, and those of deleted streams. Positions and revisions of
   * all else stay. Appends and reads go on meanwhile. Joins the scavenge that is under way, if there is one.
   *
   * @throws WriteFailed when the disk is full; nothing readable is lost
   */
  scavenge(): Promise<Scavenged>;
  /**
   * Writes a consistent copy of the log into a directory that is empty or does not exist, while appends and reads go on. It has everything
   * that was acknowledged before the call. A node that is started on the copy goes on from there.
   *
   * @throws BackupExists, BackupFailed
   */
  backup(directory: string): Promise<void>;
  /** Answers what is being written, ends all calls and lets go of the directory. */
  close(): Promise<void>;
}

/** The node would be reachable from other machines without encryption or without users, which it refuses. */
export class NotLoopback extends Error {
  readonly code = 'ERR_NOT_LOOPBACK';
  constructor(readonly host: string) {
    super(
      `The embedded event store node listens on ${host} with TLS and a user and password only. Without both it takes loopback addresses.`,
    );
  }
}

/** The certificate and the key cannot be read, or do not belong together. */
export class BadCertificate extends Error {
  readonly code = 'ERR_BAD_CERTIFICATE';
  constructor(reason: string) {
    super(`The certificate and key of the event store node cannot be used: ${reason}.`);
  }
}

/** No one could sign in with these. */
export class BadCredentials extends Error {
  readonly code = 'ERR_BAD_CREDENTIALS';
  constructor() {
    super('The user of the event store node needs a name without a colon and a password.');
  }
}

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|localhost|::1|\[::1\])$/;

/**
 * Starts a single EventStoreDB node on a directory. Everything it acknowledges has been flushed to disk.
 *
 * @throws NotLoopback, BadCertificate, BadCredentials, DirectoryLocked, PortUnavailable, UnknownFormat, DamagedLog; each has a stable `code`.
 */
export async function startEmbeddedEventStoreDB(options: EmbeddedEventStoreDBOptions): Promise<EmbeddedEventStoreDB> {
  const host = options.host ?? '127.0.0.1';
  const { tls, credentials } = options;
  if (!LOOPBACK.test(host) && !(tls && credentials)) throw new NotLoopback(host);
  if (tls) checkCertificate(tls);
  if (credentials && !(/^[^:]+$/.test(credentials.user) && credentials.password)) throw new BadCredentials();
  mkdirSync(options.directory, { recursive: true });
  const directory = realpathSync(options.directory);
  const unlock = await lockDirectory(directory);
  try {
    const thread = options.thread ?? existsSync(THREAD);
    const node = await (thread ? runInThread : runNode)({
      directory,
      host,
      port: options.port,
      systemStreams: options.systemStreams ?? true,
      ...(tls && { tls }),
      ...(credentials && { credentials }),
    });
    let closing: Promise<void> | undefined;
    return {
      url: `esdb://${isWildcard(host) ? 'localhost' : inUrl(host)}:${node.port}?tls=${tls !== undefined}`,
      port: node.port,
      scavenge: () => node.scavenge(),
      backup: (target) => node.backup(resolve(target)),
      close: () => (closing ??= node.close().finally(unlock)),
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

function checkCertificate({ cert, key }: { readonly cert: string; readonly key: string }): void {
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new BadCertificate(error instanceof Error ? error.message : String(error));
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
  let calls = 0;
  const ask = <T>(request: { readonly call: 'scavenge' | 'close' } | { readonly call: 'backup'; readonly directory: string }): Promise<T> =>
    new Promise((fulfil, reject) => {
      const number = calls++;
      const answered = (answer: ThreadAnswer): void => {
        if (answer.number !== number) return;
        worker.off('message', answered);
        if ('failure' in answer) reject(revived(answer.failure, { ...options, ...request }));
        else fulfil(answer.result as T);
      };
      worker.on('message', answered);
      worker.postMessage({ number, ...request } satisfies ThreadRequest);
      void exited.then(() => reject(new Error('The node has been closed.')));
    });
  return {
    port: message.port,
    scavenge: () => ask({ call: 'scavenge' }),
    backup: (directory) => ask({ call: 'backup', directory }),
    async close() {
      await ask({ call: 'close' });
      await exited;
    },
  };
}

function revived({ kind, detail }: ThreadFailure, { port, directory }: { readonly port: number; readonly directory: string }): Error {
  switch (kind) {
    case 'port':
      return new PortUnavailable(port, detail);
    case 'format':
      return new UnknownFormat(directory, detail);
    case 'damaged':
      return new DamagedLog(directory, detail);
    case 'write':
      return new WriteFailed(detail);
    case 'backup-exists':
      return new BackupExists(detail);
    case 'backup':
      return new BackupFailed(directory, detail);
    case 'other':
      return new Error(detail);
  }
}
