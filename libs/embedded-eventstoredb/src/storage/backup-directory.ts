import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { copyLog } from './backup.js';
import { BackupFailed } from './errors.js';
import { EventLog } from './event-log.js';
import { LogIndex } from './log-index.js';
import { logDirectory, segmentOf, type Segment } from './segments.js';

const ATTEMPTS = 3;

/**
 * Copies the log of a directory, whether a node of this machine runs on it or not, into a directory that is empty or does not exist. The copy
 * has everything that was acknowledged before the call, and has been opened once before it gets its name: a node can be started on it.
 * Appends and reads go on meanwhile. A scavenge that changes the files under the copy makes it begin anew.
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
        // What was being written while it was read may have come in parts: a start cuts off the last one, and refuses a gap before it.
        async (partial) => {
          // A scavenge puts another file in the place of each that it changes.
          if (!before.every((name) => existsSync(join(logDirectory(from), name)))) throw new Error('a scavenge changed the log meanwhile');
          await EventLog.open(partial).close();
        },
      );
    } catch (error) {
      if (!(error instanceof BackupFailed) || attempt === ATTEMPTS || outOfSpace(error.cause)) throw error;
    }
  }
}

/** The names first and then how long the files are: what is not the last of them has its length by then. */
function segmentsIn(directory: string): readonly Segment[] {
  const found = readdirSync(logDirectory(directory)).flatMap((name) => segmentOf(name) ?? []);
  return found
    .sort((a, b) => a.base - b.base || a.generation - b.generation)
    .map((segment) => ({ ...segment, bytes: statSync(join(logDirectory(directory), segment.name)).size }));
}

const outOfSpace = (cause: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException | undefined)?.code ?? '');
