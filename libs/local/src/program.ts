import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type Config, ConfigError, createLog, type JsonLog, loadConfig, standardError, terminal } from '#platform';
import { CannotStart } from './cannot-start.js';
import type { Closable } from './opening.js';

/** A program that has started. Its additional fields can be cloned. */
export interface Running extends Closable {
  /** The URL of its HTTP server, if any. */
  readonly url?: string;
}

/** Input of a thread. */
export interface ThreadData {
  readonly config: Config;
  readonly options: object;
}

/** First message of a thread. */
export type ThreadMessage = { readonly up: object } | { readonly cannotStart: string };

/** @throws CannotStart, ConfigError */
export type Start<Options extends object, Up extends Running> = (config: Config, log: JsonLog, options: Partial<Options>) => Promise<Up>;

export interface ProgramOutput<Up extends Running> {
  /** Where the log of the process goes; that of a thread goes to standard error. */
  readonly log: NodeJS.WriteStream;
  /** What the process prints on standard output once it has started. */
  readonly banner?: (up: Up, config: Config) => string;
}

/**
 * The `main.ts` of an app: starts, runs, and closes on request. A process is configured by the environment and controlled by signals; a
 * thread by the program that started it.
 */
export async function runProgram<Options extends object, Up extends Running>(
  start: Start<Options, Up>,
  output: ProgramOutput<Up>,
): Promise<void> {
  if (parentPort !== null) return runThread(start, parentPort);
  try {
    await runProcess(start, output);
  } catch (error) {
    terminal(process.stderr).print(
      `${isExplained(error) ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exit(1);
  }
}

/** Whether the message of an error says what to do. */
const isExplained = (error: unknown): error is Error => error instanceof ConfigError || error instanceof CannotStart;

async function runThread<Options extends object, Up extends Running>(start: Start<Options, Up>, port: MessagePort): Promise<void> {
  const { config, options } = workerData as ThreadData;
  let running: Up;
  try {
    running = await start(config, createLog(config.logLevel, standardError()), options);
  } catch (error) {
    // Only the message is passed to the starter of the thread: an error loses its class on the way.
    if (!isExplained(error)) throw error;
    port.postMessage({ cannotStart: error.message } satisfies ThreadMessage);
    return;
  }
  const { close, ...up } = running;
  // The port keeps the thread alive.
  port.once('message', () => void close().finally(() => port.close()));
  port.postMessage({ up } satisfies ThreadMessage);
}

/** One Ctrl-C arrives twice if npm is in between: from the terminal, and forwarded by npm. */
const SAME_KEYSTROKE_MS = 500;

/** How long closing may take, in milliseconds. */
const CLOSE_WITHIN_MS = 15_000;

async function runProcess<Options extends object, Up extends Running>(start: Start<Options, Up>, output: ProgramOutput<Up>): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLog(config.logLevel, output.log);

  const starting = start(config, log, {});
  let ending: Promise<never> | undefined;
  let toldToStopAt: number | undefined;
  const end = async (code: number): Promise<never> => {
    const forced = setTimeout(() => {
      log.error({ afterMs: CLOSE_WITHIN_MS }, 'could not stop in time');
      process.exit(1);
    }, CLOSE_WITHIN_MS);
    forced.unref();
    try {
      await (await starting).close();
    } catch (error) {
      log.error({ err: error }, 'could not stop in order');
      process.exit(1);
    }
    log.info({}, 'stopped');
    process.exit(code);
  };

  // A process in an unknown state must stop writing: its supervisor restarts it, and nothing acknowledged is lost.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, event === 'uncaughtException' ? 'uncaught exception' : 'unhandled rejection');
      ending ??= end(1);
    });
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (toldToStopAt === undefined) {
        toldToStopAt = Date.now();
        log.info({ signal }, 'stopping');
        ending ??= end(0);
      } else if (Date.now() - toldToStopAt > SAME_KEYSTROKE_MS) {
        log.warn({ signal }, 'second signal: ending at once');
        process.exit(1);
      }
    });
  }

  const running = await starting;
  if (output.banner !== undefined) terminal(process.stdout).print(output.banner(running, config));
  log.info({ ...(running.url === undefined ? {} : { url: running.url }), pid: process.pid }, 'started');
}
