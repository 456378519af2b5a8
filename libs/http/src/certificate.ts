import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import type { JsonLog } from '#platform';

/** A certificate chain and its private key, both PEM. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Where they are. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** @throws Error for files that cannot be read, are no certificate and key, or do not belong together */
export async function readCertificate({ certFile, keyFile }: CertificateFiles): Promise<Certificate> {
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  createSecureContext({ cert, key });
  return { cert, key };
}

/**
 * Has a server take up its certificate when that is renewed: connections that are open go on with the old one. What cannot be used is logged, and
 * the old one stays.
 * @param everyMs how often the files are looked at
 * @returns what ends it
 */
export function followCertificate(server: Server, files: CertificateFiles, log: JsonLog, everyMs = 60_000): () => void {
  const renew = async (): Promise<void> => {
    try {
      server.setSecureContext(await readCertificate(files));
      log.info({ certificate: files.certFile }, 'the certificate was renewed');
    } catch (error) {
      log.warn({ err: error, certificate: files.certFile }, 'the renewed certificate cannot be used; the previous one stays in use');
    }
  };
  const changed = (now: { mtimeMs: number }, before: { mtimeMs: number }): void => {
    if (now.mtimeMs !== before.mtimeMs) void renew();
  };
  // Polled: watching a file misses that it, or a folder above it, was replaced by a link to another.
  const watched = [files.certFile, files.keyFile];
  for (const file of watched) watchFile(file, { interval: everyMs, persistent: false }, changed);
  return () => {
    for (const file of watched) unwatchFile(file, changed);
  };
}
