import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** What is wrong with a log, and the line of its uncompressed text, from 1. */
export class LogError extends Error {
  override readonly name = 'LogError';
  constructor(
    readonly line: number,
    readonly problem: string,
  ) {
    super(`line ${line}: ${problem}`);
  }
}

export interface ReadLogOptions {
  /** Called with the number of bytes read from the file on disk. */
  readonly onBytes?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * The text of a UTF-8 file, in pieces, decompressed if it begins with the mark of gzip, whatever its name. Holds only a few pieces at a
 * time.
 * @throws LogError naming the last readable line if the compressed data is cut off or damaged, or the text is not UTF-8
 */
export async function* readLogText(file: string, { onBytes, signal }: ReadLogOptions = {}): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  const decode = (bytes: Buffer): string => {
    let text: string;
    try {
      text = decoder.decode(bytes, { stream: true });
    } catch {
      throw new LogError(line + goodLines(bytes), 'the text is not UTF-8');
    }
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) line++;
    return text;
  };
  const { chunks, failure } = await openBytes(file, onBytes);
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    yield decode(chunk);
  }
  const cause = failure();
  if (cause !== undefined) {
    const how = cause.code === 'Z_BUF_ERROR' ? 'is cut off' : 'is damaged';
    throw new LogError(line, `the compressed file ${how}: it cannot be read beyond this line (${cause.message})`);
  }
  try {
    decoder.decode();
  } catch {
    throw new LogError(line, 'the log is cut off within a character');
  }
}

/**
 * The bytes of the text. A decompression failure is reported after everything that could be decompressed: it is passed through a separate
 * stream, because a failed stream discards its buffer.
 */
async function openBytes(file: string, onBytes?: (bytes: number) => void) {
  const compressed = await isGzip(file);
  const source = createReadStream(file);
  let read = 0;
  source.on('data', (chunk) => onBytes?.((read += chunk.length)));
  source.pause();
  let failure: NodeJS.ErrnoException | undefined;
  const through = new PassThrough();
  source.on('error', (error) => through.destroy(error));
  if (compressed) {
    const gunzip = createGunzip();
    gunzip.on('error', (error) => {
      failure = error;
      through.end();
    });
    source.pipe(gunzip).pipe(through);
  } else {
    source.pipe(through);
  }
  through.on('close', () => source.destroy());
  return { chunks: through as AsyncIterable<Buffer>, failure: () => failure };
}

export async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

/** Number of complete lines in a piece before its first byte that is not UTF-8. A piece may begin within a character. */
function goodLines(bytes: Buffer): number {
  let begin = 0;
  while (begin < 3 && ((bytes[begin] ?? 0) & 0xc0) === 0x80) begin++;
  const lossy = bytes.toString('utf-8', begin);
  return lossy.slice(0, Math.max(0, lossy.indexOf('\uFFFD'))).split('\n').length - 1;
}

/** Foreign text for a message: on one line, shortened. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
