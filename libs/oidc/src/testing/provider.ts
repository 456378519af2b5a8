import { randomUUID, type webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import type { Configuration, Provider } from 'oidc-provider';
import type { OidcConfig } from '#platform';

export const AUDIENCE = 'urn:tierline:test';
const SERVICE = { client_id: 'monitoring', client_secret: 'monitoring-secret' };
const WEB = { client_id: 'tierline-web', client_secret: 'tierline-web-secret' };
/** Nobody listens there: tests take what is sent there to the API that they test. */
const REDIRECT_URI = 'http://127.0.0.1:4000/login/callback';

/** Where the provider tells a client that somebody has logged out. */
const BACK_CHANNEL = '/client/back-channel';

/** An OpenID provider on a port of its own, whose users log in by being asked for. */
export interface TestProvider {
  readonly issuer: string;
  /** How an API would be configured for it. */
  readonly config: OidcConfig;
  /** How often its keys were asked for. */
  keysAsked: number;
  /** Its public key, and its id. */
  readonly publicKey: JWK;
  /** An access token that the provider itself issues to a service. */
  serviceToken(): Promise<string>;
  /** A token that is signed with the key of the provider: as it issues them, but for what is given. */
  signed(claims?: JWTPayload, header?: { readonly kid?: string }): Promise<string>;
  /**
   * What the browser of somebody does who logs in.
   * @param address where the API sends it
   * @returns the address that the provider sends it back to
   */
  logIn(address: string, user: string): Promise<URL>;
  /**
   * What the browser of somebody does who logs out there.
   * @param address where the API sends it
   * @returns the address that the provider sends it back to
   */
  logOut(address: string, user: string): Promise<string>;
  /** The logout tokens that it has sent. */
  readonly logOutTokens: readonly string[];
  /** Other keys from now on, as after a rotation. */
  rotate(): Promise<void>;
  close(): Promise<void>;
}

/** @param claimsOf what it tells of a user */
export async function startProvider(claimsOf: (user: string) => object): Promise<TestProvider> {
  // It warns of what matters nowhere but in production.
  console.warn = console.info = () => undefined;
  const oidc = await import('oidc-provider');
  let provider: Provider;
  let keys: { readonly privateKey: webcrypto.CryptoKey; readonly publicKey: JWK };
  let user = '';
  let keysAsked = 0;
  const logOutTokens: string[] = [];
  /** User → cookies of their browser. */
  const browsers = new Map<string, Map<string, string>>();
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/jwks') === true) keysAsked++;
    if (request.url === BACK_CHANNEL) receive(request, response).catch(() => response.destroy());
    else if (request.url?.startsWith('/interaction/') === true)
      interact(request, response).catch((error: Error) => response.writeHead(400).end(error.message));
    else void provider.callback()(request, response);
  });
  const interact = async (request: IncomingMessage, response: ServerResponse): Promise<void> =>
    provider.interactionFinished(request, response, { login: { accountId: user } });
  /** As the API would: tests take what is sent there to the API that they test. */
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const sent = new URLSearchParams(Buffer.concat(await request.toArray()).toString());
    logOutTokens.push(sent.get('logout_token') ?? '');
    response.writeHead(200).end();
  };
  const browse = async (at: URL, cookies: Map<string, string>, init: RequestInit = {}) => {
    const headers = { Cookie: [...cookies].map((pair) => pair.join('=')).join('; ') };
    const answer = await fetch(at, { redirect: 'manual', headers, ...init });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      cookies.set(name, value);
    }
    return answer;
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as { port: number }).port}`;

  const rotate = async (): Promise<void> => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const about = { kid: randomUUID(), alg: 'ES256', use: 'sig' };
    keys = { privateKey, publicKey: { ...(await exportJWK(publicKey)), ...about } };
    provider = new oidc.Provider(
      issuer,
      configuration({ ...(await exportJWK(privateKey)), ...about }, claimsOf, `${issuer}${BACK_CHANNEL}`),
    );
  };
  await rotate();

  return {
    issuer,
    config: {
      issuer,
      audience: AUDIENCE,
      algorithms: ['RS256', 'ES256'],
      claims: { id: 'sub', roles: 'roles', clients: 'clients', tiers: 'tiers', teams: 'teams' },
      browser: { clientId: WEB.client_id, clientSecret: WEB.client_secret, redirectUri: REDIRECT_URI, scopes: 'openid profile' },
    },
    get keysAsked() {
      return keysAsked;
    },
    get publicKey() {
      return keys.publicKey;
    },
    async serviceToken() {
      const answer = await fetch(`${issuer}/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'client_credentials', resource: AUDIENCE, ...SERVICE }),
      });
      const { access_token: token } = (await answer.json()) as { access_token: string };
      return token;
    },
    signed(claims = {}, header = {}) {
      const now = Math.floor(Date.now() / 1_000);
      const all = { iss: issuer, aud: AUDIENCE, sub: 'jane', iat: now, exp: now + 600, roles: ['lead'], clients: ['northwind'], ...claims };
      return new SignJWT(all)
        .setProtectedHeader({ alg: 'ES256', kid: keys.publicKey.kid ?? '', typ: 'at+jwt', ...header })
        .sign(keys.privateKey);
    },
    async logIn(address, asked) {
      user = asked;
      const cookies = new Map<string, string>();
      browsers.set(asked, cookies);
      for (let at = new URL(address); ;) {
        if (at.href.startsWith(REDIRECT_URI)) return at;
        const answer = await browse(at, cookies);
        const next = answer.headers.get('location');
        if (next === null) throw new Error(`the provider answered ${answer.status}: ${await answer.text()}`);
        at = new URL(next, at);
      }
    },
    async logOut(address, asked) {
      const cookies = browsers.get(asked) ?? new Map<string, string>();
      const page = await (await browse(new URL(address), cookies)).text();
      const [, xsrf = ''] = /name="xsrf" value="(\w+)"/.exec(page) ?? [];
      const confirmed = await browse(new URL('/session/end/confirm', issuer), cookies, {
        method: 'POST',
        headers: { Cookie: [...cookies].map((pair) => pair.join('=')).join('; ') },
        body: new URLSearchParams({ xsrf, logout: 'yes' }),
      });
      return confirmed.headers.get('location') ?? page;
    },
    logOutTokens,
    rotate,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function configuration(key: JWK, claimsOf: (user: string) => object, backChannel: string): Configuration {
  return {
    jwks: { keys: [key as never] },
    cookies: { keys: [randomUUID()] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clients: [
      {
        ...SERVICE,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: 'client_secret_post',
      },
      {
        ...WEB,
        redirect_uris: [REDIRECT_URI],
        post_logout_redirect_uris: [new URL('/login', REDIRECT_URI).href],
        backchannel_logout_uri: backChannel,
        backchannel_logout_session_required: true,
      },
    ],
    claims: { profile: ['name', 'roles', 'clients'] },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...claimsOf(id) }) }),
    extraTokenClaims: (_context, token) => (token.kind === 'ClientCredentials' ? { roles: ['service'], clients: ['northwind'] } : {}),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    // Whoever logs in has agreed to everything.
    async loadExistingGrant({ oidc }) {
      const grant = new oidc.provider.Grant({ clientId: oidc.client?.clientId ?? '', accountId: oidc.session?.accountId ?? '' });
      grant.addOIDCScope('openid profile');
      await grant.save();
      return grant;
    },
    features: {
      backchannelLogout: { enabled: true },
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ scope: '', audience: AUDIENCE, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
      },
    },
  };
}
