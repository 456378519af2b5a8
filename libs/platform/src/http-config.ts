import { isIP } from 'node:net';
import { listOf, network, port, PORT_RULE, type Read, webAddress } from './values.js';

/** How the API is reached, and how much of it anybody may have. */
export interface HttpConfig {
  /** Address of the HTTP server: a loopback one, until there is identity. */
  readonly host: string;
  /** Port of the HTTP server; 0 is any free one. */
  readonly port: number;
  /** Origins such as `https://portal.example` whose pages may call the API with a key. */
  readonly allowedOrigins: readonly string[];
  /** Addresses and networks of proxies that are believed whom they speak for. */
  readonly trustProxy: readonly string[];
  readonly rateLimits: RateLimitConfig & {
    /** Whether all API processes count together. */
    readonly shared: boolean;
  };
}

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

/** What the environment says of the HTTP server. */
export function readHttp(read: Read): HttpConfig {
  return {
    host: read(
      'HOST',
      '127.0.0.1',
      loopback,
      'must be a loopback address (127.0.0.1, ::1 or localhost) as long as callers cannot prove who they are',
    ),
    port: read('PORT', 3000, port, PORT_RULE),
    allowedOrigins: read('ALLOWED_ORIGINS', [], origins, 'must be origins such as https://portal.example, with commas between them'),
    trustProxy: read('TRUST_PROXY', [], (text) => listOf(text, addresses), 'must be addresses and networks such as 127.0.0.1,10.0.0.0/8'),
    rateLimits: {
      person: read('RATE_LIMIT', 1_200, amount, AMOUNT_RULE),
      service: read('RATE_LIMIT_SERVICES', 300_000, amount, AMOUNT_RULE),
      address: read('RATE_LIMIT_ADDRESSES', 600, amount, AMOUNT_RULE),
      failures: read('FAILED_LOG_INS', 20, amount, AMOUNT_RULE),
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

/** The host, when it is the machine's own loopback. */
function loopback(text: string): string | undefined {
  return text === 'localhost' || text === '::1' || /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(text) ? text : undefined;
}

function origins(text: string): string[] | undefined {
  return listOf(text, (each) => (webAddress(each) !== undefined && new URL(each).origin === each ? each : undefined));
}
