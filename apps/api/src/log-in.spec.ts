import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { jest } from '@jest/globals';
import { Secret, TOTP } from 'otpauth';
import { isRefusal } from '#eventsourcing';
import { unlessKeyMissing } from '#local';
import { IdentityProvider } from '#oidc';
import type { Principal } from '#ticketing';
import { asOperator, issueLink, logInKey, PasswordHashes } from '#ticketing-app';
import { startProvider, type TestProvider } from '../../../libs/oidc/src/testing/provider.js';
import { eventually } from '../../../test/eventually.js';
import { Authenticator } from './testing/authenticator.js';
import { type Answer, openingOf, PASSKEY_ORIGIN, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
let provider: TestProvider;
let identityProvider: IdentityProvider;
// What a hash costs in production its own spec shows.
const passwords = new PasswordHashes({ ln: 10, r: 8, p: 1 });
beforeAll(async () => {
  provider = await startProvider((user) => ({ name: 'Ada', roles: user === 'nobody' ? [] : ['lead'], clients: [api.client] }));
  identityProvider = new IdentityProvider(provider.config);
  api = await startApi({ identityProvider, secondFactorRoles: ['auditor'], passwords });
});
afterAll(async () => {
  await api?.stop();
  await provider?.close();
});

const CSRF = { 'X-CSRF-Protection': '1' };
const person = (more: Partial<Principal> = {}): Principal => ({
  kind: 'person',
  id: `jane-${randomUUID()}`,
  name: 'Jane',
  roles: ['lead'],
  clients: [api.client],
  tiers: 'all',
  teams: [],
  ...more,
});

async function linkFor(principal = person()): Promise<string> {
  const issued = await issueLink(api.store, { label: 'spec', principal }, asOperator());
  if (isRefusal(issued)) throw new Error(issued.message);
  return issued.token;
}

/** Nothing but what is given is sent along: no key. */
const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: object): Promise<Answer> =>
  send(api.url, method, path, { headers: { Cookie: 'other=1', ...headers }, ...(body && { body }) });
const logIn = (link: string, headers: Record<string, string> = {}) => ask('POST', '/v1/sessions', headers, { link });

interface Browser {
  readonly key: string;
  /** As a browser sends it. */
  readonly cookie: Record<string, string>;
}

async function loggedIn(principal = person()): Promise<Browser> {
  const { status, headers, json } = await logIn(await linkFor(principal));
  expect(status).toBe(201);
  return { key: json.key, cookie: { Cookie: `theme=dark; ${headers.get('set-cookie')?.split(';')[0]}` } };
}

describe('a link to log in', () => {
  it('is not used by looking at its page, and logs in once', async () => {
    const link = await linkFor();
    for (const method of ['GET', 'HEAD', 'GET']) expect((await ask(method, `/login?link=${link}`)).status).toBe(200);
    // No proxy is trusted here: what is said of one makes no difference.
    const first = await logIn(link, { 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '203.0.113.1' });
    expect([first.status, first.json.principal.name]).toEqual([201, 'Jane']);
    expect(first.headers.get('set-cookie')).toMatch(
      /^tierline_session=tierline_[0-9a-f]{20}_[0-9a-f]{72}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    const again = await logIn(link);
    expect([again.status, again.json.code, again.headers.get('set-cookie')]).toEqual([401, 'unauthenticated', null]);
  });

  it('logs in one of many who press the button at once', async () => {
    const link = await linkFor();
    const answers = await Promise.all(Array.from({ length: 5 }, () => logIn(link)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401, 401, 401]);
  });

  it('logs no one in for a page of another origin', async () => {
    const link = await linkFor();
    const foreign: Record<string, string>[] = [
      { Origin: 'https://evil.example' },
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site' },
    ];
    for (const headers of foreign) expect((await logIn(link, headers)).status).toBe(403);
    expect((await logIn(link, { Origin: api.url, 'Sec-Fetch-Site': 'same-origin' })).status).toBe(201);
  });

  it('has a page that runs no foreign scripts', async () => {
    const { headers, text } = await ask('GET', '/login');
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'self';.* form-action 'none'; frame-ancestors 'none'$/,
    );
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    for (const [, file = ''] of text.matchAll(/(?:src|href)="(\/login\/page[^"]+)"/g)) expect((await ask('GET', file)).status).toBe(200);
    expect((await ask('GET', '/login/constructor')).status).toBe(404);
  });
});

