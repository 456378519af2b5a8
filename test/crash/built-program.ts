import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { RunFile } from '#local';
import { PATIENCE_MS } from '../eventually.js';

/** The top of the repository. */
export const root = resolve(import.meta.dirname, '../..');

/**
 * Builds what these tests run as real processes; little is done when it is up to date. Test files run side by side, so one builds and
 * the others wait.
 */
export async function build(): Promise<void> {
  const lock = join(root, 'node_modules', '.tierline-test-build-by');
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (isLeftIn(lock)) rmSync(lock, { force: true });
      else await pause(100);
    }
  }
  try {
    const built = spawnSync(process.execPath, ['bin/build-newer.js'], { cwd: root, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`the build failed:\n${built.stderr}`);
  } finally {
    rmSync(lock);
  }
}

/** Whether a lock was left by a run that was killed. */
function isLeftIn(lock: string): boolean {
  try {
    // Just made, it names nobody yet.
    const pid = Number(readFileSync(lock, 'utf8'));
    return pid > 0 && !process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

type Environment = Readonly<Record<string, string>>;

/** The environment of a child: nothing configured but what is given, and any free ports, so that tests can run side by side. */
function environment(given: Environment): NodeJS.ProcessEnv {
  const configured = new Set([
    'HOST',
    'PORT',
    'DATA_DIR',
    'TIERLINE_EVENTSTORE_URL',
    'TIERLINE_MONGODB_URL',
    'EVENTSTORE_URL',
    'MONGODB_URL',
    'LOG_LEVEL',
    'API_URL',
    'NODE_OPTIONS',
    'FORCE_COLOR',
  ]);
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !configured.has(name)));
  // A CI environment makes colours appear where no terminal is.
  return {
    ...inherited,
    NO_COLOR: '1',
    PORT: '0',
    EMBEDDED_EVENTSTOREDB_PORT: '0',
    EMBEDDED_MONGODB_PORT: '0',
    LOG_LEVEL: 'warn',
    ...given,
  };
}

/** A process and what it has said so far. */
export class Program {
  stdout = '';
  stderr = '';
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;

  private constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.exited = once(child, 'close').then(([code, signal]) => ({ code: code as number | null, signal: signal as NodeJS.Signals | null }));
  }

  /** What `npm start` runs. */
  static standalone(env: Environment): Program {
    return new Program(
      spawn(process.execPath, ['bin/start.js'], {
        cwd: root,
        env: environment(env),
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }

  /** What `npx tierline` runs. */
  static tierline(args: readonly string[], env: Environment): Program {
    return new Program(
      spawn(process.execPath, ['bin/tierline.js', ...args], { cwd: root, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] }),
    );
  }

  /** The worker alone, beside stores that run elsewhere. */
  static worker(env: Environment): Program {
    return new Program(
      spawn(process.execPath, ['dist/bundled/apps/worker/src/main.js'], {
        cwd: root,
        env: environment(env),
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Waits until it says in its data directory where it is. */
  async ready(dataDir: string): Promise<RunFile> {
    const until = performance.now() + PATIENCE_MS;
    while (this.child.exitCode === null && this.child.signalCode === null && performance.now() < until) {
      const found = runFileIn(dataDir);
      if (found?.pid === this.pid) return found;
      await pause(20);
    }
    throw new Error(`it did not start:\n${this.stdout}${this.stderr}`);
  }

  async end(signal: NodeJS.Signals): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
    this.child.kill(signal);
    return this.exited;
  }
}

export function runFileIn(dataDir: string): RunFile | undefined {
  try {
    return JSON.parse(readFileSync(join(dataDir, 'tierline.json'), 'utf8')) as RunFile;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The header that asks as the administrator whose key `npm start` left in its data directory. */
export function keyIn(dataDir: string): { readonly Authorization: string } {
  return { Authorization: `Bearer ${readFileSync(join(dataDir, 'admin.token'), 'utf8').trim()}` };
}

/** The body of a ticket that needs nothing in particular. */
export const opening = {
  client: 'northwind',
  kind: 'incident',
  summary: 's',
  reporter: { id: 'j' },
  channel: 'phone',
  impact: 'low',
  urgency: 'low',
};
