import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { startEmbeddedEventStoreDB } from '@tierline/embedded-eventstoredb';
import { startEmbeddedMongoDB } from '@tierline/embedded-mongodb';
import type { Config } from '#platform';

/** The two stores of a process, wherever they run. */
export interface Stores {
  readonly eventStoreUrl: string;
  readonly mongodbUrl: string;
  /** Ends the embedded ones among them: flushed, and their directories free. */
  close(): Promise<void>;
}

/** It cannot start, for a reason that the person who started it can mend. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart';
}

/** Another process holds the data directory. */
export class DataDirLocked extends CannotStart {
  constructor(
    readonly directory: string,
    readonly pid: number,
  ) {
    super(`The data directory ${directory} is in use by process ${pid}. Stop that one first, or set DATA_DIR to another directory.`);
  }
}

/**
 * The stores that the configuration names; where it names none, an embedded node on the data directory.
 * @throws CannotStart
 */
export async function openStores(config: Config): Promise<Stores> {
  const running: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (const node of running.splice(0).reverse()) await node.close();
  };
  const embedded = async <Node extends { readonly url: string; close(): Promise<void> }>(
    start: (options: { directory: string; port: number }) => Promise<Node>,
    folder: string,
    what: string,
    variable: string,
    port: number,
  ): Promise<string> => {
    const dataDir = resolve(config.dataDir);
    const directory = join(dataDir, folder);
    try {
      await mkdir(directory, { recursive: true });
      const node = await start({ directory, port });
      running.push(node);
      return node.url;
    } catch (error) {
      throw explained(error as NodeJS.ErrnoException & { pid?: number }, dataDir, what, variable, port);
    }
  };

  try {
    const eventStoreUrl =
      config.eventStoreUrl ??
      (await embedded(startEventStore, 'eventstoredb', 'EventStoreDB', 'EMBEDDED_EVENTSTOREDB_PORT', config.embeddedEventStoreDBPort));
    const mongodbUrl =
      config.mongodbUrl ??
      withDatabase(await embedded(startEmbeddedMongoDB, 'mongodb', 'MongoDB', 'EMBEDDED_MONGODB_PORT', config.embeddedMongoDBPort));
    return { eventStoreUrl, mongodbUrl, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Tierline reads `$all` by event type and needs no links to it; without them the log is less than half as long. */
const startEventStore = (options: { directory: string; port: number }) => startEmbeddedEventStoreDB({ ...options, systemStreams: false });

/** Names the database of the read models, so that other clients that are given the URL find it too. */
function withDatabase(url: string): string {
  const named = new URL(url);
  named.pathname = '/tierline';
  return named.href;
}

/** The faults of an embedded node, in terms of what one can configure. */
function explained(
  error: NodeJS.ErrnoException & { pid?: number },
  dataDir: string,
  what: string,
  variable: string,
  port: number,
): unknown {
  switch (error.code) {
    case 'ERR_DIRECTORY_LOCKED':
      return new DataDirLocked(dataDir, error.pid ?? 0);
    case 'ERR_PORT_UNAVAILABLE':
      return portTaken(port, `the embedded ${what}`, variable);
    case 'EACCES':
    case 'EROFS':
    case 'ENOTDIR':
    case 'EEXIST':
    case 'ENOSPC':
      return new CannotStart(
        `The data directory ${dataDir} cannot be used (${error.message}). Set DATA_DIR to a directory that can be written.`,
        { cause: error },
      );
    default:
      return error;
  }
}

export function portTaken(port: number, what: string, variable: string): CannotStart {
  return new CannotStart(
    `Port ${port} for ${what} is taken by another program. Stop that one, or set ${variable} to another port (0 for any free one).`,
  );
}