describe('a session', () => {
  it('gives access to what its principal may see, only by the cookie', async () => {
    const { key, cookie } = await loggedIn();
    const { json } = await ask('GET', '/v1/principal', cookie);
    expect(json).toMatchObject({ principal: { kind: 'person', name: 'Jane', roles: ['lead'] }, credential: { key, form: 'session' } });
    expect((await ask('GET', '/v1/tickets', cookie)).status).toBe(200);
    expect((await ask('GET', '/v1/api-keys', cookie)).status).toBe(403);
    const token = /tierline_session=(\S+)/.exec(cookie['Cookie'] ?? '')?.[1] ?? '';
    expect((await ask('GET', '/v1/tickets', { Authorization: `Bearer ${token}` })).status).toBe(401);
    // A key is none in a cookie; and a key that is not valid is not made good by a cookie.
    expect((await ask('GET', '/v1/tickets', { Cookie: `tierline_session=${await linkFor()}` })).status).toBe(401);
    expect((await ask('GET', '/v1/tickets', { ...cookie, Authorization: 'Bearer x' })).status).toBe(401);
  });

  it('makes changes only for our own pages', async () => {
    const { cookie } = await loggedIn();
    const body = openingOf(api.client);
    const change = (headers: Record<string, string>) => ask('POST', '/v1/tickets', { ...cookie, ...headers }, body);
    const refused: Record<string, string>[] = [
      {},
      { Origin: api.url },
      { 'Sec-Fetch-Site': 'same-origin' },
      { ...CSRF, Origin: 'https://evil.example' },
      { ...CSRF, Origin: 'null' },
      // Another port of this machine is the same site, and another origin.
      { ...CSRF, Origin: 'http://127.0.0.1:1', 'Sec-Fetch-Site': 'same-site' },
      { ...CSRF, 'Sec-Fetch-Site': 'cross-site' },
    ];
    for (const headers of refused) {
      const { status, json } = await change(headers);
      expect([headers, status, json.code]).toEqual([headers, 403, expect.stringMatching(/^(forbidden|foreign-origin)$/)]);
    }
    expect((await change({ ...CSRF, Origin: api.url, 'Sec-Fetch-Site': 'same-origin' })).status).toBe(201);
    expect((await change(CSRF)).status).toBe(201);
    const history = await ask('GET', `/v1/tickets/${(await change(CSRF)).json.ticketId}/history?atLeast=0`, cookie);
    expect(history.json.items[0].actor).toMatchObject({ kind: 'agent', name: 'Jane' });
  });

  it('ends when it is logged out, on the server', async () => {
    const { key, cookie } = await loggedIn();
    expect((await ask('DELETE', `/v1/sessions/${key}`, cookie)).status).toBe(403);
    expect((await ask('DELETE', `/v1/sessions/${key}`, { ...cookie, ...CSRF })).status).toBe(200);
    const { status, headers } = await ask('GET', '/v1/principal', cookie);
    expect([status, headers.get('set-cookie')]).toEqual([401, 'tierline_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax']);
  });

  it('is listed for its owner, and ended only by them', async () => {
    const jane = person();
    const [one, other] = [await loggedIn(jane), await loggedIn(jane)];
    const stranger = await loggedIn();
    const listed = async () => ((await ask('GET', '/v1/sessions', one.cookie)).json.items as { key: string }[]).map(({ key }) => key);
    await eventually(listed, (keys) => keys.length === 2);
    expect(await listed()).toEqual([one.key, other.key].sort());
    const end = async (key: string, by: Browser) => (await ask('DELETE', `/v1/sessions/${key}`, { ...by.cookie, ...CSRF })).json;
    const [theirs, nobodys] = [await end(one.key, stranger), await end('0'.repeat(20), stranger)];
    expect([theirs.code, theirs.detail]).toEqual(['key-not-found', nobodys.detail]);
    await end(other.key, one);
    await eventually(listed, (keys) => keys.length === 1);
    expect((await ask('GET', '/v1/principal', other.cookie)).status).toBe(401);
  });

  it('cannot be forged', async () => {
    const { cookie } = await loggedIn();
    const text = cookie['Cookie'] ?? '';
    for (const forged of [
      text.slice(0, -1),
      `${text}0`,
      text.toUpperCase().replace('TIERLINE_SESSION', 'tierline_session'),
      'tierline_session=',
      'tierline_session',
    ])
      expect((await ask('GET', '/v1/principal', { Cookie: forged })).status).toBe(401);
  });
});

