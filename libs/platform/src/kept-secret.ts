import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * The text of a file that only its owner reads, such as a key. Made where there is none, and on disk when it returns; of several processes that start
 * at once, all take what the first one made.
 */
export async function keptSecret(file: string, make: () => string | Promise<string>): Promise<string> {
  return (await textIn(file)) ?? (await madeIn(file, await make()));
}

const KEY_BYTES = 32;

/** A key of 32 bytes, kept as a secret in hexadecimal. @throws Error when the file cannot be read or made, or holds no key */
export async function keptKey(file: string): Promise<Buffer> {
  return keyOf(file, await keptSecret(file, () => randomBytes(KEY_BYTES).toString('hex')));
}

/** A key in a file that has to be there. @throws Error when the file cannot be read, or holds no key */
export async function keyIn(file: string): Promise<Buffer> {
  return keyOf(file, await readFile(file, 'utf8'));
}

function keyOf(file: string, text: string): Buffer {
  const key = Buffer.from(text.trim(), 'hex');
  if (key.length !== KEY_BYTES) throw new Error(`${file} holds no key: ${KEY_BYTES} bytes in hexadecimal`);
  return key;
}

async function textIn(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Linked in one step, so that nobody reads half of it. */
async function madeIn(file: string, text: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.${randomUUID()}`;
  try {
    const handle = await open(fresh, 'wx', 0o600);
    try {
      await handle.writeFile(`${text}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(fresh, file).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(fresh, { force: true });
  }
  const kept = await textIn(file);
  if (kept === undefined) throw new Error(`${file} was removed`);
  return kept;
}
