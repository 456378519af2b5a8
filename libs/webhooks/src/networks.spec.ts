import { Networks } from './networks.js';
import { post } from './post.js';

const tls = { tls: true };
const plain = { tls: false };

describe('where requests may go', () => {
  const none = new Networks([]);
  const some = new Networks(['10.1.0.0/16', '127.0.0.1/32', 'fd00:1::/32']);

  it.each(['93.184.216.34', '2606:2800:220:1::1'])('%s is public: by TLS', (address) => {
    expect([none.allows(address, tls), none.allows(address, plain)]).toEqual([true, false]);
  });

  it.each([
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '192.0.2.1',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::1',
    '2001::1',
    '2001:db8::1',
  ])('%s is not', (address) => {
    expect([none.allows(address, tls), none.allows(address, plain)]).toEqual([false, false]);
  });

  it('opens networks that are named, without TLS, too', () => {
    for (const address of ['10.1.2.3', '127.0.0.1', 'fd00:1::5', '::ffff:10.1.2.3']) expect(some.allows(address, plain)).toBe(true);
    for (const address of ['10.2.0.1', '127.0.0.2', 'fd00:2::5']) expect(some.allows(address, tls)).toBe(false);
  });

  it.each([
    'http://127.0.0.1:1/',
    'https://[::1]:1/',
    'https://[::ffff:127.0.0.1]:1/',
    'https://2130706433:1/',
    'https://0x7f.1:1/',
    'https://localhost:1/',
    'http://localhost:1/',
  ])('refuses %s before anything is sent', async (url) => {
    const { signal } = new AbortController();
    const result = await post(new URL(url), { networks: none, headers: {}, body: '', timeoutMs: 10_000, signal });
    expect(result).toMatchObject({ error: expect.stringContaining('WEBHOOK_NETWORKS') });
    expect(result.status).toBeUndefined();
  });
});

describe('an address that no request may ever go to', () => {
  const [none, some] = [new Networks([]), new Networks(['127.0.0.1/32'])];
  const forbidden = (networks: Networks, url: string) => networks.forbids(new URL(url)) !== undefined;

  it.each([
    // However it is written.
    ...['http://127.0.0.1/x', 'https://127.0.0.1', 'https://0x7f.1/', 'https://[::1]/', 'https://[::ffff:7f00:1]', 'http://93.184.216.34/'],
    // No name leads anywhere without TLS where no network is named.
    'http://hooks.example/x',
  ])('is %s', (url) => {
    expect(forbidden(none, url)).toBe(true);
  });

  it.each(['https://hooks.example/x', 'https://93.184.216.34/', 'https://localhost/x'])(
    'is not %s: that is checked when sending',
    (url) => {
      expect(forbidden(none, url)).toBe(false);
    },
  );

  it('is not one of a network that is named, nor a name that may lead there', () => {
    for (const url of ['http://127.0.0.1:8080/x', 'https://127.0.0.1', 'https://[::ffff:127.0.0.1]', 'http://hooks.example/x'])
      expect([url, forbidden(some, url)]).toEqual([url, false]);
    expect(forbidden(some, 'http://127.0.0.2')).toBe(true);
  });
});
