import { hkdfSync } from 'node:crypto';
import { keptKey } from './kept-secret.js';

/** Secrets derived from one key in a file and not stored: neither the log nor a read model has them. */
export class DerivedSecrets {
  #key: Promise<Buffer> | undefined;

  /** @param file the key; created, for its owner only, with the first secret if missing */
  constructor(private readonly file: string) {}

  /**
   * The secret of something.
   * @param purpose distinguishes several secrets of the same thing
   * @throws Error if the file cannot be read or created, or has no key
   */
  async of(thing: string, purpose: string, bytes: number): Promise<Buffer> {
    this.#key ??= keptKey(this.file).catch((error: unknown) => {
      this.#key = undefined;
      throw error;
    });
    return Buffer.from(hkdfSync('sha256', await this.#key, thing, purpose, bytes));
  }
}
