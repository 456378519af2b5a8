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
  /** Where the data is kept; created if missing. Used by one node at a time. */
  readonly directory: string;
  /** The TCP port; 0 for any free port. */
  readonly port: number;
  /** A loopback address, 127.0.0.1 by default. Any other address needs both `tls` and `credentials`. */
  readonly host?: string;
  /** Certificate chain and private key, PEM. If set, the node accepts TLS only. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /**
   * The user, of the database `admin`, who may do everything. If set, every client has to sign in by SCRAM-SHA-256; otherwise the node
   * serves everyone who can reach it. It is not stored: only the user given at the latest start exists.
   */
  readonly credentials?: { readonly user: string; readonly password: string };
  /** Another user of the database `admin`, who may read one database and nothing else; only with `credentials`. */
  readonly reader?: { readonly user: string; readonly password: string; readonly database: string };
  /** Milliseconds after which an idle cursor is closed. Default 600000, as on the server. */
  readonly cursorTimeoutMs?: number;
  /** Cursors that may be open at once. Default 1000. */
  readonly maxOpenCursors?: number;
  /**
   * Seconds between two searches for documents that have expired under an index with `expireAfterSeconds`. Default 60, as on the server.
   */
  readonly ttlMonitorSleepSecs?: number;
  /** Bytes that one sort may hold in memory; the rest goes to a temporary file in the directory. Default 104857600, as on the server. */
  readonly sortMemoryBytes?: number;
  /**
   * Connections at once; default 2000. Beyond that, a new one replaces the one that has been idle longest, first among those not signed in.
   */
  readonly maxConnections?: number;
  /**
   * Whether the node runs in its own thread, so that a long query does not block the caller. Default: yes if the library is compiled. From
   * TypeScript sources, which a thread cannot load, it always runs in the caller's thread.
   */
  readonly thread?: boolean;
};

export type EmbeddedMongoDB = {
  /** The connection string for any MongoDB driver, without user and password. */
  readonly url: string;
  readonly port: number;
  /**
   * Copies a consistent state of all databases into a directory while clients read and write. A node can be started on the copy. It is
   * complete when the promise resolves, and does not exist when it rejects.
   *
   * @throws BackupExists
   */
  backup(directory: string): Promise<void>;
  /** Ends connections, finishes pending writes, and releases the directory. */
  close(): Promise<void>;
};

/** Errors of the thread that callers can tell apart. */
const ERRORS = [BackupExists, BadCertificate, BadCredentials, DataUnreadable, DirectoryLocked, NotLoopback, PortUnavailable];

/**
 * Starts a MongoDB node on a directory of this machine. It speaks MongoDB's wire protocol on a loopback port, and what it has acknowledged
 * is on disk.
 *
 * @throws PortUnavailable, DirectoryLocked, NotLoopback, BadCertificate, BadCredentials, DataUnreadable; each with a stable `code`
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
      : // Loaded only by the thread in which it runs.
        await (await import('./node.js')).runNode(given);
  return {
    url: `mongodb://${urlHost(host)}:${node.port}/?directConnection=true${tls ? '&tls=true' : ''}`,
    port: node.port,
    backup: (to) => node.backup(to),
    close: () => node.close(),
  };
};
