import { hkdfSync, randomBytes } from 'node:crypto';
import { keptSecret } from './kept-secret.js';

const KEY_BYTES = 32;

/** Secrets that are derived from one key in a file and stored nowhere: neither the log nor a read model knows them. */
export class DerivedSecrets {
  #key: Promise<Buffer> | undefined;

  /** @param file the key; made, for its owner only, when the first secret is asked for and it is not there */
  constructor(private readonly file: string) {}

  /**
   * The secret of something.
   * @param purpose tells apart what else is derived for the same thing
   * @throws Error when the file cannot be read or made, or holds no key
   */
  async of(thing: string, purpose: string, bytes: number): Promise<Buffer> {
    this.#key ??= keyIn(this.file).catch((error: unknown) => {
      this.#key = undefined;
      throw error;
    });
    return Buffer.from(hkdfSync('sha256', await this.#key, thing, purpose, bytes));
  }
}

async function keyIn(file: string): Promise<Buffer> {
  const text = await keptSecret(file, () => randomBytes(KEY_BYTES).toString('hex'));
  const key = Buffer.from(text.trim(), 'hex');
  if (key.length !== KEY_BYTES) throw new Error(`${file} holds no key: ${KEY_BYTES} bytes in hexadecimal`);
  return key;
}
