import { existsSync } from 'node:fs';
import { cp, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { backUpEventStoreDB } from '@tierline/embedded-eventstoredb';
import { backUpMongoDB } from '@tierline/embedded-mongodb';
import { Complaint } from './complaint.js';

/** A part of a data directory: its place, how to recognise it, and how to copy it. */
interface Part {
  readonly what: string;
  readonly folder: string;
  readonly has: (directory: string) => boolean;
  readonly copy: (from: string, to: string) => Promise<void>;
}

/** In this order: read models must not be ahead of their log, and attachments must exist before the events that refer to them. */
const parts: readonly Part[] = [
  { what: 'MongoDB', folder: 'mongodb', has: (directory) => existsSync(join(directory, 'mongodb.mdb')), copy: backUpMongoDB },
  { what: 'EventStoreDB', folder: 'eventstoredb', has: (directory) => existsSync(join(directory, 'log')), copy: backUpEventStoreDB },
  { what: 'attachments', folder: 'attachments', has: existsSync, copy: copyFiles },
];

/**
 * Copies the data of Tierline, or of an embedded node that runs alone, while in use or stopped.
 *
 * @param directory a data directory, or the directory of one node
 * @param attachments directory of the attachments, which may be elsewhere
 * @param servers parts on separate servers, by the variable that names each: what the directory has of them is not in use
 * @throws Complaint
 */
export async function backUp(
  directory: string,
  attachments: string,
  servers: Readonly<Record<string, string>>,
  target: string,
  print: (text: string) => void,
): Promise<void> {
  const [from, to] = [resolve(directory), resolve(target)];
  const inside = relative(from, to);
  if (inside === '' || parts.some(({ folder }) => inside === folder || inside.startsWith(folder + sep)))
    throw new Complaint(`${target} is within what is to be copied.`, 'Name a directory of its own.');
  if (existsSync(to) && (!(await stat(to)).isDirectory() || (await readdir(to)).length > 0))
    throw new Complaint(`${target} is not empty.`, 'A backup needs a directory that is, or none.');
  const alone = parts.filter(({ has, folder }) => folder !== 'attachments' && has(from));
  const found = [
    ...alone.map((part) => ({ ...part, at: from, as: '' })),
    ...parts.map((part) => ({
      ...part,
      at: part.folder === 'attachments' ? resolve(attachments) : join(from, part.folder),
      as: part.folder,
    })),
  ].filter(({ has, at, what }) => has(at) && servers[what] === undefined);
  if (found.length === 0) throw new Complaint(`There is no data in ${directory}.`, 'DATA_DIR or --dir names the directory of the data.');
  for (const [what, variable] of Object.entries(servers))
    print(`${what.padEnd(12)}  not copied: ${variable} names a server, which has means of its own\n`);
  const partial = `${to}.partial`;
  try {
    await rm(partial, { recursive: true, force: true });
    if (alone.length === 0) await mkdir(partial, { recursive: true });
    for (const { what, at, as, copy } of found) {
      const began = performance.now();
      await copy(at, join(partial, as));
      print(
        `${what.padEnd(12)}  ${((await sizeOf(join(partial, as))) / 1024 / 1024).toFixed(1)} MiB, ${((performance.now() - began) / 1000).toFixed(1)} s\n`,
      );
    }
    await rm(to, { recursive: true, force: true });
    await rename(partial, to);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw new Complaint(`The backup failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  print(`The copy is ${to}\nKeys are not in it: keep them apart. Personal data cannot be read without PERSONAL_KEY_FILE.\n`);
}

/** Unfinished uploads are left out: no event refers to them. */
async function copyFiles(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, filter: (path) => basename(path) !== 'incoming' });
  for (const path of await filesIn(to)) {
    const file = await open(path, 'r+');
    await file.sync().finally(() => file.close());
  }
}

async function filesIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

async function sizeOf(directory: string): Promise<number> {
  let size = 0;
  for (const path of await filesIn(directory)) size += (await stat(path)).size;
  return size;
}
