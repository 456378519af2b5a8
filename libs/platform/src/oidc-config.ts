import type { Fault } from '#eventsourcing';
import { listOf, type Read, word } from './values.js';

/** The identity provider for people and programs (OpenID Connect). */
export interface OidcConfig {
  /** As in its tokens. */
  readonly issuer: string;
  /** Required audience of access tokens. */
  readonly audience: string;
  /** Accepted signature algorithms. */
  readonly algorithms: readonly string[];
  readonly claims: ClaimsConfig;
  /** How people log in with a browser; undefined if they do not. */
  readonly browser?: {
    readonly clientId: string;
    /** Undefined for a public client. */
    readonly clientSecret?: string;
    /** The URL of `/login/callback` for browsers. */
    readonly redirectUri: string;
    readonly scopes: string;
  };
}

/** Which claims describe someone. A name with dots leads into objects. */
export interface ClaimsConfig {
  readonly id: string;
  readonly roles: string;
  readonly clients: string;
  readonly tiers: string;
  readonly teams: string;
  /** Value of the claim → role; undefined: the values are roles. */
  readonly roleOf?: ReadonlyMap<string, string>;
  /** Value of the claim → client, `*` for all; undefined: the values are clients. */
  readonly clientOf?: ReadonlyMap<string, string>;
}

/** Signatures with a key pair. A shared secret is never accepted: anyone who can check it could create it. */
export const OIDC_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

/** The configured identity provider; undefined if there is none. Faults are added to a list. */
export function readOidc(read: Read, isUnset: (name: string) => boolean, faults: Fault[]): OidcConfig | undefined {
  const issuer = read('OIDC_ISSUER', '', secureAddress, 'must be an https address, or an http one of this machine');
  const audience = read('OIDC_AUDIENCE', '', word, 'must be a word without spaces');
  const algorithms = read(
    'OIDC_ALGORITHMS',
    ['RS256', 'PS256', 'ES256', 'EdDSA'],
    (text) => listOf(text, (one) => OIDC_ALGORITHMS.find((known) => known === one)),
    `must be some of ${OIDC_ALGORITHMS.join(', ')}, with commas between them`,
  );
  const mapped = 'must be pairs such as helpdesk=agent, with commas between them';
  const roleOf = read('OIDC_ROLES', undefined, pairs, mapped);
  const clientOf = read('OIDC_CLIENTS', undefined, pairs, mapped);
  const claims: ClaimsConfig = {
    id: read('OIDC_ID_CLAIM', 'sub', word, 'must be the name of a claim'),
    roles: read('OIDC_ROLES_CLAIM', 'roles', word, 'must be the name of a claim'),
    clients: read('OIDC_CLIENTS_CLAIM', 'clients', word, 'must be the name of a claim'),
    tiers: read('OIDC_TIERS_CLAIM', 'tiers', word, 'must be the name of a claim'),
    teams: read('OIDC_TEAMS_CLAIM', 'teams', word, 'must be the name of a claim'),
    ...(roleOf === undefined ? {} : { roleOf }),
    ...(clientOf === undefined ? {} : { clientOf }),
  };
  const clientId = read('OIDC_CLIENT_ID', undefined, word, 'must be a word without spaces');
  const clientSecret = read('OIDC_CLIENT_SECRET', undefined, word, 'must be a word without spaces');
  const redirectUri = read(
    'OIDC_REDIRECT_URI',
    undefined,
    (text) => (secureAddress(text) !== undefined && new URL(text).pathname === '/login/callback' ? text : undefined),
    'must be the address of /login/callback, as browsers reach it',
  );
  const scopes = read('OIDC_SCOPES', 'openid profile', scopesOf, 'must be scopes with spaces between them, openid among them');
  const needs: readonly (readonly [string, string])[] = [
    ['OIDC_AUDIENCE', 'OIDC_ISSUER'],
    ['OIDC_ISSUER', 'OIDC_AUDIENCE'],
    ['OIDC_ISSUER', 'OIDC_CLIENT_ID'],
    ['OIDC_REDIRECT_URI', 'OIDC_CLIENT_ID'],
    ['OIDC_CLIENT_ID', 'OIDC_REDIRECT_URI'],
    ['OIDC_CLIENT_ID', 'OIDC_CLIENT_SECRET'],
  ];
  for (const [name, other] of needs) {
    if (isUnset(name) && !isUnset(other) && !faults.some(({ field }) => field === name))
      faults.push({ field: name, message: `is required where there is ${other}` });
  }
  // Otherwise an ID token, which is for the browser's client, would pass as an access token.
  if (clientId !== undefined && clientId === audience) faults.push({ field: 'OIDC_AUDIENCE', message: 'must differ from OIDC_CLIENT_ID' });
  if (issuer === '' || audience === '') return undefined;
  return {
    issuer,
    audience,
    algorithms,
    claims,
    ...(clientId === undefined || redirectUri === undefined
      ? {}
      : { browser: { clientId, ...(clientSecret === undefined ? {} : { clientSecret }), redirectUri, scopes } }),
  };
}

function secureAddress(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname } = new URL(text);
  const local = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
  return protocol === 'https:' || (protocol === 'http:' && local) ? text : undefined;
}

function pairs(text: string): ReadonlyMap<string, string> | undefined {
  const found = listOf(text, (one) => {
    const at = one.lastIndexOf('=');
    return at > 0 && at < one.length - 1 ? ([one.slice(0, at), one.slice(at + 1)] as const) : undefined;
  });
  return found && new Map(found);
}

function scopesOf(text: string): string | undefined {
  return /^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(text) && text.split(' ').includes('openid') ? text : undefined;
}
