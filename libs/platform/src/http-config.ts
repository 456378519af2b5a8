import { isIP } from 'node:net';
import type { Fault } from '#eventsourcing';
import { listOf, network, path, port, PORT_RULE, type Read, requireBoth, webAddress } from './values.js';

/** How the API is reached, and how much of it anyone may use. */
export interface HttpConfig {
  /** Address of the HTTP server. Beyond loopback only with TLS, or behind a trusted proxy with TLS. */
  readonly host: string;
  /** Port of the HTTP server; 0 is any free one. */
  readonly port: number;
  /** Origins such as `https://portal.example` whose pages may call the API with a key. */
  readonly allowedOrigins: readonly string[];
  /** Addresses and networks of trusted proxies. */
  readonly trustProxy: readonly string[];
  /** Paths of the certificate and its key; without them it does not speak TLS. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly timeouts: TimeoutConfig;
  readonly rateLimits: RateLimitConfig & {
    /** Whether all API processes count together. */
    readonly shared: boolean;
  };
}

/** How long a client may take, in milliseconds. */
export interface TimeoutConfig {
  /** To send the headers of a request. */
  readonly headersMs: number;
  /** To send a complete request. */
  readonly requestMs: number;
  /** Until the next request on the same connection. */
  readonly keepAliveMs: number;
}

/** Longer than the minute for which proxies keep an idle connection: they must be the ones that close it. */
export const TIMEOUTS: TimeoutConfig = { headersMs: 10_000, requestMs: 60_000, keepAliveMs: 72_000 };

/** Limits; 0: none. */
export interface RateLimitConfig {
  /** Requests per minute of each person, and of each assistant. */
  readonly person: number;
  /** Requests per minute of each service. */
  readonly service: number;
  /** Unauthenticated requests per minute of each address. */
  readonly address: number;
  /** Failed authentication attempts of an address before it must wait. */
  readonly failures: number;
}

/** The settings of the HTTP server. Faults are added to a list. */
export function readHttp(read: Read, isUnset: (name: string) => boolean, faults: Fault[]): HttpConfig {
  const host = read('HOST', '127.0.0.1', address, 'must be an address or name of this machine');
  const trustProxy = read(
    'TRUST_PROXY',
    [],
    (text) => listOf(text, addresses),
    'must be addresses and networks such as 127.0.0.1,10.0.0.0/8',
  );
  const certFile = read('TLS_CERT_FILE', undefined, path, 'must be a path');
  const keyFile = read('TLS_KEY_FILE', undefined, path, 'must be a path');
  requireBoth('TLS_CERT_FILE', 'TLS_KEY_FILE', isUnset, faults);
  if (!isLoopback(host) && isUnset('TLS_CERT_FILE') && trustProxy.length === 0)
    faults.push({
      field: 'HOST',
      message: `must be a loopback address (127.0.0.1, ::1 or localhost), not ${JSON.stringify(host)}: keys would cross the network unencrypted. Set TLS_CERT_FILE and TLS_KEY_FILE, or TRUST_PROXY to the proxy that speaks TLS`,
    });
  return {
    host,
    port: read('PORT', 3000, port, PORT_RULE),
    allowedOrigins: read('ALLOWED_ORIGINS', [], origins, 'must be origins such as https://portal.example, with commas between them'),
    trustProxy,
    ...(certFile === undefined || keyFile === undefined ? {} : { tls: { certFile, keyFile } }),
    timeouts: {
      headersMs: read('HEADERS_TIMEOUT', TIMEOUTS.headersMs, seconds, SECONDS_RULE),
      requestMs: read('REQUEST_TIMEOUT', TIMEOUTS.requestMs, seconds, SECONDS_RULE),
      keepAliveMs: read('KEEP_ALIVE_TIMEOUT', TIMEOUTS.keepAliveMs, seconds, SECONDS_RULE),
    },
    rateLimits: {
      person: read('RATE_LIMIT', 6_000, amount, AMOUNT_RULE),
      service: read('RATE_LIMIT_SERVICES', 300_000, amount, AMOUNT_RULE),
      address: read('RATE_LIMIT_ADDRESSES', 3_000, amount, AMOUNT_RULE),
      failures: read('FAILED_LOG_INS', 100, amount, AMOUNT_RULE),
      shared: read('RATE_LIMITS_SHARED', false, flag, 'must be true or false'),
    },
  };
}

const AMOUNT_RULE = 'must be a whole number, or 0 for no limit';

function amount(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function flag(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

/** An address or a network. */
function addresses(text: string): string | undefined {
  return isIP(text) === 0 ? network(text) : text;
}

const SECONDS_RULE = 'must be a number of seconds from 1 to 3600';

/** Seconds in milliseconds. */
function seconds(text: string): number | undefined {
  return /^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= 3_600 ? Number(text) * 1_000 : undefined;
}

/** An IP address, or a host name that does not look like an invalid one. */
function address(text: string): string | undefined {
  const isName = /^(?=.{1,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$/i.test(text) && !/^[\d.]+$/.test(text);
  return isIP(text) !== 0 || isName ? text : undefined;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function origins(text: string): string[] | undefined {
  return listOf(text, (each) => (webAddress(each) !== undefined && new URL(each).origin === each ? each : undefined));
}
