import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type EventStore, instantFrom, isRefusal } from '#eventsourcing';
import type { Principal } from '#ticketing';
import { asOperator, findCredential, issueCredential, issueLink } from '#ticketing-app';

/** Opens everything, and may act on behalf of others. */
const ADMINISTRATOR: Principal = {
  kind: 'service',
  id: 'administrator',
  name: 'Administrator',
  roles: ['administrator'],
  clients: 'all',
  tiers: 'all',
  teams: [],
  onBehalfOf: true,
};

/**
 * Stores a key of an administrator in `admin.token` of the data directory, readable only by its owner. An existing valid one stays.
 * @returns the token of a one-time link to log in as an administrator, if the key was missing
 * @throws StoreUnavailable; errors of the file system
 */
export async function keepAdministratorKey(store: EventStore, dataDir: string): Promise<string | undefined> {
  const directory = resolve(dataDir);
  const file = join(directory, 'admin.token');
  const kept = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  if ((await findCredential(store, kept.trim(), instantFrom(Date.now()))) !== undefined) {
    await chmod(file, 0o600);
    return undefined;
  }
  const issuing = { form: 'key', label: 'admin.token of the data directory', principal: ADMINISTRATOR } as const;
  const issued = await issueCredential(store, issuing, asOperator());
  if (isRefusal(issued)) throw new Error(issued.message);
  await mkdir(directory, { recursive: true });
  // Replaced in one step, and never readable for others.
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, `${issued.token}\n`, { mode: 0o600, flag: 'w' });
  await rename(fresh, file);
  const { onBehalfOf: _, ...person } = { ...ADMINISTRATOR, kind: 'person' as const };
  const link = await issueLink(store, { label: 'First log-in', principal: person }, asOperator());
  if (isRefusal(link)) throw new Error(link.message);
  return link.token;
}