/** As much of a browser as the page takes: its elements, its address, its cookies. */
function browserAt(html: string, hash: string, search = '') {
  interface Element {
    hidden: boolean;
    textContent: string;
    value: string;
    readonly focus: () => void;
    onclick?: () => Promise<void>;
    onsubmit?: (event: { readonly preventDefault: () => void }) => Promise<void>;
  }
  const element = (): Element => ({ hidden: true, textContent: '', value: '', focus: () => undefined });
  const elements = new Map<string, Element>();
  const jar: Record<string, string> = { Cookie: 'other=1' };
  const location = { hash, pathname: '/login', search };
  const page = {
    location,
    document: {
      getElementById: (id: string) => (html.includes(`id="${id}"`) ? (elements.get(id) ?? elements.set(id, element()).get(id)) : null),
    },
    history: { replaceState: () => void (location.hash = '') },
    addEventListener: () => undefined,
    fetch: async (path: string, { headers, ...init }: RequestInit) => {
      const answer = await fetch(api.url + path, { ...init, headers: { ...(headers as object), ...jar, Origin: api.url } });
      jar['Cookie'] = answer.headers.get('set-cookie')?.split(';')[0] ?? jar['Cookie'] ?? '';
      return answer;
    },
  };
  const text = (id: string) => elements.get(id)?.textContent ?? '';
  const press = (id: string) => {
    const element = elements.get(id);
    if (element === undefined || element.hidden) throw new Error(`there is no button ${id}`);
    return element.onclick?.();
  };
  /** Types into an element of a form, and sends that. */
  const enter = async (form: string, typed: Readonly<Record<string, string>>) => {
    if (elements.get(form)?.hidden !== false) throw new Error(`there is no form ${form}`);
    for (const [id, value] of Object.entries(typed)) page.document.getElementById(id)!.value = value;
    await elements.get(form)?.onsubmit?.({ preventDefault: () => undefined });
  };
  const shown = () => [...elements].flatMap(([id, { hidden }]) => (hidden || id.startsWith('begin-') ? [] : [id]));
  return { page, location, text, press, enter, shown };
}

describe('the page', () => {
  it('logs in with the button, shows who is logged in, and logs out', async () => {
    const script = (await ask('GET', '/login/page.js')).text;
    const { page, location, text, press } = browserAt((await ask('GET', '/login')).text, `#${await linkFor()}`);
    runInNewContext(script, page);
    expect([text('said'), location.hash]).toEqual(['This link logs you in, once.', '']);
    await press('log-in');
    expect(text('said')).toBe('Logged in as Jane (lead).');
    await press('log-out');
    expect(text('said')).toMatch(/^Nobody is logged in/);
    expect(() => press('log-out')).toThrow();
  });

  it('says so when the server does not answer, and keeps the link for another try', async () => {
    const script = (await ask('GET', '/login/page.js')).text;
    const { page, text, press, shown } = browserAt((await ask('GET', '/login')).text, `#${await linkFor()}`);
    runInNewContext(script, page);
    const { fetch: there } = page;
    const away = () => Promise.reject(new TypeError('Failed to fetch'));
    page.fetch = away;
    await press('log-in');
    expect([text('said'), shown()]).toEqual(['The server did not answer. Try again.', ['log-in']]);
    page.fetch = there;
    await press('log-in');
    expect(text('said')).toBe('Logged in as Jane (lead).');
    page.fetch = away;
    await press('log-out');
    expect(text('said')).toBe('You are still logged in: The server did not answer. Try again.');
  });
});

describe('a token of the identity provider', () => {
  const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

  it('opens what its claims say', async () => {
    const lead = bearer(await provider.signed({ clients: [api.client] }));
    expect((await ask('GET', '/v1/principal', lead)).json).toEqual({
      principal: { kind: 'person', id: 'jane', roles: ['lead'], clients: [api.client], tiers: 'all', teams: [] },
    });
    expect((await ask('GET', '/v1/tickets', lead)).status).toBe(200);
    expect((await ask('GET', '/v1/api-keys', lead)).json.detail).toBe('This requires the role auditor, or administrator');
    expect((await ask('GET', '/v1/tickets', bearer(await provider.serviceToken()))).status).toBe(200);
    const none = bearer(await provider.signed({ roles: ['root'] }));
    expect((await ask('GET', '/v1/tickets', none)).status).toBe(403);
    const forSomebody = { ...lead, 'X-Actor-Id': 'bob' };
    const body = openingOf(api.client);
    expect((await ask('POST', '/v1/tickets', forSomebody, body)).json.code).toBe('forbidden');
  });

  it('is refused like a key that is not valid', async () => {
    for (const token of [await provider.signed({ exp: 1 }), await provider.signed({ aud: 'other' }), 'x', 'a.b.c']) {
      const { status, headers, json } = await ask('GET', '/v1/tickets', bearer(token));
      expect([status, json.code, json.detail]).toEqual([401, 'unauthenticated', 'The key or token is not valid']);
      expect(headers.get('www-authenticate')).toBe('Bearer realm="tierline"');
    }
  });
});

