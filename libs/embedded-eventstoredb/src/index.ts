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
  /** Where the log is kept; created if missing. Used by one node at a time. */
  readonly directory: string;
  /** TCP port; 0 for any free port. */
  readonly port: number;
  /** A loopback address, 127.0.0.1 by default. Any other address needs both `tls` and `credentials`. */
  readonly host?: string;
  /** Certificate chain and private key, PEM. If set, the node accepts TLS only. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /**
   * The administrator. If set, every caller has to authenticate and access control is enforced; otherwise the node serves everyone who can
   * reach it. At each start, the user is created or given this password.
   */
  readonly credentials?: { readonly user: string; readonly password: string };
  /**
   * Whether events get links in the system streams `$ce-<category>`, `$et-<type>`, `$bc-<correlation id>`, `$category-<category>` and
   * `$streams`, as from the genuine server's system projections. Default: yes.
   */
  readonly systemStreams?: boolean;
  /**
   * Whether the node runs in its own thread, so that application and node do not block each other. Default: yes when compiled, no when run
   * from TypeScript sources.
   */
  readonly thread?: boolean;
}

export interface EmbeddedEventStoreDB {
  /** Connection string for any EventStoreDB client, without user and password. */
  readonly url: string;
  readonly port: number;
  /**
   * Removes from the log what readers of streams can no longer see: truncated events, and those of deleted streams. Positions and revisions
   * of everything else do not change. Appends and reads continue meanwhile. If a scavenge is already running, joins it.
   *
   * @throws WriteFailed if the disk is full; nothing readable is lost
   */
  scavenge(): Promise<Scavenged>;
  /**
   * Writes a consistent copy of the log into a directory that is empty or does not exist, while appends and reads continue. It includes
   * everything acknowledged before the call. To restore, start a node on the copy.
   *
   * @throws BackupExists, BackupFailed
   */
  backup(directory: string): Promise<void>;
  /** Answers pending writes, ends all calls and releases the directory. */
  close(): Promise<void>;
}

// The node itself is loaded only by the thread in which it runs: loading the gRPC server takes a large part of the start.
const THREAD = new URL('./node-thread.js', import.meta.url);
/** Errors of the thread that callers can tell apart. */
const ERRORS = [PortUnavailable, UnknownFormat, DamagedLog, WriteFailed, BackupExists, BackupFailed];

/**
 * Starts a single EventStoreDB node on a directory. Everything it acknowledges has been flushed to disk.
 *
 * @throws NotLoopback, BadCertificate, BadCredentials, DirectoryLocked, PortUnavailable, UnknownFormat, DamagedLog; each with a stable
 * `code`
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
