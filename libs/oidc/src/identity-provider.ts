import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  calculatePKCECodeChallenge,
  ClientSecretBasic,
  type Configuration,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client';
import { type Instant, instantFrom } from '#eventsourcing';
import type { OidcConfig } from '#platform';
import type { Principal } from '#ticketing';
import { type Claims, principalOfClaims } from './principal-of-claims.js';

/** The provider does not answer, or not properly: identities cannot be verified. @property unavailable why, for the log */
export interface Unavailable {
  readonly unavailable: unknown;
}

/**
 * The identity is not verified: the token is invalid, or the log-in was not requested by this browser. @property unknown why, for the log
 */
export interface Unknown {
  readonly unknown: string;
}

/** A verified identity. */
export interface Identified {
  readonly principal: Principal;
  /** When the token expires. */
  readonly expiresAt: Instant;
}

/** A user who has returned from the identity provider. */
export interface LoggedInThere extends Identified {
  /** The user there, and the session there if the provider names it. */
  readonly provider: { readonly subject: string; readonly sid?: string };
  /** What to send to the provider to log the user out. */
  readonly idToken: string;
}

/** A log-out at the identity provider: of one of the user's sessions there, or all. */
export interface LoggedOutThere {
  readonly subject?: string;
  readonly sid?: string;
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** Maximum response time of the identity provider, in seconds. */
const PATIENCE_S = 5;
/** Maximum difference between the two clocks, in seconds. */
const SKEW_S = 30;
/** Maximum age of a logout token, in seconds. */
const LOG_OUT_WITHIN_S = 120;
const END_OF_TIME = Date.parse('9999-12-31T23:59:59.999Z');
const LOGGED_OUT = 'http://schemas.openid.net/event/backchannel-logout';
/** How long its keys are used before they are requested again, in milliseconds. */
const KEYS_LAST_MS = 600_000;

export interface ProviderOptions {
  /** How long the provider is not asked again, for unknown keys or after it did not answer; in milliseconds. */
  readonly coolDownMs?: number;
}

/** What the provider's metadata says. */
interface Discovered {
  readonly client: Configuration;
  readonly keys: JWTVerifyGetKey;
}

/** What a browser stores while its user is at the identity provider. */
interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** The configured identity provider. It is contacted when first needed, so it may be unavailable when the API starts. */
export class IdentityProvider {
  readonly #config: OidcConfig;
  readonly #coolDownMs: number;
  #discovered: Promise<Discovered | Unavailable> | undefined;
  #askAgainAt = -Infinity;
  /** Used logout tokens, with the time until which they would be accepted. */
  readonly #seen = new Map<string, number>();

  constructor(config: OidcConfig, { coolDownMs = 30_000 }: ProviderOptions = {}) {
    this.#config = config;
    this.#coolDownMs = coolDownMs;
  }

  /** Whether browser log-in is configured. */
  get hasBrowserLogIn(): boolean {
    return this.#config.browser !== undefined;
  }

  /** The sender of an access token: a JWT, by RFC 9068 or older conventions. */
  async identify(token: string): Promise<Identified | Unknown | Unavailable> {
    const verified = await this.#verify(token, { audience: this.#config.audience, requiredClaims: ['exp', 'sub'] });
    if (!('payload' in verified)) return verified;
    // One client may be both the audience and where people log in.
    return 'events' in verified.payload ? { unknown: 'it is a logout token' } : this.#identified(verified.payload);
  }

  /** Where to send a browser to log in, and what it has to store until it returns. */
  async beginLogIn(): Promise<{ readonly address: string; readonly pending: string } | Unavailable> {
    const { redirectUri, scopes } = this.#browser();
    const found = await this.#discover();
    if ('unavailable' in found) return found;
    const pending: Pending = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier() };
    const address = buildAuthorizationUrl(found.client, {
      redirect_uri: redirectUri,
      scope: scopes,
      response_type: 'code',
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
    });
    return { address: address.href, pending: Buffer.from(JSON.stringify(pending)).toString('base64url') };
  }

  /**
   * The user who has returned from the identity provider.
   * @param search the query of the address to which the browser returned
   * @param kept the value from `beginLogIn` that it stored
   */
  async finishLogIn(search: string, kept: string | undefined): Promise<LoggedInThere | Unknown | Unavailable> {
    const { redirectUri } = this.#browser();
    const pending = kept === undefined ? undefined : pendingIn(kept);
    if (pending === undefined) return { unknown: 'this browser did not ask to log in, or too long ago' };
    const found = await this.#discover();
    if ('unavailable' in found) return found;
    const { client } = found;
    const address = new URL(redirectUri);
    address.search = search;
    try {
      const tokens = await authorizationCodeGrant(client, address, {
        pkceCodeVerifier: pending.verifier,
        expectedState: pending.state,
        expectedNonce: pending.nonce,
        idTokenExpected: true,
      });
      const claims: Claims = tokens.claims() ?? {};
      // Some providers give roles and groups only there.
      const more =
        client.serverMetadata().userinfo_endpoint === undefined
          ? {}
          : await fetchUserInfo(client, tokens.access_token, String(claims['sub']));
      const found = this.#identified({ ...more, ...claims });
      if ('unknown' in found) return found;
      const { sub, sid } = claims;
      return {
        ...found,
        provider: { subject: String(sub), ...(typeof sid === 'string' && { sid }) },
        idToken: tokens.id_token ?? '',
      };
    } catch (error) {
      return doesNotAnswer(error) ? { unavailable: error } : { unknown: (error as Error).message };
    }
  }

