import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * The text of a file that only its owner reads, such as a key. Made where there is none, and on disk when it returns; of several processes that start
 * at once, all take what the first one made.
 */
export async function keptSecret(file: string, make: () => string | Promise<string>): Promise<string> {
  return (await textIn(file)) ?? (await madeIn(file, await make()));
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
