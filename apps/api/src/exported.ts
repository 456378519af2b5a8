import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';
import { FORMATS, type FormatName } from '#exports';

/** Sends content as it is produced: as a named file, except for lines of JSON. */
export function exported(format: FormatName, name: string, content: AsyncIterable<string | Uint8Array>): StreamableFile {
  const { mediaType } = FORMATS[format];
  const type = mediaType.startsWith('text/') ? `${mediaType}; charset=utf-8` : mediaType;
  const file = format === 'ndjson' ? {} : { disposition: `attachment; filename="${name}.${format}"` };
  return new StreamableFile(Readable.from(content, { objectMode: false }), { type, ...file });
}
