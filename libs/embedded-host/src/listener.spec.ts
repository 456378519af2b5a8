import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BadCertificate, checkListener, NotLoopback, urlHost } from './index.js';

const fixtures = join(process.cwd(), 'libs/embedded-eventstoredb/fixtures/tls');
const tls = { cert: readFileSync(join(fixtures, 'cert.pem'), 'utf8'), key: readFileSync(join(fixtures, 'key.pem'), 'utf8') };
const credentials = { user: 'admin', password: 'changeit' };

it.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1', '[::1]'])('accepts %s without TLS and user', (host) => {
  expect(() => checkListener('Database', { host })).not.toThrow();
});

it.each(['0.0.0.0', '::', '', '192.168.1.10', 'example.org', '127.0.0.1.example.org'])('accepts %j only with both', (host) => {
  expect(() => checkListener('Database', { host, tls, credentials })).not.toThrow();
  for (const incomplete of [{}, { tls }, { credentials }])
    expect(() => checkListener('Database', { host, ...incomplete })).toThrow(NotLoopback);
});

it('refuses a certificate and key that do not belong together', () => {
  const host = '127.0.0.1';
  expect(() => checkListener('Database', { host, tls })).not.toThrow();
  expect(() => checkListener('Database', { host, tls: { cert: tls.key, key: tls.cert } })).toThrow(BadCertificate);
});

it('writes hosts as URLs have them', () => {
  expect(['127.0.0.1', 'example.org', '::1', '[::1]', '::', '0.0.0.0'].map(urlHost)).toEqual([
    '127.0.0.1',
    'example.org',
    '[::1]',
    '[::1]',
    'localhost',
    'localhost',
  ]);
});