  /**
   * Where to send a browser that has logged out here, so that it is logged out there too; undefined if the provider has no such address.
   */
  async logOutAddress(idToken: string | undefined): Promise<string | undefined> {
    const { redirectUri } = this.#browser();
    const found = await this.#discover();
    if ('unavailable' in found || found.client.serverMetadata().end_session_endpoint === undefined) return undefined;
    const back = new URL('/login', redirectUri).href;
    return buildEndSessionUrl(found.client, { post_logout_redirect_uri: back, ...(idToken && { id_token_hint: idToken }) }).href;
  }

  /** Who has logged out, according to a token from the provider itself (OpenID Connect Back-Channel Logout 1.0). Each can be used once. */
  async loggedOut(token: string): Promise<LoggedOutThere | Unknown | Unavailable> {
    const verified = await this.#verify(token, {
      audience: this.#browser().clientId,
      maxTokenAge: LOG_OUT_WITHIN_S,
      requiredClaims: ['iat', 'jti', 'events'],
    });
    if (!('payload' in verified)) return verified;
    const { sub: subject, sid, iat = 0, jti = '', events, nonce } = verified.payload;
    const isLogOut = typeof events === 'object' && events !== null && LOGGED_OUT in events && nonce === undefined;
    if (!isLogOut || (subject === undefined && typeof sid !== 'string')) return { unknown: 'it is no logout token' };
    if (!this.#isNew(jti)) return { unknown: 'the logout token was sent before' };
    return { ...(subject !== undefined && { subject }), ...(typeof sid === 'string' && { sid }), at: (iat + SKEW_S) * 1_000 };
  }

  /** The content of a token that the provider has signed for a user. */
  async #verify(
    token: string,
    asked: Pick<JWTVerifyOptions, 'audience' | 'maxTokenAge' | 'requiredClaims'>,
  ): Promise<{ readonly payload: JWTPayload } | Unknown | Unavailable> {
    const { issuer, algorithms } = this.#config;
    const found = await this.#discover();
    if ('unavailable' in found) return found;
    try {
      const { payload } = await jwtVerify(token, found.keys, { ...asked, issuer, algorithms: [...algorithms], clockTolerance: SKEW_S });
      return { payload };
    } catch (error) {
      return error instanceof errors.JOSEError && !isAway(error) ? { unknown: error.message } : { unavailable: error };
    }
  }

  /** Whether a logout token is new, for as long as it would be accepted. */
  #isNew(jti: string): boolean {
    const now = performance.now();
    for (const [seen, until] of this.#seen) if (until < now) this.#seen.delete(seen);
    if (this.#seen.has(jti)) return false;
    this.#seen.set(jti, now + (LOG_OUT_WITHIN_S + 2 * SKEW_S) * 1_000);
    return true;
  }

  #identified(claims: Claims & Pick<JWTPayload, 'exp'>): Identified | Unknown {
    const principal = principalOfClaims(claims, this.#config.claims);
    return principal === undefined
      ? { unknown: 'the identity provider gives no id that can be used' }
      : { principal, expiresAt: instantFrom(Math.min(((claims.exp ?? 0) + SKEW_S) * 1_000, END_OF_TIME)) };
  }

  #browser(): NonNullable<OidcConfig['browser']> {
    if (this.#config.browser === undefined) throw new Error('nobody logs in with a browser');
    return this.#config.browser;
  }

  #discover(): Promise<Discovered | Unavailable> {
    if (performance.now() < this.#askAgainAt) return Promise.resolve({ unavailable: 'it did not answer a moment ago' });
    return (this.#discovered ??= this.#learn().catch((error: unknown) => {
      this.#askAgainAt = performance.now() + this.#coolDownMs;
      this.#discovered = undefined;
      return { unavailable: error };
    }));
  }

  async #learn(): Promise<Discovered> {
    const { issuer, audience, browser } = this.#config;
    const { clientId = audience, clientSecret } = browser ?? {};
    const client = await discovery(
      new URL(issuer),
      clientId,
      undefined,
      clientSecret === undefined ? None() : ClientSecretBasic(clientSecret),
      {
        timeout: PATIENCE_S,
        execute: [enableNonRepudiationChecks, ...(new URL(issuer).protocol === 'http:' ? [allowInsecureRequests] : [])],
      },
    );
    const { jwks_uri: address = '' } = client.serverMetadata();
    const keys = createRemoteJWKSet(new URL(address), {
      timeoutDuration: PATIENCE_S * 1_000,
      cooldownDuration: this.#coolDownMs,
      cacheMaxAge: KEYS_LAST_MS,
    });
    return { client, keys };
  }
}

/** Whether the provider's keys were unavailable, as opposed to an invalid token. */
function isAway({ code }: errors.JOSEError): boolean {
  return [errors.JWKSTimeout.code, errors.JWKSInvalid.code, errors.JOSEError.code].includes(code);
}

/** Whether the provider did not answer a request for tokens or claims: `fetch` failed, it took too long, or it has an error of its own. */
function doesNotAnswer(error: unknown): boolean {
  if (error instanceof TypeError) return error.message === 'fetch failed';
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown };
  return code === 'OAUTH_TIMEOUT' || (cause instanceof Response && cause.status >= 500);
}

function pendingIn(text: string): Pending | undefined {
  try {
    const { state, nonce, verifier } = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Partial<Pending>;
    return typeof state === 'string' && typeof nonce === 'string' && typeof verifier === 'string' ? { state, nonce, verifier } : undefined;
  } catch {
    return undefined;
  }
}
