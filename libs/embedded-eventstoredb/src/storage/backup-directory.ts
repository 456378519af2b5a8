import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { copyLog } from './backup.js';
import { BackupFailed } from './errors.js';
import { EventLog } from './event-log.js';
import { LogIndex } from './log-index.js';
import { logDirectory, segmentOf, type Segment } from './segments.js';

const ATTEMPTS = 3;

/**
 * Copies the log of a directory, whether or not a node of this machine runs on it, into a directory that is empty or does not exist. The
 * copy includes everything acknowledged before the call, and is opened once before it gets its name, so a node can be started on it.
 * Appends and reads continue meanwhile. If a scavenge changes files during the copy, it starts over.
 *
 * @throws BackupExists, BackupFailed
 */
export async function backUpEventStoreDB(directory: string, to: string): Promise<void> {
  const [from, target] = [resolve(directory), resolve(to)];
  if (!existsSync(logDirectory(from))) throw new BackupFailed(target, `there is no event log in ${from}`);
  for (let attempt = 1; ; attempt++) {
    const before = readdirSync(logDirectory(from)).filter((name) => segmentOf(name) !== undefined);
    try {
      return await copyLog(
        from,
        target,
        (partial) => LogIndex.copyOf(from, partial),
        () => segmentsIn(from),
        // A write during the copy may have been copied partly: a start cuts off the last one, and refuses a gap before it.
        async (partial) => {
          // A scavenge replaces each file that it changes.
          if (!before.every((name) => existsSync(join(logDirectory(from), name)))) throw new Error('a scavenge changed the log meanwhile');
          await EventLog.open(partial).close();
        },
      );
    } catch (error) {
      if (!(error instanceof BackupFailed) || attempt === ATTEMPTS || outOfSpace(error.cause)) throw error;
    }
  }
}

/** Lists the names first and then the lengths: all files but the last then have their final length. */
function segmentsIn(directory: string): readonly Segment[] {
  const found = readdirSync(logDirectory(directory)).flatMap((name) => segmentOf(name) ?? []);
  return found
    .sort((a, b) => a.base - b.base || a.generation - b.generation)
    .map((segment) => ({ ...segment, bytes: statSync(join(logDirectory(directory), segment.name)).size }));
}

const outOfSpace = (cause: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException | undefined)?.code ?? '');
