import { runNode, type RunningNode } from './node.js';

export { DirectoryHeldError } from './directory-lock.js';
export { HostRefusedError, PortTakenError } from './node.js';

export type EmbeddedMongoDBOptions = {
  /** Where the data lives; made if it is not there. One node holds it at a time. */
  readonly directory: string;
  /** The TCP port; 0 takes any free one. */
  readonly port: number;
  /** A loopback address; others are refused. Default 127.0.0.1. */
  readonly host?: string;
  /** Milliseconds after which a cursor that nobody reads is closed. Default 600000, as on the server. */
  readonly cursorTimeoutMs?: number;
  /** Cursors that may be open at once. Default 1000. */
  readonly maxOpenCursors?: number;
};

export type EmbeddedMongoDB = {
  /** The connection string for any MongoDB driver. */
  readonly url: string;
  readonly port: number;
  /** Ends connections, finishes what is being written, and lets go of the directory. */
  close(): Promise<void>;
};

/**
 * Starts a MongoDB node on a directory of this machine: it speaks MongoDB's wire protocol on a loopback port, and what
 * it has acknowledged is on disk.
 *
 * @throws PortTakenError, DirectoryHeldError, HostRefusedError: each with a stable `code`
 */
export const startEmbeddedMongoDB = async (options: EmbeddedMongoDBOptions): Promise<EmbeddedMongoDB> => {
  const { directory, port, host = '127.0.0.1', cursorTimeoutMs = 600_000, maxOpenCursors = 1000 } = options;
  const node: RunningNode = await runNode({ directory, port, host, cursorTimeoutMs, maxOpenCursors });
  return { url: `mongodb://${host === '::1' ? '[::1]' : '127.0.0.1'}:${node.port}/?directConnection=true`, port: node.port, close: () => node.close() };
};
