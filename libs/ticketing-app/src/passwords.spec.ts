import { BUSY, PasswordHashes } from './passwords.js';

/** As they are in production. */
const usual = new PasswordHashes();
const cheap = new PasswordHashes({ ln: 4, r: 8, p: 1 });

describe('hashes of passwords', () => {
  it('belong to one password, each with its own salt, and never match without a hash', async () => {
    const [hash, other] = await Promise.all([usual.hash('four words by chance'), usual.hash('four words by chance')]);
    expect(hash).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(other).not.toBe(hash);
    expect(await Promise.all([usual.isOf('four words by chance', hash), usual.isOf('', undefined)])).toEqual([true, false]);
    const checks = ['Four words by chance', ''].map(async (password) => cheap.isOf(password, await cheap.hash('four words by chance')));
    expect(await Promise.all([...checks, cheap.isOf('x', 'nonsense')])).toEqual([false, false, false]);
  });

  it('include their cost parameters', async () => {
    const hash = await cheap.hash('four words by chance');
    expect(hash).toMatch(/^\$scrypt\$ln=4,r=8,p=1\$/);
    expect(await Promise.all([usual.isOf('four words by chance', hash), usual.isOf('x', hash)])).toEqual([true, false]);
  });

  it('are the same however a letter is composed', async () => {
    expect(await cheap.isOf('cafe\u0301 au lait, merci', await cheap.hash('caf\u00e9 au lait, merci'))).toBe(true);
  });

  it('are refused, not queued, when too many come at once', async () => {
    const cheapest = '$scrypt$ln=1,r=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA';
    const checked = await Promise.all(Array.from({ length: 30 }, () => cheap.isOf('x', cheapest)));
    expect(checked.filter((one) => one === BUSY)).toHaveLength(8);
    expect(await cheap.isOf('x', cheapest)).toBe(false);
  });
});
