import { isIPv6 } from 'node:net';
import { createSecureContext } from 'node:tls';
import { BadCertificate, NotLoopback, PortUnavailable } from './errors.js';

/** A certificate chain and its private key, both PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|localhost|::1|\[::1\])$/;

/**
 * Checks where a node will listen before anything is opened.
 *
 * @throws NotLoopback, BadCertificate
 */
export function checkListener(
  node: string,
  { host, tls, credentials }: { readonly host: string; readonly tls?: Certificate | undefined; readonly credentials?: object | undefined },
): void {
  if (!LOOPBACK.test(host) && !(tls && credentials)) throw new NotLoopback(node, host);
  if (!tls) return;
  try {
    createSecureContext({ cert: tls.cert, key: tls.key });
  } catch (error) {
    throw new BadCertificate(node, (error as Error).message);
  }
}

/** The error of a socket that could not listen, as a node reports it. */
export function portUnavailable(node: string, host: string, port: number, error: NodeJS.ErrnoException): PortUnavailable {
  return new PortUnavailable(node, host, port, error.code === 'EADDRINUSE' ? 'it is in use by another program' : error.message);
}

/** Whether a host means every address of the machine. */
export const isWildcard = (host: string): boolean => ['0.0.0.0', '::', '[::]', ''].includes(host);

/** A host as written before the port in a URL: IPv6 addresses in brackets, a wildcard as `localhost`. */
export function urlHost(host: string): string {
  if (isWildcard(host)) return 'localhost';
  return isIPv6(host) ? `[${host}]` : host;
}
