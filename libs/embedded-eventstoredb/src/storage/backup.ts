import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BackupExists } from '@tierline/embedded-host';
import { BackupFailed } from './errors.js';
import { logDirectory, segmentPath, syncDirectory, type Segment } from './segments.js';

/**
 * Copies a log from which nothing is removed meanwhile: first the index, which may lag behind, then the segments up to their current
 * length. The copy has another name until it is on disk and verified.
 *
 * @throws BackupExists, BackupFailed
 */
export async function copyLog(
  from: string,
  to: string,
  copyIndex: (directory: string) => Promise<void>,
  segments: () => readonly Segment[],
  check?: (partial: string) => Promise<void>,
): Promise<void> {
  const partial = `${to}.partial`;
  if (existsSync(to) && (!statSync(to).isDirectory() || readdirSync(to).length > 0)) throw new BackupExists(to);
  try {
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(logDirectory(partial), { recursive: true });
    await copyIndex(partial);
    for (const segment of segments()) {
      const target = segmentPath(partial, segment);
      // An empty range cannot be expressed.
      if (segment.bytes === 0) writeFileSync(target, '');
      else
        await pipeline(
          createReadStream(segmentPath(from, segment), { end: segment.bytes - 1, highWaterMark: 1024 * 1024 }),
          createWriteStream(target),
        );
      await flush(target);
    }
    await check?.(partial);
    syncDirectory(logDirectory(partial));
    syncDirectory(partial);
    rmSync(to, { recursive: true, force: true });
    renameSync(partial, to);
    syncDirectory(dirname(to));
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw new BackupFailed(to, error instanceof Error ? error.message.replace(/\.$/, '') : String(error), error);
  }
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
