import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogCase } from './log-case.js';

/** Characters that are held in memory before they are written. */
const CHUNK = 1 << 20;

/**
 * Keeps checked cases on disk until the whole log is known to be good. What is imported is thus what was checked, even when the file of
 * the log changes meanwhile; and reading it back takes a quarter of the time of reading XES once more.
 */
export class CaseSpool {
  #held = '';

  private constructor(private readonly file: FileHandle) {}

  /** The file has no name any more from the beginning, so that nothing of it is left behind, not even by a crash. */
  static async open(): Promise<CaseSpool> {
    const path = join(tmpdir(), `tierline-import-${randomUUID()}`);
    const file = await open(path, 'wx+', 0o600);
    await unlink(path);
    return new CaseSpool(file);
  }

  async add(one: LogCase): Promise<void> {
    this.#held += `${JSON.stringify(one)}\n`;
    if (this.#held.length >= CHUNK) await this.#flush();
  }

  /** All cases, in the order in which they were added. Nothing may be added after that. */
  async *cases(): AsyncGenerator<LogCase> {
    await this.#flush();
    let rest = '';
    for await (const chunk of this.file.createReadStream({ start: 0, encoding: 'utf8', autoClose: false, highWaterMark: CHUNK })) {
      const lines = (rest + (chunk as string)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as LogCase;
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  async #flush(): Promise<void> {
    const text = this.#held;
    this.#held = '';
    await this.file.appendFile(text);
  }
}
