import { BUSY, hashPassword, isPassword } from './passwords.js';

describe('hashes of passwords', () => {
  it('are of one password, each with a salt of its own, and never good without a hash', async () => {
    const [hash, other] = await Promise.all([hashPassword('four words by chance'), hashPassword('four words by chance')]);
    expect(hash).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(other).not.toBe(hash);
    const checks = ['four words by chance', 'Four words by chance', ''].map((password) => isPassword(password, hash));
    expect(await Promise.all([...checks, isPassword('', undefined), isPassword('x', 'nonsense')])).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it('are the same however a letter was composed', async () => {
    expect(await isPassword('cafe\u0301 au lait, merci', await hashPassword('caf\u00e9 au lait, merci'))).toBe(true);
  });

  it('are refused, not queued, when too many come at once', async () => {
    const cheap = '$scrypt$ln=1,r=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA';
    const checked = await Promise.all(Array.from({ length: 30 }, () => isPassword('x', cheap)));
    expect(checked.filter((one) => one === BUSY)).toHaveLength(8);
    expect(await isPassword('x', cheap)).toBe(false);
  });
});
