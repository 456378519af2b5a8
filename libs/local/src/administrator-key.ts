import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** The administrator's key that `npm start` stores in its data directory; undefined if there is none. */
export async function administratorKeyIn(dataDir: string): Promise<string | undefined> {
  try {
    return (await readFile(join(resolve(dataDir), 'admin.token'), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
