import { randomUUID } from 'node:crypto';
import { ANY } from './append-rules.js';
import type { EventLog } from './event-log.js';
import { shuttingDown } from '../wire/faults.js';
import type { LogWriter, NewEvent } from './log-writer.js';
import { NO_BYTES } from './record.js';
import type { Scavenged } from './scavenged.js';

/** A running scavenge. */
interface Running {
  readonly id: string;
  readonly stop: AbortController;
  readonly done: Promise<Scavenged>;
}

/** Work beside appends and reads, one task at a time: scavenges and backups. */
export class Maintenance {
  private running: Running | undefined;
  private last: Promise<unknown> = Promise.resolve();
  private closed = false;

  constructor(
    private readonly log: EventLog,
    private readonly writer: LogWriter,
    private readonly now: () => number,
  ) {}

  /** Returns the running scavenge, or starts one of the segments from that one on. */
  startScavenge(fromSegment = 0): { readonly id: string; readonly started: boolean; readonly done: Promise<Scavenged> } {
    if (this.running) return { id: this.running.id, started: false, done: this.running.done };
    const id = randomUUID();
    const stop = new AbortController();
    const done = this.inTurn(() => this.scavenge(id, fromSegment, stop.signal)).finally(() => (this.running = undefined));
    // Callers that do not wait for the end, such as remote ones, find the outcome in the scavenge's stream.
    done.catch(() => undefined);
    this.running = { id, stop, done };
    return { id, started: true, done };
  }

  /** Stops the scavenge with that id after its next slice; false if there is none. */
  stopScavenge(id: string): boolean {
    if (this.running?.id !== id) return false;
    this.running.stop.abort(new Error('The scavenge was stopped.'));
    return true;
  }

  /** Writes a copy on which a node can start. @throws BackupExists, BackupFailed */
  backUp(directory: string): Promise<void> {
    return this.inTurn(() => this.log.backUp(directory));
  }

  /** Stops the scavenge and waits for a backup. */
  async close(): Promise<void> {
    this.closed = true;
    this.running?.stop.abort(shuttingDown());
    await this.last;
  }

  private inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.closed ? Promise.reject(shuttingDown()) : this.last.then(task);
    this.last = turn.catch(() => undefined);
    return turn;
  }

  /** Like the genuine server, it keeps a record of each scavenge: `$scavenges-<id>`, with links to it in `$scavenges`. */
  private async scavenge(id: string, fromSegment: number, signal: AbortSignal): Promise<Scavenged> {
    const since = performance.now();
    await this.note(id, 0, '$scavengeStarted', { scavengeId: id });
    const finish = (result: string, error: string, spaceSaved: number): Promise<void> =>
      this.note(id, 1, '$scavengeCompleted', { scavengeId: id, result, error, timeTaken: timeSpan(performance.now() - since), spaceSaved });
    try {
      await this.writer.between(() => this.log.beginSegment());
      const scavenged = await this.log.scavenge(fromSegment, this.now(), signal);
      await finish('Success', '', scavenged.bytesFreed);
      return scavenged;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // A full disk or a stopping node cannot write the record; the caller gets the outcome anyway.
      await finish(signal.aborted ? 'Stopped' : 'Failed', reason, 0).catch(() => undefined);
      throw error;
    }
  }

  private async note(id: string, revision: number, type: string, data: object): Promise<void> {
    const stream = `$scavenges-${id}`;
    await this.writer.append(stream, ANY, [event(type, true, JSON.stringify(data))]);
    await this.writer.append('$scavenges', ANY, [event('$>', false, `${revision}@${stream}`)]);
  }
}

const event = (type: string, json: boolean, data: string): NewEvent => ({
  id: randomUUID(),
  type: Buffer.from(type),
  json,
  data: Buffer.from(data),
  customMetadata: NO_BYTES,
});

/** A .NET time span: `hh:mm:ss.fff`. */
function timeSpan(milliseconds: number): string {
  const part = (value: number, digits: number): string => String(Math.floor(value)).padStart(digits, '0');
  return `${part(milliseconds / 3_600_000, 2)}:${part((milliseconds / 60_000) % 60, 2)}:${part((milliseconds / 1000) % 60, 2)}.${part(milliseconds % 1000, 3)}`;
}
