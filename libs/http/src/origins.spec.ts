import { isForeign } from './origins.js';

const own = 'http://127.0.0.1:3000';
const portal = 'https://portal.example';
const asked = (method: string, url: string, headers: Readonly<Record<string, string>>) =>
  isForeign({ method, url, headers, protocol: 'http', host: '127.0.0.1:3000' }, [portal]);

describe('a request', () => {
  it.each([
    ['of a program', {}],
    ['of a page of ours', { origin: own, 'sec-fetch-site': 'same-origin' }],
    ['of a page of ours, without Sec-Fetch', { origin: own }],
    ['that somebody typed', { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }],
    ['of a page that is allowed', { origin: portal, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }],
  ])('%s is not foreign', (_what, headers) => {
    for (const method of ['GET', 'POST', 'DELETE']) expect(asked(method, '/v1/tickets', headers)).toBe(false);
  });

  it.each([
    ['of another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['of another site, without Sec-Fetch', { origin: 'https://evil.example' }],
    ['of another site, without Origin', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
    ['of another port of this machine', { origin: 'http://127.0.0.1:3001', 'sec-fetch-site': 'same-site' }],
    ['of a page without an origin', { origin: 'null' }],
    ['of a page whose origin begins like an allowed one', { origin: `${portal}.evil.example` }],
  ])('%s is foreign, whether it changes or reads', (_what, headers) => {
    for (const method of ['GET', 'POST', 'DELETE'])
      for (const url of ['/v1/tickets', '/openapi.json']) expect(asked(method, url, headers)).toBe(true);
  });

  it('that follows a link gets a page, and nothing else', () => {
    const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    expect(['/docs', '/login', '/login/callback?code=x'].map((url) => asked('GET', url, link))).toEqual([false, false, false]);
    expect(asked('GET', '/v1/tickets', link)).toBe(true);
    expect(asked('POST', '/login', link)).toBe(true);
  });
});