describe('logging in at the identity provider', () => {
  /** The browser up to where the provider sends it back. */
  async function away(user: string) {
    const { status, headers } = await ask('GET', '/login/oidc');
    expect(status).toBe(302);
    const [cookie = ''] = headers.getSetCookie();
    expect(cookie).toMatch(/^tierline_login=[\w-]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/);
    const { pathname, search } = await provider.logIn(headers.get('location') ?? '', user);
    return { back: pathname + search, cookie: { Cookie: cookie.split(';')[0] ?? '' } };
  }
  const sessionIn = ({ headers }: Answer) => headers.getSetCookie().find((cookie) => cookie.startsWith('tierline_session='));

  it('starts a session', async () => {
    expect((await ask('GET', '/login')).text).toContain('href="/login/oidc"');
    const { back, cookie } = await away('ada');
    const answer = await ask('GET', back, cookie);
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/login']);
    const session = { Cookie: sessionIn(answer)?.split(';')[0] ?? '' };
    const { principal, credential } = (await ask('GET', '/v1/principal', session)).json;
    expect(principal).toEqual({ kind: 'person', id: 'ada', name: 'Ada', roles: ['lead'], clients: [api.client], tiers: 'all', teams: [] });
    expect((await ask('DELETE', `/v1/sessions/${credential.key}`, { ...session, ...CSRF })).status).toBe(200);
    expect((await ask('GET', '/v1/principal', session)).status).toBe(401);
  });

  it('is logged out there after logging out here, and vice versa', async () => {
    const inBrowser = async () => {
      const { back, cookie } = await away('ada');
      const answer = await ask('GET', back, cookie);
      const cookieNamed = (name: string) =>
        answer.headers
          .getSetCookie()
          .find((one) => one.startsWith(name))
          ?.split(';')[0] ?? '';
      expect(answer.headers.getSetCookie().join()).toMatch(
        /tierline_id_token=[\w.-]+; Max-Age=43200; Path=\/login\/oidc; HttpOnly; SameSite=Lax/,
      );
      return { session: { Cookie: cookieNamed('tierline_session') }, idToken: { Cookie: cookieNamed('tierline_id_token') } };
    };
    const [one, other] = [await inBrowser(), await inBrowser()];
    expect((await ask('POST', '/login/oidc/log-out', one.idToken)).status).toBe(403);
    const { json, headers } = await ask('POST', '/login/oidc/log-out', { ...one.idToken, ...CSRF });
    expect(headers.get('set-cookie')).toMatch(/^tierline_id_token=; Max-Age=0/);
    expect((await ask('POST', '/login/oidc/log-out', CSRF)).json).toEqual({});

    expect(await provider.logOut(json.address, 'ada')).toMatch(/^http:\/\/127\.0\.0\.1:4000\/login/);
    const [token = ''] = provider.logOutTokens;
    const tell = (logOutToken: string) =>
      send(api.url, 'POST', '/login/oidc/back-channel', {
        body: new URLSearchParams({ logout_token: logOutToken }).toString(),
        headers: { Cookie: 'other=1', 'Content-Type': 'application/x-www-form-urlencoded' },
      });
    expect((await ask('GET', '/v1/principal', other.session)).status).toBe(200);
    // By when both sessions are in the view that they are found in.
    await eventually(
      async () => (await ask('GET', '/v1/sessions', other.session)).json.items as object[],
      (items) => items.length >= 2,
    );
    expect((await tell(token)).status).toBe(200);
    // The browser of the first had another session there.
    expect((await ask('GET', '/v1/principal', one.session)).status).toBe(200);
    expect((await ask('GET', '/v1/principal', other.session)).status).toBe(401);
    for (const refused of [token, 'x', '']) expect((await tell(refused)).status).toBe(400);
  });

  it('is told on the page that the provider does not answer', async () => {
    const away = { unavailable: new Error('away') };
    const begin = jest.spyOn(identityProvider, 'beginLogIn').mockResolvedValueOnce(away);
    const finish = jest.spyOn(identityProvider, 'finishLogIn').mockResolvedValueOnce(away);
    for (const path of ['/login/oidc', '/login/callback?code=x&state=x']) {
      const { status, headers } = await ask('GET', path);
      expect([path, status, headers.get('location')]).toEqual([path, 302, '/login?unavailable']);
    }
    begin.mockRestore();
    finish.mockRestore();
    const { page, text } = browserAt((await ask('GET', '/login')).text, '', '?unavailable');
    runInNewContext((await ask('GET', '/login/page.js')).text, page);
    await eventually(
      () => text('said'),
      (said) => said !== '',
    );
    expect(text('said')).toMatch(/^The identity provider does not answer/);
  });

  it('starts no session if replayed, forged or begun elsewhere, nor for users without a role', async () => {
    const [mine, theirs, nobody] = [await away('ada'), await away('mallory'), await away('nobody')];
    expect(sessionIn(await ask('GET', mine.back, mine.cookie))).toBeDefined();
    for (const { back, cookie } of [
      mine,
      { back: theirs.back, cookie: {} },
      { back: theirs.back, cookie: mine.cookie },
      { back: theirs.back.replace('state=', 'state=x'), cookie: theirs.cookie },
      { back: '/login/callback', cookie: mine.cookie },
      { back: '/login/callback?error=access_denied', cookie: mine.cookie },
      nobody,
    ]) {
      const answer = await ask('GET', back, cookie as Record<string, string>);
      expect([answer.status, answer.headers.get('location'), sessionIn(answer)]).toEqual([302, '/login?failed', undefined]);
    }
  });
});

