import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { DamagedLog } from './errors.js';
import { FIRST_POSITION } from './event-log.js';
import { BLOCK_BYTES, type Block, type LogIndex } from './log-index.js';
import { isSound, positionOf, type LogRecord } from './record.js';
import { logDirectory, SEGMENT_BYTES, segmentPath, syncDirectory } from './segments.js';

/** Bytes that are copied at a time. */
const COPY_BYTES = 4 * 1024 * 1024;

/**
 * Format 1 kept the records in a database `log` (position → record) of the LMDB environment that is now the index; positions, records and
 * the rest of the index are the same. The records are copied into segments, which takes about as long as reading them. The format is
 * changed last: after a crash before that, the upgrade begins anew.
 *
 * @throws DamagedLog when a record is damaged; the version that wrote the directory can then still serve the others
 */
export function upgradeFromFormat1(directory: string, index: LogIndex): void {
  rmSync(logDirectory(directory), { recursive: true, force: true });
  mkdirSync(logDirectory(directory));
  let base = FIRST_POSITION;
  let end = base;
  let file = create(directory, base);
  let copied: LogRecord[] = [];
  let blocks: Block[] = [];
  let waiting = 0;
  const copy = (): void => {
    const bytes = Buffer.concat(copied);
    for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
    index.addBlocks(blocks);
    [copied, blocks, waiting] = [[], [], 0];
  };
  const next = (): void => {
    copy();
    fsyncSync(file);
    closeSync(file);
    base = end;
    file = create(directory, base);
  };
  let lastBlock = Number.NEGATIVE_INFINITY;
  try {
    for (const { key, value: record } of index.format1Records()) {
      if (!isSound(record) || positionOf(record) !== key || key !== end)
        throw new DamagedLog(directory, `the record at position ${end} cannot be read.`);
      if (end - base + record.length > SEGMENT_BYTES) next();
      if (end === base || end - lastBlock >= BLOCK_BYTES) {
        blocks.push({ base, generation: 0, position: end, offset: end - base });
        lastBlock = end;
      }
      copied.push(record);
      end += record.length;
      waiting += record.length;
      if (waiting > COPY_BYTES) copy();
    }
    // Groups are told apart from format 2 on: they begin in a segment of their own.
    if (end > base) next();
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncDirectory(logDirectory(directory));
  index.finishUpgrade(end);
}

const create = (directory: string, base: number): number => openSync(segmentPath(directory, { base, generation: 0 }), 'w');
