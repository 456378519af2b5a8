import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * The text of a file that only its owner can read, such as a key. Created if missing, and on disk on return; of several processes that
 * start at once, all use the first one's.
 */
export async function keptSecret(file: string, make: () => string | Promise<string>): Promise<string> {
  return (await textIn(file)) ?? (await madeIn(file, await make()));
}

const KEY_BYTES = 32;

/** A key of 32 bytes, stored as a secret in hexadecimal. @throws Error if the file cannot be read or created, or has no key */
export async function keptKey(file: string): Promise<Buffer> {
  return keyOf(file, await keptSecret(file, () => randomBytes(KEY_BYTES).toString('hex')));
}

/** A key in an existing file. @throws Error if the file cannot be read, or has no key */
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
