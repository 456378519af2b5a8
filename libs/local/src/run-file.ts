import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How to reach a running `npm start`: `tierline.json` in its data directory, for the command line. */
export interface RunFile {
  readonly pid: number;
  readonly api: string;
  readonly eventStoreUrl: string;
  readonly mongodbUrl: string;
  /** For reporting jobs: read-only access to the read models of the embedded node. */
  readonly reportsUrl?: string;
}

const pathIn = (dataDir: string): string => join(dataDir, 'tierline.json');

/** Replaced in one step, so that nobody reads half of it. */
export async function writeRunFile(dataDir: string, content: RunFile): Promise<void> {
  const fresh = `${pathIn(dataDir)}.${process.pid}`;
  await writeFile(fresh, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await rename(fresh, pathIn(dataDir));
}

export async function removeRunFile(dataDir: string): Promise<void> {
  await rm(pathIn(dataDir), { force: true });
}

/** The run file of the last `npm start` on this directory. It may be stale: rely on it only if its process holds the directory's lock. */
export async function readRunFile(dataDir: string): Promise<RunFile | undefined> {
  try {
    return JSON.parse(await readFile(pathIn(dataDir), 'utf8')) as RunFile;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
