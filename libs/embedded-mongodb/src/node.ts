import { mkdirSync } from 'node:fs';
import { createServer, isIPv6, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { BadCredentials, checkListener, lockDirectory, portUnavailable, type Certificate } from '@tierline/embedded-host';
import { newUuid } from './bson/uuid.js';
import type { Node } from './commands/call.js';
import { areUsable, verifierOf, type Connection, type Credentials, type ReaderCredentials } from './commands/credentials.js';
import { Cursors } from './commands/cursors.js';
import { runCommand } from './commands/dispatch.js';
import { monitorExpiry } from './commands/expiry.js';
import { Running } from './commands/running.js';
import { ServerError } from './errors.js';
import { removeScratchFiles, ScratchFile } from './storage/scratch-file.js';
import { Store } from './storage/store.js';
import { failure, MAX_MESSAGE_BYTES, messageLength, ProtocolViolation, readRequest, writeReply, type Request } from './wire/messages.js';

/** The name of this node in messages. */
const NODE = 'MongoDB';

export type NodeOptions = {
  readonly directory: string;
  readonly port: number;
  readonly host: string;
  readonly tls: Certificate | undefined;
  readonly credentials: Credentials | undefined;
  readonly reader: ReaderCredentials | undefined;
  readonly cursorTimeoutMs: number;
  readonly maxOpenCursors: number;
  readonly ttlMonitorSleepSecs: number;
  readonly sortMemoryBytes: number;
  readonly maxConnections: number;
};

export type RunningNode = { readonly port: number; backup(directory: string): Promise<void>; close(): Promise<void> };

/** The largest message from a client that has not signed in: enough for every handshake, too little to exhaust memory. */
const MAX_STRANGERS_MESSAGE_BYTES = 64 * 1024;

/** How long a client may take for the TLS handshake, in milliseconds. */
const TLS_HANDSHAKE_MS = 10_000;

/** Opens the directory and serves it, in this thread. */
export const runNode = async ({
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
}: NodeOptions): Promise<RunningNode> => {
  checkListener(NODE, { host, tls, credentials });
  const users = [credentials, reader].filter((user) => user !== undefined);
  if (!users.every(areUsable)) throw new BadCredentials(NODE, 'neither may be empty or contain control characters');
  if (reader && (credentials === undefined || credentials.user === reader.user))
    throw new BadCredentials(NODE, 'a user who reads is another one besides the user of the node');
  const verifiers = await Promise.all(users.map(verifierOf));
  mkdirSync(directory, { recursive: true });
  const unlock = await lockDirectory(directory);
  let store: Store | undefined;
  try {
    store = await Store.open(directory);
    removeScratchFiles(directory);
    const cursors = new Cursors(cursorTimeoutMs, maxOpenCursors);
    const sockets = new Set<Socket>();
    const idle = new IdleConnections();
    const running = new Set<Promise<unknown>>();
    let total = 0;
    let served = port;
    const node: Node = {
      store,
      directory,
      cursors,
      running: new Running(),
      startedAt: Date.now(),
      counters: new Map(),
      ttlMonitorSleepSecs,
      space: { memoryBytes: sortMemoryBytes, scratch: () => new ScratchFile(directory) },
      verifiers,
      port: () => served,
      connections: () => ({ current: sockets.size, total }),
    };
    const accept = (socket: Socket): void =>
      serve(socket, node, { id: ++total, uuid: newUuid(), peer: peerOf(socket), user: undefined, conversation: undefined }, running, idle);
    const server = tls
      ? createTlsServer({ ...tls, noDelay: true, minVersion: 'TLSv1.2', handshakeTimeout: TLS_HANDSHAKE_MS }, accept)
      : createServer({ noDelay: true }, accept);
    // With TLS this is the underlying connection, which exists before the handshake and ends both.
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      // Idle connections make room for new ones; busy ones are not closed.
      if (sockets.size > maxConnections) (idle.longest() ?? socket).destroy();
    });
    // A failed handshake concerns only that client.
    server.on('tlsClientError', (_, socket: Socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => {
        cursors.close();
        reject(portUnavailable(NODE, host, port, error));
      };
      server.once('error', failed);
      server.listen({ port, host: host === 'localhost' ? '127.0.0.1' : host, exclusive: true }, () => {
        server.off('error', failed);
        // A connection that cannot be accepted (no file descriptors left) concerns only that client.
        server.on('error', (error) => process.emitWarning(`the embedded MongoDB could not accept a connection: ${error.message}`));
        resolve();
      });
    });
    const expiry = monitorExpiry(node);
    const address = server.address();
    if (typeof address === 'object' && address) served = address.port;
    const opened = store;
    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      const stopped = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await stopped;
      // Running commands end when they next yield, since their clients are gone: the file must not be closed before.
      await Promise.allSettled(running);
      await expiry.stop();
      cursors.close();
      await opened.close();
      await unlock();
    };
    return {
      port: served,
      backup: (to) => opened.backup(to),
      close: () => (closing ??= close()),
    };
  } catch (error) {
    await store?.close();
    await unlock();
    throw error;
  }
};