describe('an account', () => {
  const PASSWORD = 'four words by chance';

  /** The id of a new account, and a link for it. */
  async function invited(rights: object = { roles: ['lead'], clients: [api.client] }): Promise<{ account: string; link: string }> {
    const account = `ada-${randomUUID()}`;
    expect((await send(api.url, 'POST', '/v1/accounts', { body: { account, name: 'Ada', ...rights } })).status).toBe(200);
    const made = await send(api.url, 'POST', `/v1/accounts/${account}/links`);
    expect(made.status).toBe(201);
    return { account, link: made.json.token };
  }
  const setPassword = (body: object) => ask('POST', '/v1/passwords', {}, body);
  const byPassword = (account: string, password: string) => ask('POST', '/v1/sessions', {}, { account, password });
  const cookieOf = ({ headers }: Answer) => ({ Cookie: headers.get('set-cookie')?.split(';')[0] ?? 'none=1' });
  const whoIs = (answer: Answer) => ask('GET', '/v1/principal', cookieOf(answer));

  it('gets a password with a one-time link, and logs in with it', async () => {
    const { account, link } = await invited();
    const weak = await setPassword({ link, newPassword: 'elevenchars' });
    expect([weak.status, weak.json.code]).toEqual([422, 'password-too-short']);
    expect((await byPassword(account, '')).status).toBe(400);
    const hash = jest.spyOn(passwords, 'hash').mockResolvedValueOnce('busy');
    expect((await setPassword({ link, newPassword: PASSWORD })).status).toBe(429);
    hash.mockRestore();
    expect((await whoIs(await setPassword({ link, newPassword: PASSWORD }))).json.principal).toMatchObject({
      id: account,
      roles: ['lead'],
    });
    expect((await setPassword({ link, newPassword: 'another one, longer' })).status).toBe(401);
    const session = await byPassword(account, PASSWORD);
    expect([session.status, (await whoIs(session)).json.principal.name]).toEqual([201, 'Ada']);
    const shown = await send(api.url, 'GET', `/v1/accounts/${account}`);
    expect(shown.json).toMatchObject({ hasPassword: true, lastLogInBy: 'password', principal: { roles: ['lead'] } });
    expect(shown.text).not.toContain('scrypt');
    await eventually(
      async () => (await send(api.url, 'GET', '/v1/accounts?limit=200')).json.items as { account: string }[],
      (items) => items.some((item) => item.account === account),
    );
    let log = '';
    for await (const { type, data, metadata } of api.store.readStream(`account-${account}`)) log += JSON.stringify([type, data, metadata]);
    expect(log).toContain('$scrypt$');
    for (const secret of [PASSWORD, link, session.headers.get('set-cookie')?.split(/[=;]/)[1] ?? 'x']) expect(log).not.toContain(secret);
  });

  it('gets new rights at once, and has none once it is suspended', async () => {
    const { account, link } = await invited();
    const session = await setPassword({ link, newPassword: PASSWORD });
    await send(api.url, 'PUT', `/v1/accounts/${account}`, { body: { roles: ['auditor'], clients: [api.client] } });
    expect((await whoIs(session)).json.principal).toMatchObject({ id: account, roles: ['auditor'] });
    const unused = (await send(api.url, 'POST', `/v1/accounts/${account}/links`)).json.token as string;
    await send(api.url, 'POST', `/v1/accounts/${account}/suspend`, { body: { reason: 'left' } });
    expect((await whoIs(session)).status).toBe(401);
    const refused = await Promise.all([byPassword(account, PASSWORD), logIn(unused), setPassword({ link: unused, newPassword: PASSWORD })]);
    expect(refused.map(({ status }) => status)).toEqual([401, 401, 401]);
    await send(api.url, 'POST', `/v1/accounts/${account}/reinstate`);
    expect((await byPassword(account, PASSWORD)).status).toBe(201);
  });

  it('loses sessions from before its password was changed', async () => {
    const { account, link } = await invited();
    const before = await setPassword({ link, newPassword: PASSWORD });
    const wrong = await setPassword({ account, password: 'x', newPassword: 'another one, longer' });
    const after = await setPassword({ account, password: PASSWORD, newPassword: 'another one, longer' });
    expect([wrong.status, after.status]).toEqual([401, 201]);
    expect([(await whoIs(before)).status, (await whoIs(after)).status]).toEqual([401, 200]);
    expect((await byPassword(account, PASSWORD)).status).toBe(401);
  });

  it('is indistinguishable from a missing one, and guesses are slowed down without locking anyone out', async () => {
    const { account, link } = await invited();
    await setPassword({ link, newPassword: PASSWORD });
    const nobody = `nobody-${randomUUID()}`;
    const [wrong, none] = [await byPassword(account, 'wrong password'), await byPassword(nobody, 'wrong password')];
    expect([wrong.status, wrong.json.code, wrong.json.detail]).toEqual([401, 'unauthenticated', none.json.detail]);
    for (const id of [account, nobody]) {
      const guesses = await Promise.all(Array.from({ length: 40 }, (_, index) => byPassword(id, `wrong password ${index}`)));
      const slowed = guesses.filter(({ status }) => status === 429);
      expect(slowed.length).toBeGreaterThan(20);
      for (const { json, headers } of slowed) {
        expect(json.code).toBe('too-many-attempts');
        expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      }
    }
    await eventually(
      () => byPassword(account, PASSWORD),
      ({ status }) => status === 201,
    );
  });

  describe('with an authenticator', () => {
    /** A code of now, or of the next step, which is taken as well: however long it takes to send, it is of a step that is. */
    const codeAt = (secret: string, steps = 0) =>
      new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 });
    const withCode = (account: string, code?: string) =>
      ask('POST', '/v1/sessions', {}, { account, password: PASSWORD, ...(code && { code }) });

    /** An account whose person has enrolled an authenticator. */
    async function enrolled() {
      const { account, link } = await invited();
      const session = cookieOf(await setPassword({ link, newPassword: PASSWORD }));
      const own = (method: string, path = '', body?: object) => ask(method, `/v1/own-account${path}`, { ...session, ...CSRF }, body);
      const { json: begun } = await own('POST', '/totp');
      const { secret, enrolment } = begun as { secret: string; enrolment: string };
      const wrong = await own('POST', '/totp/confirmation', { enrolment, code: '000000' });
      expect([wrong.status, wrong.json.code]).toEqual([422, 'wrong-code']);
      const { status, json } = await own('POST', '/totp/confirmation', { enrolment, code: codeAt(secret) });
      expect([status, begun.uri]).toEqual([200, expect.stringContaining(`otpauth://totp/Tierline:${account}?`)]);
      return { account, secret, own, session, recoveryCodes: json.recoveryCodes as string[] };
    }

    it('accepts its codes and recovery codes, each once; they are never shown', async () => {
      const { account, secret, own, recoveryCodes } = await enrolled();
      const without = await withCode(account);
      expect([without.status, without.json.code, without.headers.get('set-cookie')]).toEqual([401, 'second-factor-required', null]);
      const code = codeAt(secret, 1);
      const both = await Promise.all([withCode(account, code), withCode(account, code)]);
      expect(both.map(({ status }) => status).sort()).toEqual([201, 401]);
      expect((await withCode(account, code)).json.code).toBe('unauthenticated');
      const [recovery = ''] = recoveryCodes;
      expect((await withCode(account, recovery.toUpperCase())).status).toBe(201);
      expect((await withCode(account, recovery)).status).toBe(401);
      expect((await own('GET')).json).toMatchObject({ account, recoveryCodesLeft: 9 });

      const history = await send(api.url, 'GET', `/v1/accounts/${account}/history`);
      expect(history.json.items.map(({ type }: { type: string }) => type)).toContain('AccountTotpEnrolled');
      expect(history.json.items.at(-1).actor.id).toBe('authentication');
      let log = '';
      for await (const { data } of api.store.readStream(`account-${account}`)) log += JSON.stringify(data);
      for (const told of [secret, ...recoveryCodes]) expect(`${log}${history.text}`).not.toContain(told);
      expect(history.text).not.toMatch(/[0-9a-f]{64}":|recoveryHashes/);
    });

    it('also requires its code with a link, which is not used up without it', async () => {
      const { account, secret } = await enrolled();
      const { token: link } = (await send(api.url, 'POST', `/v1/accounts/${account}/links`)).json;
      expect((await logIn(link)).json.code).toBe('second-factor-required');
      expect((await setPassword({ link, newPassword: 'another one, longer' })).json.code).toBe('second-factor-required');
      expect((await setPassword({ link, code: codeAt(secret, 1), newPassword: 'another one, longer' })).status).toBe(201);
      expect((await byPassword(account, PASSWORD)).json.code).toBe('unauthenticated');
    });

    it('asks again only for the code if that was wrong', async () => {
      const { account, secret } = await enrolled();
      const { token: link } = (await send(api.url, 'POST', `/v1/accounts/${account}/links`)).json;
      const [script, html] = [(await ask('GET', '/login/page.js')).text, (await ask('GET', '/login')).text];
      const { page, text, enter, shown } = browserAt(html, `#password-${link}`);
      runInNewContext(script, page);
      expect(shown()).toEqual(['set-password']);
      await enter('set-password', { 'new-password': ' '.repeat(12) });
      expect([text('said'), shown()]).toEqual([expect.stringMatching(/^newPassword must/), ['set-password']]);
      await enter('set-password', { 'new-password': 'another one, longer' });
      expect(shown()).toEqual(['with-code']);
      await enter('with-code', { code: '000000' });
      expect([text('said'), shown()]).toEqual(['The account, password, code or passkey is wrong', ['with-code']]);
      await enter('with-code', { code: codeAt(secret, 1) });
      expect([text('said'), shown()]).toEqual(['Logged in as Ada (lead).', ['log-out']]);

      const unknown = browserAt(html, `#${link.slice(0, -1)}`);
      runInNewContext(script, unknown.page);
      await unknown.press('log-in');
      expect([unknown.text('said'), unknown.shown()]).toEqual([expect.stringContaining('already used'), ['with-password', 'elsewhere']]);
    });

    it('loses it with a code, or through an administrator', async () => {
      const one = await enrolled();
      // Its codes derive from a key: where that is missing, nothing starts with another one.
      const key = logInKey({ logIn: { keyFile: join(api.stores.directory, 'no-log-in-key') } });
      await eventually(() => expect(unlessKeyMissing(api.mongo, key)).rejects.toThrow(/no-log-in-key is missing.*LOG_IN_KEY_FILE/));
      await unlessKeyMissing(api.mongo, { ...key, file: join(api.stores.directory, 'log-in-key') });
      await unlessKeyMissing(api.mongo, { ...key, owners: { ...key.owners, where: { _id: randomUUID() } } });
      expect((await one.own('POST', '/totp')).json.code).toBe('totp-enrolled');
      expect((await one.own('POST', '/totp/removal', { code: '000000' })).json.code).toBe('second-factor-required');
      expect((await one.own('POST', '/totp/removal', { code: codeAt(one.secret, 1) })).status).toBe(204);
      expect((await withCode(one.account)).status).toBe(201);
      const other = await enrolled();
      expect((await send(api.url, 'DELETE', `/v1/accounts/${other.account}/totp`)).status).toBe(200);
      expect((await withCode(other.account)).status).toBe(201);
    });

    it('guesses of codes are slowed down', async () => {
      const { account } = await enrolled();
      const guesses = await Promise.all(Array.from({ length: 8 }, (_, index) => withCode(account, String(100_000 + index))));
      expect(guesses.filter(({ status }) => status === 429).length).toBeGreaterThan(2);
    });

    it('can be required for a role: until then a session is useless', async () => {
      const { link } = await invited({ roles: ['auditor'], clients: [api.client] });
      const session = cookieOf(await setPassword({ link, newPassword: PASSWORD }));
      expect((await ask('GET', '/v1/tickets', session)).json.code).toBe('second-factor-missing');
      expect((await ask('GET', '/v1/principal', session)).status).toBe(200);
      const own = (path: string, body?: object) => ask('POST', `/v1/own-account/totp${path}`, { ...session, ...CSRF }, body);
      const { secret, enrolment } = (await own('')).json;
      await own('/confirmation', { enrolment, code: codeAt(secret) });
      expect((await ask('GET', '/v1/tickets', session)).status).toBe(200);
    });
  });

  describe('with a passkey', () => {
    /** A person who is logged in, and an authenticator with a passkey of theirs. */
    async function registered(rights?: object) {
      const { account, link } = await invited(rights);
      const session = cookieOf(await setPassword({ link, newPassword: PASSWORD }));
      const own = (method: string, path = '', body?: object) => ask(method, `/v1/own-account${path}`, { ...session, ...CSRF }, body);
      const authenticator = new Authenticator(PASSKEY_ORIGIN);
      const options = (await own('POST', '/passkeys/options')).json;
      const added = await own('POST', '/passkeys', { label: 'Laptop', response: authenticator.create(options) });
      expect(added.status).toBe(201);
      return { account, own, session, authenticator, passkey: added.json.passkey as string };
    }
    const challenge = async () => (await ask('POST', '/v1/passkey-challenges')).json;
    const withPasskey = (passkey: object) => ask('POST', '/v1/sessions', {}, { passkey });

    it('logs in with that alone, as the person who added it', async () => {
      const { account, own, authenticator, passkey } = await registered();
      for (let time = 0; time < 2; time++) {
        const session = await withPasskey(authenticator.get(await challenge()));
        expect([session.status, (await whoIs(session)).json.principal.id]).toEqual([201, account]);
      }
      const passkeys = [{ passkey, label: 'Laptop', addedAt: expect.any(String), lastUsedAt: expect.any(String) }];
      const { text, json } = await own('GET');
      expect(json).toMatchObject({ passkeys, lastLogInBy: 'passkey' });
      expect(text).not.toContain('publicKey');
      const history = await send(api.url, 'GET', `/v1/accounts/${account}/history`);
      expect(history.text).toContain('AccountPasskeyAdded');
      expect(history.text).not.toMatch(/publicKey|passkeyKeys/);
    });

    it('does not log in if replayed, forged or from another site', async () => {
      const { authenticator, account } = await registered();
      const other = await registered();
      const options = await challenge();
      const good = authenticator.get(options);
      expect((await withPasskey(good)).status).toBe(201);
      const tampered = authenticator.get(await challenge()) as { response: { signature: string } };
      const wrong: object[] = [
        good,
        // A challenge works once, even for another answer.
        authenticator.get(options),
        authenticator.get(await challenge(), { origin: 'https://evil.example' }),
        authenticator.get(await challenge(), { rpId: 'evil.example' }),
        authenticator.get(await challenge(), { unverified: true }),
        authenticator.get(await challenge(), { counter: 0 }),
        authenticator.get({ ...(await challenge()), challenge: 'A'.repeat(75) }),
        authenticator.get(await challenge(), { userHandle: Buffer.from(other.account).toString('base64url') }),
        new Authenticator(PASSKEY_ORIGIN).get(await challenge(), { userHandle: Buffer.from(account).toString('base64url') }),
        { ...tampered, response: { ...tampered.response, signature: `${tampered.response.signature.slice(0, -4)}AAAA` } },
        {},
        { id: 1, response: 'x' },
      ];
      for (const [index, answer] of wrong.entries()) {
        const { status, json } = await withPasskey(answer);
        expect([index, status, json.code]).toEqual([index, 401, 'unauthenticated']);
      }
      // What it is registered for is of one account.
      const foreign = (await other.own('POST', '/passkeys/options')).json;
      const mine = await registered();
      const made = { label: 'x', response: new Authenticator(PASSKEY_ORIGIN).create(foreign) };
      expect((await mine.own('POST', '/passkeys', made)).json.code).toBe('passkey-invalid');
      expect((await withPasskey(authenticator.get(await challenge()))).status).toBe(201);
    });

    it('is removed by its owner, or by an administrator', async () => {
      const { account, own, authenticator, passkey } = await registered();
      expect((await own('DELETE', '/passkeys/none')).status).toBe(404);
      expect((await own('DELETE', `/passkeys/${passkey}`)).status).toBe(204);
      expect((await withPasskey(authenticator.get(await challenge()))).status).toBe(401);
      const other = await registered();
      expect((await send(api.url, 'DELETE', `/v1/accounts/${other.account}/passkeys/${other.passkey}`)).status).toBe(200);
      expect((await send(api.url, 'DELETE', `/v1/accounts/${account}/passkeys/${passkey}`)).status).toBe(404);
    });

    it('is a second factor required by a role, for which a password alone no longer suffices', async () => {
      const { account, session, authenticator } = await registered({ roles: ['auditor'], clients: [api.client] });
      expect((await ask('GET', '/v1/tickets', session)).status).toBe(200);
      expect((await byPassword(account, PASSWORD)).json).toMatchObject({ code: 'second-factor-required', factor: 'passkey' });
      expect((await withPasskey(authenticator.get(await challenge()))).status).toBe(201);
    });
  });

  it("is created and changed only within the sender's clients", async () => {
    const { account } = await invited({ roles: ['agent'], allClients: true });
    const some = await loggedIn(person({ roles: ['administrator'] }));
    const as = (method: string, path: string, body?: object) => ask(method, path, { ...some.cookie, ...CSRF }, body);
    expect((await as('POST', '/v1/accounts', { account: `x-${randomUUID()}`, roles: ['agent'], clients: ['another'] })).status).toBe(403);
    expect((await as('POST', '/v1/accounts', { account: `x-${randomUUID()}`, roles: ['agent'], allClients: true })).status).toBe(403);
    expect((await as('POST', '/v1/accounts', { account, roles: ['agent'], clients: [api.client] })).status).toBe(403);
    for (const [method, path, body] of [
      ['GET', ''],
      ['POST', '/links'],
      ['POST', '/suspend', {}],
      ['PUT', '', { roles: ['agent'], clients: [api.client] }],
    ] as const) {
      const theirs = await as(method, `/v1/accounts/${account}${path}`, body);
      const nobodys = await as(method, `/v1/accounts/nobody-${account}${path}`, body);
      if (method === 'PUT') expect([theirs.status, nobodys.status]).toEqual([404, 404]);
      else expect([theirs.status, theirs.json.detail]).toEqual([404, nobodys.json.detail]);
    }
    expect((await send(api.url, 'GET', `/v1/accounts/${account}`)).json.principal).toMatchObject({ roles: ['agent'], clients: 'all' });
  });
});
