import { createHmac } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cursorKeyIn } from './cursor-key.js';
import { cursorTo, placeAfter, signCursorsWith } from './pages.js';

const list = ['tickets', 'x', undefined];
const key = Buffer.alloc(32, 7);
beforeAll(() => signCursorsWith(key));

const refused = { code: 'invalid-query', kind: expect.objectContaining({ status: 400 }) };
/** What somebody would send who knows everything but the key, or even that. */
const forged = (place: unknown, secret: Buffer) => {
  const text = JSON.stringify(place);
  const signature = createHmac('sha256', secret)
    .update(JSON.stringify([1, list, text]))
    .digest('base64url');
  return `${Buffer.from(text).toString('base64url')}.${signature}`;
};

describe('a cursor', () => {
  it('leads back to its place, and fits no other list', () => {
    const cursor = cursorTo(list, [3, 'a']);
    expect(placeAfter(list, cursor)).toEqual([3, 'a']);
    expect(cursor).toBe(forged([3, 'a'], key));
    expect(() => placeAfter(['tickets', 'y', undefined], cursor)).toThrow(expect.objectContaining(refused));
  });

  it.each([
    ['with another key', forged([3, 'a'], Buffer.alloc(32, 8))],
    ['without a signature', Buffer.from('[3,"a"]').toString('base64url')],
    ['with a part of the signature', cursorTo(list, [3, 'a']).slice(0, -1)],
    ['with another place', `${Buffer.from('[4,"a"]').toString('base64url')}.${cursorTo(list, [3, 'a']).split('.')[1]}`],
    ['of nothing', ''],
    ['of no JSON', `${Buffer.from('[3').toString('base64url')}.${cursorTo(list, [3]).split('.')[1]}`],
  ])('%s is refused', (_what, cursor) => {
    expect(() => placeAfter(list, cursor)).toThrow(expect.objectContaining(refused));
  });

  it.each([[[{ $ne: null }]], [[{ $regex: '.*' }, 'a']], [[['a']]], [[null]], [[true]], [{}], ['a'], [1]])(
    'of anything but numbers and texts is refused, even with the key: %j',
    (place) => {
      expect(() => placeAfter(list, forged(place, key))).toThrow(expect.objectContaining(refused));
    },
  );
});

describe('the key of cursors', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tierline-cursor-key-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  it('is created once, for concurrent starts, and readable only by its owner', async () => {
    const file = join(directory, 'data', 'cursor-key');
    const keys = await Promise.all(Array.from({ length: 8 }, () => cursorKeyIn(file)));
    expect(new Set(keys.map((each) => each.toString('hex')))).toEqual(new Set([readFileSync(file, 'utf8').trim()]));
    expect(await cursorKeyIn(file)).toEqual(keys[0]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(directory, 'data'))).toEqual(['cursor-key']);
  });

  it('is not replaced if the file contains something else', async () => {
    const file = join(directory, 'other');
    writeFileSync(file, 'hunter2');
    chmodSync(file, 0o600);
    await expect(cursorKeyIn(file)).rejects.toThrow(/does not contain a cursor key/);
    await expect(cursorKeyIn(file)).rejects.not.toThrow(/hunter2/);
    await expect(cursorKeyIn(join(file, 'below'))).rejects.toThrow(/Set CURSOR_KEY_FILE to a writable file/);
  });
});
