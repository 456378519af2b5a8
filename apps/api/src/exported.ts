import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';
import { CSV, type NDJSON } from '#http';

/** Text that is sent as it is made: a file with a name where it is CSV. */
export function exported(type: typeof CSV | typeof NDJSON, name: string, text: AsyncIterable<string>): StreamableFile {
  const content = Readable.from(text, { objectMode: false });
  return new StreamableFile(
    content,
    type === CSV ? { type: `${CSV}; charset=utf-8`, disposition: `attachment; filename="${name}.csv"` } : { type },
  );
}
