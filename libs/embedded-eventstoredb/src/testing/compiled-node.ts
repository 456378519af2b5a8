import { spawn, type ChildProcess } from 'node:child_process';
import { compilePackages } from '../../../../test/compiled-packages.js';

/** This package as plain JavaScript, for specs that need it in another process or in a worker thread. */
export function compileLibrary(): { readonly entry: string; remove(): void } {
  const { entry, remove } = compilePackages();
  return { entry: entry('embedded-eventstoredb'), remove };
}

export interface NodeProcess {
  readonly port: number;
  readonly pid: number;
  /** Resolves when the process is gone. */
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
}

/**
 * Starts a node in a separate process; rejects with its message if it does not start. Its files are limited to `fileBlocks` times 512
 * bytes, beyond which a write fails as on a full disk.
 */
export function startNodeProcess(
  entry: string,
  options: { directory: string; port: number; thread: boolean },
  fileBlocks: number | 'unlimited' = 'unlimited',
): Promise<NodeProcess> {
  const script = `
    import { startEmbeddedEventStoreDB } from ${JSON.stringify(entry)};
    try {
      const node = await startEmbeddedEventStoreDB(${JSON.stringify(options)});
      process.on('SIGTERM', () => node.close().then(() => process.exit(0)));
      console.log(JSON.stringify({ port: node.port }));
    } catch (error) {
      console.log(JSON.stringify({ code: error.code, message: error.message }));
    }`;
  const child: ChildProcess = spawn(
    'sh',
    ['-c', `ulimit -f ${fileBlocks} && exec "$0" "$@"`, process.execPath, '--input-type=module', '-e', script],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', (line: Buffer) => {
      const said = JSON.parse(line.toString('utf8')) as { port?: number; code?: string; message?: string };
      if (said.port === undefined) return reject(Object.assign(new Error(said.message), { code: said.code }));
      const kill = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
        child.kill(signal);
        await exited;
      };
      resolve({ port: said.port, pid: child.pid as number, kill });
    });
    void exited.then(() => reject(new Error('the node process ended before it listened')));
  });
}
