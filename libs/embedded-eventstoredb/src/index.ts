import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  BackupExists,
  BadCredentials,
  checkListener,
  lockDirectory,
  PortUnavailable,
  startInThread,
  urlHost,
} from '@tierline/embedded-host';
import { BackupFailed, DamagedLog, UnknownFormat, WriteFailed } from './storage/errors.js';
import { NODE } from './name.js';
import type { NodeOptions, RunningNode } from './node.js';
import type { Scavenged } from './storage/scavenged.js';

export { BackupExists, BadCertificate, BadCredentials, DirectoryLocked, NotLoopback, PortUnavailable } from '@tierline/embedded-host';
export { backUpEventStoreDB } from './storage/backup-directory.js';
export { BackupFailed, DamagedLog, UnknownFormat, WriteFailed } from './storage/errors.js';
export type { Scavenged } from './storage/scavenged.js';

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

// The node itself is loaded only by the thread that it runs in: the gRPC server takes a good part of a start.
const THREAD = new URL('./node-thread.js', import.meta.url);
/** What the thread throws and callers can tell apart. */
const ERRORS = [PortUnavailable, UnknownFormat, DamagedLog, WriteFailed, BackupExists, BackupFailed];

/**
 * Starts a single EventStoreDB node on a directory. Everything it acknowledges has been flushed to disk.
 *
 * @throws NotLoopback, BadCertificate, BadCredentials, DirectoryLocked, PortUnavailable, UnknownFormat, DamagedLog; each has a stable `code`.
 */
export async function startEmbeddedEventStoreDB(options: EmbeddedEventStoreDBOptions): Promise<EmbeddedEventStoreDB> {
  const host = options.host ?? '127.0.0.1';
  const { tls, credentials } = options;
  checkListener(NODE, { host, tls, credentials });
  if (credentials && !(/^[^:]+$/.test(credentials.user) && credentials.password))
    throw new BadCredentials(NODE, 'the user must not be empty or contain a colon, the password must not be empty');
  mkdirSync(options.directory, { recursive: true });
  const directory = realpathSync(options.directory);
  const unlock = await lockDirectory(directory);
  try {
    const thread = options.thread ?? existsSync(THREAD);
    const given: NodeOptions = {
      directory,
      host,
      port: options.port,
      systemStreams: options.systemStreams ?? true,
      ...(tls && { tls }),
      ...(credentials && { credentials }),
    };
    const node = thread
      ? await startInThread<RunningNode>('embedded-eventstoredb', THREAD, given, ['scavenge', 'backup', 'close'], ERRORS)
      : await (await import('./node.js')).runNode(given);
    let closing: Promise<void> | undefined;
    return {
      url: `esdb://${urlHost(host)}:${node.port}?tls=${tls !== undefined}`,
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
