import { createHmac, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keptSecret } from '#platform';

export interface StoreUser {
  readonly user: string;
  readonly password: string;
}

/** The users of the embedded nodes on a data directory. Their passwords are created at the first start, and stay. */
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

/** The certificate of the embedded EventStoreDB node: its client sends passwords only over TLS. */
export interface StoreCertificate {
  readonly cert: string;
  readonly key: string;
  /** Path of the certificate, for clients to trust. */
  readonly certFile: string;
}

/** The certificate of a data directory. Created at the first start; then it stays. */
export async function storeCertificateIn(dataDir: string): Promise<StoreCertificate> {
  // Loaded only to create one.
  const kept = await keptSecret(join(dataDir, 'eventstoredb-tls'), async () => (await import('./store-certificate.js')).newCertificate());
  const begins = kept.indexOf('-----BEGIN CERTIFICATE-----');
  const cert = kept.slice(begins);
  const certFile = join(dataDir, 'eventstoredb-ca.pem');
  await writeFile(certFile, cert, { mode: 0o600 });
  return { cert, key: kept.slice(0, begins), certFile };
}
