import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** A stored password: it can be checked, but not read. */
export interface PasswordHash {
  readonly algorithm: 'scrypt';
  /** Base64. */
  readonly salt: string;
  readonly hash: string;
}

const BYTES = 32;
/** About 40 ms and 16 MiB per password: the minimum recommended for interactive use of scrypt. */
const COST = { N: 16_384, r: 8, p: 1 };

const derive = (password: string, salt: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => scrypt(password, salt, BYTES, COST, (error, key) => (error ? reject(error) : resolve(key))));

export async function hashPassword(password: string): Promise<PasswordHash> {
  const salt = randomBytes(16);
  return { algorithm: 'scrypt', salt: salt.toString('base64'), hash: (await derive(password, salt)).toString('base64') };
}

export async function isPassword(password: string, kept: PasswordHash): Promise<boolean> {
  const expected = Buffer.from(kept.hash, 'base64');
  const actual = await derive(password, Buffer.from(kept.salt, 'base64'));
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}
