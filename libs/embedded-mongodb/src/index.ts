import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { DirectoryLocked } from '#directory-lock';
import { BackupExistsError, backUpMongoDB, DataUnreadableError } from './data-file.js';
import {
  BadCertificateError,
  BadCredentialsError,
  HostRefusedError,
  PortTakenError,
  runNode,
  type NodeOptions,
  type RunningNode,
} from './node.js';
import { MEMORY_LIMIT } from './sorting.js';
import type { ThreadError, ThreadMessage, ThreadRequest } from './node-thread.js';

export {
  backUpMongoDB,
  BackupExistsError,
  BadCertificateError,
  BadCredentialsError,
  DataUnreadableError,
  DirectoryLocked,
  HostRefusedError,
  PortTakenError,
};

export type EmbeddedMongoDBOptions = {
  /** Where the data lives; made if it is not there. One node holds it at a time. */
  readonly directory: string;
  /** The TCP port; 0 takes any free one. */
  readonly port: number;
  /** A loopback address, 127.0.0.1 by default. Any other one needs `tls` and `credentials` both. */
  readonly host?: string;
  /** Certificate chain and private key, PEM. With them the node speaks TLS only. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /**
   * The one user, of the database `admin`. With one the node asks every client to sign in by SCRAM-SHA-256; without, it
   * serves everyone who reaches it. Nothing of it is stored: the user is the one that the latest start was given.
   */
  readonly credentials?: { readonly user: string; readonly password: string };
  /** Milliseconds after which a cursor that nobody reads is closed. Default 600000, as on the server. */
  readonly cursorTimeoutMs?: number;
  /** Cursors that may be open at once. Default 1000. */
  readonly maxOpenCursors?: number;
  /** Seconds between two searches for documents that an index with `expireAfterSeconds` lets expire. Default 60, as on the server. */
  readonly ttlMonitorSleepSecs?: number;
  /** Bytes that one sort may hold in memory; what is beyond goes to a temporary file in the directory. Default 104857600, as on the server. */
  readonly sortMemoryBytes?: number;
  /**
   * Whether the node runs in a thread of its own, so that a long query does not hold up its starter. Default: yes where
   * the library is compiled; from TypeScript sources, which a thread cannot load, it always runs in the starter's.
   */
  readonly thread?: boolean;
};

export type EmbeddedMongoDB = {
  /** The connection string for any MongoDB driver, without user and password. */
  readonly url: string;
  readonly port: number;
  /**
   * Copies all databases, as they are at one moment, into a directory while clients read and write. A node can be started
   * on the copy; it is complete when the promise resolves, and not there when it rejects.
   *
   * @throws BackupExistsError where the directory holds data already
   */
  backup(directory: string): Promise<void>;
  /** Ends connections, finishes what is being written, and lets go of the directory. */
  close(): Promise<void>;
};

/** The error that a thread has reported, as what it was. */
const revived = ({ name, message, details }: ThreadError): Error => {
  if (name === 'PortTakenError') return new PortTakenError(String(details['host']), Number(details['port']));
  if (name === 'BadCertificateError') return new BadCertificateError(String(details['reason']));
  if (name === 'BadCredentialsError') return new BadCredentialsError();
  if (name === 'HostRefusedError') return new HostRefusedError(String(details['host']));
  if (name === 'DirectoryLocked') return new DirectoryLocked(String(details['directory']), Number(details['pid']));
  if (name === 'DataUnreadableError') return new DataUnreadableError(String(details['directory']), String(details['reason']));
  if (name === 'BackupExistsError') return new BackupExistsError(String(details['directory']));
  return Object.assign(new Error(message), { name, ...details });
};

const runInThread = (options: NodeOptions): Promise<RunningNode> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(new URL('./node-thread.js', import.meta.url)), {
      workerData: options,
      name: 'embedded-mongodb',
    });
    const exited = new Promise<void>((done) => worker.once('exit', () => done()));
    const ask = (request: ThreadRequest): void => worker.postMessage(request);
    const backups = new Map<number, { readonly done: () => void; readonly failed: (error: Error) => void }>();
    let closing: Promise<void> | undefined;
    let ended = false;
    let requests = 0;
    void exited.then(() => {
      ended = true;
      for (const { failed } of backups.values()) failed(new Error('the embedded MongoDB has ended'));
    });
    worker.on('error', (error) => {
      reject(error);
      // After the start nobody waits for the rejection: the fault must not pass unnoticed.
      process.emitWarning(`the embedded MongoDB has stopped: ${error.stack ?? error.message}`, 'EmbeddedMongoDBStopped');
    });
    void exited.then(() => reject(new Error('the thread of the embedded MongoDB ended before it was listening')));
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'failed') reject(revived(message));
      if (message.kind === 'backup') {
        const backup = backups.get(message.request);
        backups.delete(message.request);
        if (message.error) backup?.failed(revived(message.error));
        else backup?.done();
      }
      if (message.kind === 'listening')
        resolve({
          port: message.port,
          backup: (directory) =>
            new Promise((done, failed) => {
              if (closing || ended) return failed(new Error('the embedded MongoDB has ended'));
              const request = ++requests;
              backups.set(request, { done, failed });
              ask({ kind: 'backup', request, directory });
            }),
          close: () =>
            (closing ??= (() => {
              ask({ kind: 'close' });
              return exited;
            })()),
        });
    });
  });

/** A host as a connection string names it; one that means all addresses of the machine is reached by its own name. */
const reachable = (host: string): string => (['0.0.0.0', '::', ''].includes(host) ? 'localhost' : host.includes(':') ? `[${host}]` : host);

/**
 * Starts a MongoDB node on a directory of this machine: it speaks MongoDB's wire protocol on a loopback port, and what
 * it has acknowledged is on disk.
 *
 * @throws PortTakenError, DirectoryLocked, HostRefusedError, BadCertificateError, BadCredentialsError, DataUnreadableError: each with a stable `code`
 */
export const startEmbeddedMongoDB = async (options: EmbeddedMongoDBOptions): Promise<EmbeddedMongoDB> => {
  const {
    directory,
    port,
    host = '127.0.0.1',
    tls,
    credentials,
    cursorTimeoutMs = 600_000,
    maxOpenCursors = 1000,
    ttlMonitorSleepSecs = 60,
    sortMemoryBytes = MEMORY_LIMIT,
  } = options;
  const given: NodeOptions = {
    directory,
    port,
    host,
    tls,
    credentials,
    cursorTimeoutMs,
    maxOpenCursors,
    ttlMonitorSleepSecs,
    sortMemoryBytes,
  };
  const compiled = import.meta.url.endsWith('.js');
  const node = compiled && options.thread !== false ? await runInThread(given) : await runNode(given);
  return {
    url: `mongodb://${reachable(host)}:${node.port}/?directConnection=true${tls ? '&tls=true' : ''}`,
    port: node.port,
    backup: (to) => node.backup(to),
    close: () => node.close(),
  };
};