/** Address and port of a client, as in a URL. */
const peerOf = ({ remoteAddress = '', remotePort = 0 }: Socket): string =>
  `${isIPv6(remoteAddress) ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`;

/**
 * Serves one connection: one command after the other, as the server does. While commands wait, the socket is not read, so a client that
 * keeps sending fills its own buffers, not this process's.
 */
const serve = (socket: Socket, node: Node, connection: Connection, running: Set<Promise<unknown>>, idle: IdleConnections): void => {
  let chunks: Buffer[] = [];
  let buffered = 0;
  let needed = 4;
  const waiting: Request[] = [];
  let working = false;
  let gone = false;
  const isStranger = (): boolean => node.verifiers.length > 0 && connection.user === undefined;
  idle.add(socket, 'silent');
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    gone = true;
    idle.delete(socket);
    waiting.length = 0;
  });
  // A client that leaves a message incomplete is not waited for indefinitely; an idle one is.
  const work = async (): Promise<void> => {
    if (working) return;
    working = true;
    idle.delete(socket);
    for (let request = waiting.shift(); request; request = waiting.shift()) {
      const { command, database, requestId, silent, legacy } = request;
      const task = runCommand({ node, command, database, connection, gone: () => gone });
      running.add(task);
      const reply = await task;
      running.delete(task);
      if (gone) break;
      if (!silent && !socket.write(encodeReply(reply, requestId, legacy)))
        await new Promise<void>((resolve) => {
          const go = (): void => {
            socket.off('drain', go);
            socket.off('close', go);
            resolve();
          };
          socket.on('drain', go);
          socket.on('close', go);
        });
    }
    working = false;
    if (gone) return;
    idle.add(socket, isStranger() ? 'silent' : 'known');
    socket.resume();
  };
  const receive = (): void => {
    while (buffered >= needed && !gone) {
      const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      chunks = [whole];
      const length = messageLength(whole, isStranger() ? MAX_STRANGERS_MESSAGE_BYTES : MAX_MESSAGE_BYTES);
      if (!length || whole.length < length) {
        needed = length || 4;
        return;
      }
      const message = whole.subarray(0, length);
      buffered -= length;
      chunks = buffered ? [whole.subarray(length)] : [];
      needed = 4;
      try {
        waiting.push(readRequest(message));
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        socket.write(encodeReply(failure(error), message.readInt32LE(4), false));
      }
    }
  };
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    buffered += chunk.length;
    try {
      receive();
    } catch (error) {
      // A message that violates the protocol only ends its connection.
      if (!(error instanceof ProtocolViolation)) process.emitWarning(`the embedded MongoDB closes a connection: ${String(error)}`);
      socket.destroy();
      return;
    }
    if (waiting.length) {
      socket.pause();
      void work();
    }
  });
};

/** Idle connections, longest first. */
class IdleConnections {
  readonly #silent = new Set<Socket>();
  readonly #known = new Set<Socket>();

  /** @param kind silent: has not sent anything or not signed in */
  add(socket: Socket, kind: 'silent' | 'known'): void {
    (kind === 'silent' ? this.#silent : this.#known).add(socket);
  }

  delete(socket: Socket): void {
    this.#silent.delete(socket);
    this.#known.delete(socket);
  }

  /** Removes and returns the one that is least missed; undefined if all are busy. */
  longest(): Socket | undefined {
    const [socket] = this.#silent.size > 0 ? this.#silent : this.#known;
    if (socket !== undefined) this.delete(socket);
    return socket;
  }
}

/** A reply as bytes; if it cannot be encoded, that is a fault of this node, and an error only for its client. */
const encodeReply = (reply: Parameters<typeof writeReply>[0], requestId: number, legacy: boolean): Buffer => {
  let bytes: Buffer;
  try {
    bytes = writeReply(reply, requestId, legacy);
  } catch (error) {
    return writeReply(
      failure(error instanceof ServerError ? error : new ServerError(1, `the reply cannot be written: ${String(error)}`)),
      requestId,
      legacy,
    );
  }
  return bytes.length > MAX_MESSAGE_BYTES
    ? writeReply(
        failure(new ServerError(10334, `the reply of ${bytes.length} bytes is larger than ${MAX_MESSAGE_BYTES}`)),
        requestId,
        legacy,
      )
    : bytes;
};
