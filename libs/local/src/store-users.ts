import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { keptSecret } from '#platform';

export interface StoreUser {
  readonly user: string;
  readonly password: string;
}

/** The users of the embedded nodes on a data directory. Their passwords are made at the first start, and stay. */
export interface StoreUsers {
  /** Tierline itself: may do everything. */
  readonly tierline: StoreUser;
  /** Reporting jobs: read the read models. */
  readonly reports: StoreUser;
}

export async function storeUsersIn(dataDir: string): Promise<StoreUsers> {
  const key = await keptSecret(join(dataDir, 'stores-key'), () => randomBytes(32).toString('hex'));
  const userOf = (user: string): StoreUser => ({ user, password: createHmac('sha256', key.trim()).update(user).digest('base64url') });
  return { tierline: userOf('tierline'), reports: userOf('reports') };
}
