import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CannotStart } from '#local';

const BYTES = 32;

/**
 * The key that cursors are signed with; made where there is none. API processes that share the file take each other's cursors.
 * @throws CannotStart
 */
export async function cursorKeyIn(file: string): Promise<Buffer> {
  try {
    return (await keyIn(file)) ?? (await madeIn(file));
  } catch (error) {
    if (error instanceof CannotStart) throw error;
    throw new CannotStart(
      `The key of cursors cannot be kept (${(error as Error).message}). Set CURSOR_KEY_FILE to a file that can be written.`,
      {
        cause: error,
      },
    );
  }
}

async function keyIn(file: string): Promise<Buffer | undefined> {
  try {
    const text = (await readFile(file, 'utf8')).trim();
    if (/^[0-9a-f]{64}$/.test(text)) return Buffer.from(text, 'hex');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  throw new CannotStart(`${file} holds no key of cursors: ${BYTES} bytes in hexadecimal. Remove it, and one is made.`);
}

/** Linked in one step: of several processes that start at once, all take the key of the first. */
async function madeIn(file: string): Promise<Buffer> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.${randomUUID()}`;
  await writeFile(fresh, `${randomBytes(BYTES).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    await link(fresh, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(fresh, { force: true });
  }
  const key = await keyIn(file);
  if (key === undefined) throw new Error(`${file} was removed`);
  return key;
}
