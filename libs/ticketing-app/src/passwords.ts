import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Turns } from '#platform';

/**
 * Memory-hard hashes of passwords: scrypt of Node itself, which is on every platform that Node is on. 32 MiB and three passes, one of the settings that
 * OWASP recommends; kept with the hash (as PHC strings), so that they can be raised.
 */
const COST = { ln: 15, r: 8, p: 3 } as const;
const KEY_BYTES = 32;
/** Hashes at work at once: each takes its memory, and a thread that reads files as well. */
const AT_ONCE = 2;
/** Hashes that may wait: more are an attack, or would wait for seconds. */
const MOST_WAITING = 20;

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);

const hashes = new Turns(AT_ONCE);

/** That more passwords are being checked than this process can. */
export const BUSY = 'busy';

/** Hashes a password, with a salt of its own. */
export async function hashPassword(password: string): Promise<string | typeof BUSY> {
  const salt = randomBytes(16);
  const key = await keyOf(password, salt, COST);
  return key === BUSY ? BUSY : `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${base64(salt)}$${base64(key)}`;
}

/**
 * Whether a password is the one of a hash. Without a hash it is not, and that takes as long.
 * @param hash as `hashPassword` made it
 */
export async function isPassword(password: string, hash: string | undefined): Promise<boolean | typeof BUSY> {
  const [, ln, r, p, salt = '', sum = ''] = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(hash ?? '') ?? [];
  const cost = ln === undefined ? COST : { ln: Number(ln), r: Number(r), p: Number(p) };
  const key = await keyOf(password, Buffer.from(salt, 'base64'), cost);
  if (key === BUSY) return BUSY;
  const expected = Buffer.from(sum, 'base64');
  return expected.length === key.length && timingSafeEqual(expected, key);
}

async function keyOf(password: string, salt: Buffer, { ln, r, p }: Record<keyof typeof COST, number>): Promise<Buffer | typeof BUSY> {
  if (hashes.waiting >= MOST_WAITING) return BUSY;
  const N = 2 ** ln;
  // The same password typed on another keyboard is the same.
  return hashes.take(() => derive(password.normalize('NFKC'), salt, KEY_BYTES, { N, r, p, maxmem: 256 * N * r + 2 ** 20 }));
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
