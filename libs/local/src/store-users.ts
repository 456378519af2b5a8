import { createHmac, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
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

/** What the embedded EventStoreDB node proves itself with: its client sends passwords by TLS alone. */
export interface StoreCertificate {
  readonly cert: string;
  readonly key: string;
  /** Where the certificate is, for clients to trust. */
  readonly certFile: string;
}

/** The certificate of a data directory. It is made at the first start, and stays. */
export async function storeCertificateIn(dataDir: string): Promise<StoreCertificate> {
  // Loaded only where one is made.
  const kept = await keptSecret(join(dataDir, 'eventstoredb-tls'), async () => (await import('./store-certificate.js')).newCertificate());
  const begins = kept.indexOf('-----BEGIN CERTIFICATE-----');
  const cert = kept.slice(begins);
  const certFile = join(dataDir, 'eventstoredb-ca.pem');
  await writeFile(certFile, cert, { mode: 0o600 });
  return { cert, key: kept.slice(0, begins), certFile };
}
