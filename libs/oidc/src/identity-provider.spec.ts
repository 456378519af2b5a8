import { createPublicKey, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { instantFrom } from '#eventsourcing';
import { IdentityProvider } from './identity-provider.js';
import { AUDIENCE, startProvider, type TestProvider } from './testing/provider.js';

/** Against a genuine OpenID provider (`oidc-provider`), in this process. */
let server: TestProvider;
let provider: IdentityProvider;
beforeAll(async () => {
  server = await startProvider((user) => ({ name: 'Ada', roles: user === 'nobody' ? [] : ['agent'], clients: ['northwind'] }));
  provider = new IdentityProvider(server.config);
});
afterAll(() => server.close());

const now = () => Math.floor(Date.now() / 1_000);

describe('an access token', () => {
  it('issued by the provider identifies a service', async () => {
    expect(await provider.identify(await server.serviceToken())).toEqual({
      principal: { kind: 'service', id: 'monitoring', roles: ['service'], clients: ['northwind'], tiers: 'all', teams: [] },
      expiresAt: expect.any(String),
    });
  });

  it('is valid within its time, allowing for clock differences', async () => {
    const exp = now() + 60;
    expect(await provider.identify(await server.signed({ exp }))).toMatchObject({ expiresAt: instantFrom((exp + 30) * 1_000) });
    // Far beyond what a date can be.
    expect(await provider.identify(await server.signed({ exp: 1e300 }))).toMatchObject({ expiresAt: '9999-12-31T23:59:59.999Z' });
    const valid = [{}, { exp: now() - 10 }, { nbf: now() + 10 }, { aud: ['other', AUDIENCE] }];
    for (const claims of valid)
      expect([claims, 'principal' in (await provider.identify(await server.signed(claims)))]).toEqual([claims, true]);
  });

  it.each<[string, () => Promise<string> | string]>([
    ['is over', () => server.signed({ exp: now() - 120 })],
    ['is not valid yet', () => server.signed({ nbf: now() + 120 })],
    ['never ends', () => server.signed({ exp: undefined })],
    ['is for another audience', () => server.signed({ aud: 'urn:other' })],
    ['is for the browser’s client, as ID tokens are', () => server.signed({ aud: server.config.browser?.clientId ?? '' })],
    ['is of another issuer', () => server.signed({ iss: 'https://evil.example' })],
    ['is a logout token', () => server.signed({ events: { 'http://schemas.openid.net/event/backchannel-logout': {} } })],
    ['names nobody', () => server.signed({ sub: undefined })],
    ['names somebody with a line break', () => server.signed({ sub: 'jane\nroot' })],
    [
      'has no signature',
      () =>
        new UnsecuredJWT({ sub: 'jane', roles: ['administrator'] })
          .setIssuer(server.issuer)
          .setAudience(AUDIENCE)
          .setExpirationTime('1h')
          .encode(),
    ],
    [
      'is signed with the public key as a shared secret',
      () => {
        const pem = createPublicKey({ key: server.publicKey as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
        return new SignJWT({ sub: 'jane' })
          .setProtectedHeader({ alg: 'HS256', kid: server.publicKey.kid ?? '' })
          .setIssuer(server.issuer)
          .setAudience(AUDIENCE)
          .setExpirationTime('1h')
          .sign(Buffer.from(pem));
      },
    ],
    [
      'is signed by somebody else under the provider’s key id',
      async () => {
        const { privateKey } = await generateKeyPair('ES256');
        return new SignJWT({ sub: 'jane' })
          .setProtectedHeader({ alg: 'ES256', kid: server.publicKey.kid ?? '' })
          .setIssuer(server.issuer)
          .setAudience(AUDIENCE)
          .setExpirationTime('1h')
          .sign(privateKey);
      },
    ],
    [
      'brings its own key',
      async () => {
        const { privateKey } = await generateKeyPair('ES256');
        return new SignJWT({ sub: 'jane' })
          .setProtectedHeader({ alg: 'ES256', jwk: server.publicKey as never, jku: 'https://evil.example/jwks' })
          .setIssuer(server.issuer)
          .setAudience(AUDIENCE)
          .setExpirationTime('1h')
          .sign(privateKey);
      },
    ],
    ['has a key id that the provider does not know', () => server.signed({}, { kid: 'unknown' })],
    ['was changed', async () => (await server.signed()).replace(/\.([^.])/, (_, first: string) => `.${first === 'e' ? 'f' : 'e'}`)],
    ['is none', () => 'a.b.c'],
    ['is a word', () => 'x'],
  ])('is refused when it %s', async (_what, make) => {
    expect(await provider.identify(await make())).toEqual({ unknown: expect.any(String) });
  });

  it('with an unknown key does not cause repeated requests for keys', async () => {
    await provider.identify(await server.signed());
    const before = server.keysAsked;
    for (let index = 0; index < 20; index++) await provider.identify(await server.signed({}, { kid: `made-up-${index}` }));
    expect(server.keysAsked - before).toBeLessThanOrEqual(1);
  });

  it('is checked with new keys after a rotation', async () => {
    const impatient = new IdentityProvider(server.config, { coolDownMs: 0 });
    const old = await server.signed();
    expect(await impatient.identify(old)).toHaveProperty('principal');
    await server.rotate();
    expect(await impatient.identify(await server.signed())).toHaveProperty('principal');
    expect(await impatient.identify(old)).toHaveProperty('unknown');
  });
});

describe('a provider that is away', () => {
  it('leaves tokens undecided, and is asked again later', async () => {
    const away = await startProvider(() => ({}));
    await away.close();
    const patient = new IdentityProvider(away.config);
    expect(await patient.identify(await away.signed())).toHaveProperty('unavailable');
    expect(await patient.identify(await away.signed())).toEqual({ unavailable: 'it did not answer a moment ago' });
    expect(await patient.beginLogIn()).toHaveProperty('unavailable');
    const other = new IdentityProvider({ ...server.config, issuer: `${server.issuer}/other` }, { coolDownMs: 0 });
    expect(await other.identify(await server.signed())).toHaveProperty('unavailable');
  });
});

describe('logging in with a browser', () => {
  async function begun() {
    const answer = await provider.beginLogIn();
    if ('unavailable' in answer) throw answer.unavailable;
    return answer;
  }

  it('identifies the returning user, once', async () => {
    const { address, pending } = await begun();
    expect(new URL(address).searchParams.get('code_challenge_method')).toBe('S256');
    const back = await server.logIn(address, 'ada');
    expect(await provider.finishLogIn(back.search, pending)).toEqual({
      principal: { kind: 'person', id: 'ada', name: 'Ada', roles: ['agent'], clients: ['northwind'], tiers: 'all', teams: [] },
      expiresAt: expect.any(String),
      provider: { subject: 'ada', sid: expect.any(String) },
      idToken: expect.any(String),
    });
    expect(await provider.finishLogIn(back.search, pending)).toHaveProperty('unknown');
  });

  it('refuses what did not begin in this browser', async () => {
    const [mine, other] = [await begun(), await begun()];
    const back = await server.logIn(other.address, 'mallory');
    const forged = (pending: object) => Buffer.from(JSON.stringify(pending)).toString('base64url');
    const theirs = JSON.parse(Buffer.from(other.pending, 'base64url').toString()) as { state: string; nonce: string; verifier: string };
    const kept = [
      undefined,
      '',
      'x',
      mine.pending,
      forged({ ...theirs, state: 'x' }),
      forged({ ...theirs, nonce: 'x' }),
      forged({ ...theirs, verifier: 'x'.repeat(43) }),
      forged({ state: theirs.state }),
    ];
    for (const one of kept) expect([one, await provider.finishLogIn(back.search, one)]).toEqual([one, { unknown: expect.any(String) }]);
    const [fresh, state] = [await server.logIn(mine.address, 'ada'), new URL(mine.address).searchParams.get('state')];
    for (const search of [
      '',
      '?',
      '?error=access_denied',
      `?state=${state}`,
      `?code=x&state=${state}`,
      fresh.search.replace(/state=[^&]*/, 'state=x'),
    ])
      expect([search, await provider.finishLogIn(search, mine.pending)]).toEqual([search, { unknown: expect.any(String) }]);
  });
});

it('that fails when somebody comes back is away, and does not refuse them', async () => {
  const failing = createServer(({ url }, response) => {
    const discovered = { issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks` };
    if (url?.startsWith('/.well-known/') === true) response.setHeader('Content-Type', 'application/json').end(JSON.stringify(discovered));
    else response.writeHead(503).end();
  });
  await new Promise<void>((resolve) => failing.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(failing.address() as AddressInfo).port}`;
  const one = new IdentityProvider({ ...server.config, issuer });
  const { address, pending } = (await one.beginLogIn()) as { readonly address: string; readonly pending: string };
  const state = new URL(address).searchParams.get('state');
  expect(await one.finishLogIn(`?code=x&state=${state}`, pending)).toEqual({ unavailable: expect.any(Error) });
  failing.close();
  failing.closeAllConnections();
});

describe('a logout token', () => {
  /** One that knows the keys after the rotation. */
  let fresh: IdentityProvider;
  beforeAll(() => {
    fresh = new IdentityProvider(server.config);
  });
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
  const claims = () => ({ aud: server.config.browser?.clientId ?? '', sub: 'ada', sid: 'there', jti: randomUUID(), events });

  it('says who has logged out, once', async () => {
    const token = await server.signed(claims());
    expect(await fresh.loggedOut(token)).toEqual({ subject: 'ada', sid: 'there', at: expect.any(Number) });
    expect(await fresh.loggedOut(token)).toEqual({ unknown: 'the logout token was sent before' });
    expect(await fresh.loggedOut(await server.signed({ ...claims(), sid: undefined }))).toMatchObject({ subject: 'ada' });
  });

  it.each<[string, () => Promise<string> | string]>([
    ['is an ID token', () => server.signed({ ...claims(), events: undefined })],
    ['is of another event', () => server.signed({ ...claims(), events: { 'http://schemas.openid.net/event/other': {} } })],
    ['has a nonce', () => server.signed({ ...claims(), nonce: 'n' })],
    ['names nobody', () => server.signed({ ...claims(), sub: undefined, sid: undefined })],
    ['has no id', () => server.signed({ ...claims(), jti: undefined })],
    ['is for another audience', () => server.signed({ ...claims(), aud: AUDIENCE })],
    ['is of another issuer', () => server.signed({ ...claims(), iss: 'https://evil.example' })],
    ['is old', () => server.signed({ ...claims(), iat: now() - 600 })],
    ['is over', () => server.signed({ ...claims(), exp: now() - 120 })],
    ['has a key id that the provider does not know', () => server.signed(claims(), { kid: 'unknown' })],
    ['has no signature', () => new UnsecuredJWT(claims()).setIssuer(server.issuer).setIssuedAt().encode()],
    ['is a word', () => 'x'],
    ['is empty', () => ''],
  ])('is refused when it %s', async (_what, make) => {
    expect(await fresh.loggedOut(await make())).toEqual({ unknown: expect.any(String) });
  });
});
