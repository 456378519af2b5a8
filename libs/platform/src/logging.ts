import { AsyncLocalStorage } from 'node:async_hooks';
import type { LoggerService } from '@nestjs/common';
import { destination, type DestinationStream, type Logger as Pino, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from './config.js';
import { spelledOut } from './terminal.js';

/** Links a log line to its request. */
export interface Correlation {
  readonly correlationId: string;
  readonly causationId?: string;
}

const current = new AsyncLocalStorage<Correlation>();

/** Runs something, and everything that it starts, with these ids in each log line. */
export function withCorrelation<Result>(correlation: Correlation, run: () => Result): Result {
  return current.run(correlation, run);
}

/** Nest's messages about every module and route that it sets up. */
const STARTING_UP: ReadonlySet<string> = new Set(['NestFactory', 'InstanceLoader', 'RoutesResolver', 'RouterExplorer', 'NestApplication']);

/** The process's log: JSON lines with time, level, message and the ids of the request. It is pino (`log.pino`), and Nest's logger too. */
export class JsonLog implements LoggerService {
  constructor(readonly pino: Pino) {}

  info(fields: object, message: string): void {
    this.pino.info(fields, message);
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.#write(STARTING_UP.has(String(rest.at(-1))) ? 'debug' : 'info', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.#write('fatal', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    // Nest also throws if it cannot listen: the starter then says what to do.
    this.#write(rest.at(-1) === 'NestApplication' ? 'debug' : 'error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.#write('warn', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.#write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.#write('trace', message, rest);
  }

  /** Nest calls (message, …more, context); code here calls (fields, message), like pino. */
  #write(level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace', message: unknown, rest: readonly unknown[]): void {
    if (message instanceof Error) {
      this.pino[level]({ err: message, context: rest.at(-1) }, message.message);
    } else if (typeof message === 'object' && message !== null) {
      this.pino[level](message, typeof rest[0] === 'string' ? rest[0] : undefined);
    } else {
      const context = typeof rest.at(-1) === 'string' ? rest.at(-1) : undefined;
      const more = context === undefined ? rest : rest.slice(0, -1);
      this.pino[level]({ ...(context === undefined ? {} : { context }), ...(more.length === 0 ? {} : { more }) }, String(message));
    }
  }
}

/** Standard error, written by the logging thread: output through the main thread is lost if that ends first. */
export const standardError = (): DestinationStream => destination({ dest: 2, sync: true });

/** @param to default: standard output */
export function createLog(level: LogLevel, to?: DestinationStream): JsonLog {
  const options = {
    level,
    base: null,
    messageKey: 'message',
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    mixin: () => current.getStore() ?? {},
    hooks: { streamWrite: spelledOut },
  };
  return new JsonLog(to === undefined ? pino(options) : pino(options, to));
}
