import { randomUUID } from 'node:crypto';
import type { Commit } from '../storage/event-log.js';
import { handlerThrew, streamDeleted } from '../wire/faults.js';
import { kindOf, MARK, positionOf, revisionOf, TOMBSTONE, type LogRecord } from '../storage/record.js';
import { caughtUpMessage, checkpointMessage, confirmationMessage, fellBehindMessage } from './read-messages.js';
import type { ReadRequest } from './read-request.js';
import { PAGE, roomToWrite, type ReadCall, type ReadContext } from './read-call.js';
import { isMissing, isTombstoned, lowestVisible } from '../storage/visible-events.js';

/** What a subscription follows: first history in pages, then each commit. */
interface Followed {
  /** Writes the next page of history; false if there was none left. Throws errors that end the subscription. */
  page(): boolean;
  /** Whether there is history to catch up with; otherwise the subscription waits for the first commit with some. */
  ready(): boolean;
  live(commit: Commit): void;
}

/** A live subscriber with this many unread messages returns to reading pages from the log at its own pace. */
const MOST_UNREAD = 1024;

/**
 * Confirmation, history, caught_up, live. A subscriber that does not read costs no memory: in history, the next page waits until it has
 * taken the last one; a live subscriber that falls behind is notified and reads from the log again.
 */
async function follow({ log }: ReadContext, call: ReadCall, followed: Followed): Promise<void> {
  call.write(confirmationMessage(randomUUID()));
  for (;;) {
    while (!followed.ready()) if (!(await nextCommit(log.onCommit.bind(log), call))) return;
    while (followed.page()) if (!(await roomToWrite(call))) return;
    // Nothing can be committed from here to `onCommit`: it is all one turn of the event loop.
    call.write(caughtUpMessage());
    if (!(await liveUntilBehind(log.onCommit.bind(log), call, followed))) return;
    call.write(fellBehindMessage());
    if (!(await roomToWrite(call))) return;
  }
}

type OnCommit = (listener: (commit: Commit) => void) => () => void;

/** Resolves with true after a commit, with false when the call has ended. */
function nextCommit(onCommit: OnCommit, call: ReadCall): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (result: boolean): void => {
      stop();
      call.off('cancelled', over);
      call.off('close', over);
      resolve(result);
    };
    const over = (): void => done(false);
    const stop = onCommit(() => done(true));
    call.on('cancelled', over);
    call.on('close', over);
    if (call.cancelled || call.destroyed) over();
  });
}

/** Sends commits as they arrive. Resolves with true if the client has fallen behind, with false when the call has ended. */
function liveUntilBehind(onCommit: OnCommit, call: ReadCall, followed: Followed): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      stop();
      call.off('cancelled', over);
      call.off('close', over);
      settle();
    };
    const over = (): void => finish(() => resolve(false));
    const stop = onCommit((commit) => {
      if (call.writableLength > MOST_UNREAD) return finish(() => resolve(true));
      try {
        followed.live(commit);
      } catch (error) {
        finish(() => reject(error as Error));
      }
    });
    call.on('cancelled', over);
    call.on('close', over);
    if (call.cancelled || call.destroyed) over();
  });
}

type Message = (record: LogRecord) => Buffer;

export async function subscribeToStream(
  context: ReadContext,
  call: ReadCall,
  request: ReadRequest & { kind: 'subscribe-stream' },
  message: Message,
): Promise<void> {
  const { log, now } = context;
  const { stream: name, start } = request;
  if (start !== 'end' && isTombstoned(log, log.stream(name))) throw streamDeleted(name);
  let next = start === 'start' ? 0 : start === 'end' ? log.stream(name).lastRevision + 1 : start + 1;
  let fromEnd = start === 'end';
  await follow(context, call, {
    ready: () => fromEnd || !isMissing(log.stream(name)) || log.stream(name).tombstoned,
    page() {
      const stream = log.stream(name);
      // A subscription that starts at the end is live immediately, whatever happened to the stream before.
      if (fromEnd) return (fromEnd = false);
      if (isTombstoned(log, stream)) throw streamDeleted(name);
      const records = log.readStream(
        stream.number,
        next,
        { lowest: lowestVisible(log, stream, now()), highest: stream.lastRevision },
        PAGE,
        false,
      );
      for (const record of records) call.write(message(record));
      const last = records.at(-1);
      if (last) next = revisionOf(last) + 1;
      return last !== undefined;
    },
    live(commit) {
      for (const [index, record] of commit.records.entries()) {
        if (commit.streams[index] !== name || revisionOf(record) < next) continue;
        call.write(message(record));
        if (kindOf(record) === TOMBSTONE) throw streamDeleted(name);
        next = revisionOf(record) + 1;
      }
    },
  });
}

