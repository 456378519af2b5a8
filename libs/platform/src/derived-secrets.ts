import { hkdfSync } from 'node:crypto';
import { keptKey } from './kept-secret.js';

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
    this.#key ??= keptKey(this.file).catch((error: unknown) => {
      this.#key = undefined;
      throw error;
    });
    return Buffer.from(hkdfSync('sha256', await this.#key, thing, purpose, bytes));
  }
}
