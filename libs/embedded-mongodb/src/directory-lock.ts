import { createHash } from 'node:crypto';
import { realpathSync, rmSync, statSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory that another node, in this process or in another one, has open. */
export class DirectoryHeldError extends Error {
  /** Stable: tells this error from others. */
  readonly code = 'EMBEDDED_MONGODB_DIRECTORY_HELD';
  override readonly name = 'DirectoryHeldError';

  constructor(
    readonly directory: string,
    /** The process that holds it, where it could be asked. */
    readonly pid: number | undefined,
  ) {
    super(`the data directory ${directory} is held by ${pid === undefined ? 'another process' : pid === process.pid ? `this process (pid ${pid})` : `process ${pid}`}`);
  }
}

/**
 * The name of the lock: a socket that the system itself takes away when the process dies, however it dies. On Linux it
 * lives in no file system, on Windows it is a pipe; elsewhere it is a socket file whose liveness is asked by connecting.
 * The directory is named by its device and inode, so two paths to it are one lock.
 */
const endpointOf = (directory: string): { readonly path: string; readonly file: boolean } => {
  const { dev, ino } = statSync(directory, { bigint: true });
  const identity = ino === 0n ? createHash('sha256').update(realpathSync(directory)).digest('hex').slice(0, 24) : `${dev}-${ino}`;
  if (process.platform === 'linux') return { path: `\0embedded-mongodb-${identity}`, file: false };
  if (process.platform === 'win32') return { path: `\\\\.\\pipe\\embedded-mongodb-${identity}`, file: false };
  return { path: join(tmpdir(), `embedded-mongodb-${identity}.sock`), file: true };
};

const holderOf = (path: string): Promise<{ readonly alive: boolean; readonly pid: number | undefined }> =>
  new Promise((resolve) => {
    const socket = createConnection(path);
    let text = '';
    socket.setTimeout(1000, () => socket.destroy());
    socket.on('data', (data) => (text += data.toString()));
    socket.on('error', () => resolve({ alive: false, pid: undefined }));
    socket.on('close', () => resolve({ alive: true, pid: /^\d+\n/.test(text) ? Number.parseInt(text) : undefined }));
  });

/**
 * Takes a directory for this node alone, until it is released or the process ends.
 *
 * @throws DirectoryHeldError where it is taken
 */
export const lockDirectory = async (directory: string): Promise<{ release(): Promise<void> }> => {
  const { path, file } = endpointOf(directory);
  for (let attempt = 0; ; attempt++) {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(`${process.pid}\n`);
    });
    if (await listening(server, path)) {
      server.unref();
      return {
        release: () =>
          new Promise((resolve) => {
            server.close(() => resolve());
          }),
      };
    }
    const { alive, pid } = await holderOf(path);
    if (alive || attempt > 2) throw new DirectoryHeldError(directory, pid);
    if (file) rmSync(path, { force: true });
  }
};

const listening = (server: Server, path: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)));
    server.listen({ path, exclusive: true }, () => resolve(true));
  });
