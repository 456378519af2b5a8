import { isIP } from 'node:net';
import type { Fault } from '#eventsourcing';
import { listOf, network, path, port, PORT_RULE, type Read, requireBoth, webAddress } from './values.js';

/** How the API is reached, and how much of it anybody may have. */
export interface HttpConfig {
  /** Address of the HTTP server. Beyond loopback only where it speaks TLS, or a proxy that does is trusted. */
  readonly host: string;
  /** Port of the HTTP server; 0 is any free one. */
  readonly port: number;
  /** Origins such as `https://portal.example` whose pages may call the API with a key. */
  readonly allowedOrigins: readonly string[];
  /** Addresses and networks of proxies that are believed whom they speak for. */
  readonly trustProxy: readonly string[];
  /** Where the certificate and its key are; without them it does not speak TLS. */
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
  /** To send a request whole. */
  readonly requestMs: number;
  /** Until the next request on the same connection. */
  readonly keepAliveMs: number;
}

/** Longer between requests than the minute that proxies keep a connection: they must be the ones that close it. */
export const TIMEOUTS: TimeoutConfig = { headersMs: 10_000, requestMs: 60_000, keepAliveMs: 72_000 };

/** How much is allowed; 0: as much as anybody likes. */
export interface RateLimitConfig {
  /** Requests a minute of each person, and of each assistant. */
  readonly person: number;
  /** Requests a minute of each service. */
  readonly service: number;
  /** Requests a minute of each address that do not say who sends them. */
  readonly address: number;
  /** Failed attempts of an address to prove who somebody is, before it has to wait. */
  readonly failures: number;
}

/** What the environment says of the HTTP server. Faults are added to a list. */
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

/** Milliseconds of so many seconds. */
function seconds(text: string): number | undefined {
  return /^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= 3_600 ? Number(text) * 1_000 : undefined;
}

/** An IP address, or a name that is none that looks like one. */
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
