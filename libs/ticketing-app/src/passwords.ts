import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Turns } from '#platform';

/** Cost of a hash: 2 to the power of `ln`, blocks of `r`, and `p` passes (RFC 7914). */
export interface PasswordCost {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** 32 MiB and three passes: one of the settings that OWASP recommends. */
const COST: PasswordCost = { ln: 15, r: 8, p: 3 };
const KEY_BYTES = 32;
/** Concurrent hashes: each takes its memory, and a thread of the pool that also reads files. */
const AT_ONCE = 2;
/** Hashes that may wait: with more there is an attack, or waits of several seconds. */
const MOST_WAITING = 20;

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);

const hashes = new Turns(AT_ONCE);

/** Too many passwords are being checked for this process. */
export const BUSY = 'busy';

/**
 * Memory-hard hashes of passwords: Node's own scrypt, which is on every platform. The cost is stored with the hash (as a PHC string), so
 * that new hashes may cost more.
 */
export class PasswordHashes {
  /** @param cost of a new hash, and of a check without a hash */
  constructor(private readonly cost = COST) {}

  /** Hashes a password with a new salt. */
  async hash(password: string): Promise<string | typeof BUSY> {
    const salt = randomBytes(16);
    const { ln, r, p } = this.cost;
    const key = await keyOf(password, salt, this.cost);
    return key === BUSY ? BUSY : `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(key)}`;
  }

  /**
   * Whether a password matches a hash. Without a hash it does not, after the same time.
   * @param hash from `hash`, at any cost
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
