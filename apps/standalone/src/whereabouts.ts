import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where a running `npm start` can be reached, kept in its data directory for the command line to find. */
export interface Whereabouts {
  readonly pid: number;
  readonly api: string;
  readonly eventStoreUrl: string;
  readonly mongodbUrl: string;
}

const fileIn = (dataDir: string): string => join(dataDir, 'tierline.json');

/** Replaced in one step, so that nobody reads half of it. */
export async function leaveWhereabouts(dataDir: string, whereabouts: Whereabouts): Promise<void> {
  const fresh = `${fileIn(dataDir)}.${process.pid}`;
  await writeFile(fresh, `${JSON.stringify(whereabouts, null, 2)}\n`);
  await rename(fresh, fileIn(dataDir));
}

export async function removeWhereabouts(dataDir: string): Promise<void> {
  await rm(fileIn(dataDir), { force: true });
}

/**
 * What the last `npm start` on this directory has left. It may have been killed since: ask for it only when that process is known to
 * hold the directory.
 */
export async function readWhereabouts(dataDir: string): Promise<Whereabouts | undefined> {
  try {
    return JSON.parse(await readFile(fileIn(dataDir), 'utf8')) as Whereabouts;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
