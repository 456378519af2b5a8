import {
  BackupExists,
  BadCertificate,
  BadCredentials,
  DirectoryLocked,
  NotLoopback,
  PortUnavailable,
  startInThread,
  urlHost,
} from '@tierline/embedded-host';
import { DataUnreadable } from './errors.js';
import type { NodeOptions, RunningNode } from './node.js';
import { backUpMongoDB } from './storage/backup.js';

export { BackupExists, backUpMongoDB, BadCertificate, BadCredentials, DataUnreadable, DirectoryLocked, NotLoopback, PortUnavailable };

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
   * The user who may do everything, of the database `admin`. With one the node asks every client to sign in by SCRAM-SHA-256; without, it
   * serves everyone who reaches it. Nothing of it is stored: the user is the one that the latest start was given.
   */
  readonly credentials?: { readonly user: string; readonly password: string };
  /** Another user of the database `admin`, who may read one database and nothing else; only with `credentials`. */
  readonly reader?: { readonly user: string; readonly password: string; readonly database: string };
  /** Milliseconds after which a cursor that nobody reads is closed. Default 600000, as on the server. */
  readonly cursorTimeoutMs?: number;
  /** Cursors that may be open at once. Default 1000. */
  readonly maxOpenCursors?: number;
  /** Seconds between two searches for documents that an index with `expireAfterSeconds` lets expire. Default 60, as on the server. */
  readonly ttlMonitorSleepSecs?: number;
  /** Bytes that one sort may hold in memory; what is beyond goes to a temporary file in the directory. Default 104857600, as on the server. */
  readonly sortMemoryBytes?: number;
  /**
   * Connections at once, 2000 by default. One more takes the place of the one that has waited longest for its client, strangers first.
   */
  readonly maxConnections?: number;
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
   * @throws BackupExists
   */
  backup(directory: string): Promise<void>;
  /** Ends connections, finishes what is being written, and lets go of the directory. */
  close(): Promise<void>;
};

/** What the thread throws and callers can tell apart. */
const ERRORS = [BackupExists, BadCertificate, BadCredentials, DataUnreadable, DirectoryLocked, NotLoopback, PortUnavailable];

/**
 * Starts a MongoDB node on a directory of this machine: it speaks MongoDB's wire protocol on a loopback port, and what
 * it has acknowledged is on disk.
 *
 * @throws PortUnavailable, DirectoryLocked, NotLoopback, BadCertificate, BadCredentials, DataUnreadable; each has a stable `code`
 */
export const startEmbeddedMongoDB = async (options: EmbeddedMongoDBOptions): Promise<EmbeddedMongoDB> => {
  const {
    directory,
    port,
    host = '127.0.0.1',
    tls,
    credentials,
    reader,
    cursorTimeoutMs = 600_000,
    maxOpenCursors = 1000,
    ttlMonitorSleepSecs = 60,
    sortMemoryBytes = 100 * 1024 * 1024,
    maxConnections = 2000,
  } = options;
  const given: NodeOptions = {
    directory,
    port,
    host,
    tls,
    credentials,
    reader,
    cursorTimeoutMs,
    maxOpenCursors,
    ttlMonitorSleepSecs,
    sortMemoryBytes,
    maxConnections,
  };
  const compiled = import.meta.url.endsWith('.js');
  const node =
    compiled && options.thread !== false
      ? await startInThread<RunningNode>(
          'embedded-mongodb',
          new URL('./node-thread.js', import.meta.url),
          given,
          ['backup', 'close'],
          ERRORS,
        )
      : // Loaded only by the thread that it runs in.
        await (await import('./node.js')).runNode(given);
  return {
    url: `mongodb://${urlHost(host)}:${node.port}/?directConnection=true${tls ? '&tls=true' : ''}`,
    port: node.port,
    backup: (to) => node.backup(to),
    close: () => node.close(),
  };
};