export async function subscribeToAll(
  context: ReadContext,
  call: ReadCall,
  request: ReadRequest & { kind: 'subscribe-all' },
  message: Message,
): Promise<void> {
  const { log } = context;
  const { start, filter } = request;
  const given = start === 'start' ? 0 : start === 'end' ? log.end : Math.min(start.commit, log.end);
  if (!log.isBoundary(given)) throw handlerThrew();
  // The start is exclusive. A checkpoint without a prepare position is before the event at its commit position.
  const exclusive = typeof start === 'object' && start.commit === start.prepare && start.commit < log.end;
  let next = given;
  const checkpoints = new Checkpoints(filter ? Math.max(1, filter.pageSize) : Infinity, filter?.pages ?? 1);

  await follow(context, call, {
    ready: () => true,
    page() {
      const records = log.readAll(next, PAGE);
      for (const record of records) {
        if (kindOf(record) === MARK || (exclusive && positionOf(record) === given)) continue;
        const matches = !filter || filter.matches(record);
        if (matches) call.write(message(record));
        const checkpoint = checkpoints.considerHistory(positionOf(record), matches);
        if (checkpoint) call.write(checkpoint);
      }
      const last = records.at(-1);
      if (last) next = positionOf(last) + last.length;
      if (last === undefined) checkpoints.endHistory();
      return last !== undefined;
    },
    live(commit) {
      for (const record of commit.records) {
        if (positionOf(record) < next) continue;
        const matches = !filter || filter.matches(record);
        if (matches) call.write(message(record));
        const checkpoint = checkpoints.considerLive(positionOf(record));
        if (checkpoint) call.write(checkpoint);
      }
      next = Math.max(next, commit.end);
    },
  });
}

/**
 * When a filtered subscription gets a checkpoint: after every `pageSize × pages` events read. History is read in pages; the checkpoint of a
 * page names its last matching event, or, if there was none, its first event with prepare position 0. Live, each event counts as a page.
 */
export class Checkpoints {
  private readonly interval: number;
  private considered = 0;
  private inPage = 0;
  private pageStart = 0;
  private lastMatch: number | undefined;

  constructor(
    private readonly pageSize: number,
    pages: number,
  ) {
    this.interval = pageSize * pages;
  }

  considerHistory(position: number, matches: boolean): Buffer | undefined {
    if (this.pageSize === Infinity) return undefined;
    if (this.inPage++ === 0) this.pageStart = position;
    if (matches) this.lastMatch = position;
    if (this.inPage < this.pageSize) return undefined;
    this.considered += this.inPage;
    const checkpoint =
      this.lastMatch === undefined ? checkpointMessage(this.pageStart, 0) : checkpointMessage(this.lastMatch, this.lastMatch);
    this.inPage = 0;
    this.lastMatch = undefined;
    if (this.considered < this.interval) return undefined;
    this.considered %= this.interval;
    return checkpoint;
  }

  /** The last, incomplete page counts too. */
  endHistory(): void {
    this.considered += this.inPage;
    this.inPage = 0;
    this.lastMatch = undefined;
  }

  considerLive(position: number): Buffer | undefined {
    if (++this.considered < this.interval) return undefined;
    this.considered = 0;
    return checkpointMessage(position, position);
  }
}
