import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Turns } from '#platform';

/** What a hash takes: 2 to the power of `ln`, blocks of `r`, and `p` passes (RFC 7914). */
export interface PasswordCost {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** 32 MiB and three passes: one of the settings that OWASP recommends. */
const COST: PasswordCost = { ln: 15, r: 8, p: 3 };
const KEY_BYTES = 32;
/** Hashes at work at once: each takes its memory, and a thread that reads files as well. */
const AT_ONCE = 2;
/** Hashes that may wait: more are an attack, or would wait for seconds. */
const MOST_WAITING = 20;

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);

const hashes = new Turns(AT_ONCE);

/** That more passwords are being checked than this process can. */
export const BUSY = 'busy';

/**
 * Memory-hard hashes of passwords: scrypt of Node itself, which is on every platform that Node is on. What one cost is kept with it (as PHC strings), so
 * that new ones may cost more.
 */
export class PasswordHashes {
  /** @param cost of a new hash, and of what is checked without one */
  constructor(private readonly cost = COST) {}

  /** Hashes a password, with a salt of its own. */
  async hash(password: string): Promise<string | typeof BUSY> {
    const salt = randomBytes(16);
    const { ln, r, p } = this.cost;
    const key = await keyOf(password, salt, this.cost);
    return key === BUSY ? BUSY : `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(key)}`;
  }

  /**
   * Whether a password is the one of a hash. Without a hash it is not, and that takes as long.
   * @param hash as `hash` made it, at whatever cost
   */
  async isOf(password: string, hash: string | undefined): Promise<boolean | typeof BUSY> {
    const [, ln, r, p, salt = '', sum = ''] = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(hash ?? '') ?? [];
    const cost = ln === undefined ? this.cost : { ln: Number(ln), r: Number(r), p: Number(p) };
    const key = await keyOf(password, Buffer.from(salt, 'base64'), cost);
    if (key === BUSY) return BUSY;
    const expected = Buffer.from(sum, 'base64');
    return expected.length === key.length && timingSafeEqual(expected, key);
  }
}

async function keyOf(password: string, salt: Buffer, { ln, r, p }: PasswordCost): Promise<Buffer | typeof BUSY> {
  if (hashes.waiting >= MOST_WAITING) return BUSY;
  const N = 2 ** ln;
  // The same password typed on another keyboard is the same.
  return hashes.take(() => derive(password.normalize('NFKC'), salt, KEY_BYTES, { N, r, p, maxmem: 256 * N * r + 2 ** 20 }));
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
