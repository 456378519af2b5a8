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

/** Paths of the files. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** @throws Error for files that cannot be read, are not a certificate and key, or do not match */
export async function readCertificate({ certFile, keyFile }: CertificateFiles): Promise<Certificate> {
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  createSecureContext({ cert, key });
  return { cert, key };
}

/**
 * Makes a server use its certificate when it is renewed: open connections keep the old one. An unusable one is logged, and the old one
 * stays.
 * @param everyMs how often to check the files
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
  // Polled: watching a file does not notice when it, or a folder above it, is replaced by a link to another.
  const watched = [files.certFile, files.keyFile];
  for (const file of watched) watchFile(file, { interval: everyMs, persistent: false }, changed);
  return () => {
    for (const file of watched) unwatchFile(file, changed);
  };
}
