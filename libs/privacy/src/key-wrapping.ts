import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { keptKey, keyIn } from '#platform';

const KEY_BYTES = 32;
export const IV_BYTES = 12;
export const TAG_BYTES = 16;

/**
 * Encrypts data keys, so that the store of keys alone decrypts nothing: with a key in a file, or a key management service
 * (docs/privacy.md).
 */
export abstract class KeyWrapping {
  abstract wrap(key: Buffer): Promise<Buffer>;
  /** @throws Error if another one wrapped it */
  abstract unwrap(wrapped: Buffer): Promise<Buffer>;
  /** The same key, wrapped with the current master key; undefined if it already is. @throws Error if no available master key wrapped it */
  abstract rewrap(wrapped: Buffer): Promise<Buffer | undefined>;
}

/** Wraps with a master key in a file that only its owner reads (AES-256-GCM). */
export class MasterKeyFile extends KeyWrapping {
  private constructor(
    private readonly key: Buffer,
    private readonly before: Buffer | undefined,
  ) {
    super();
  }

  /**
   * The key in a file; created if missing and nothing depends on the former one.
   * @param before file with the previous key, which can also unwrap
   * @param wrapped something that one of the two has wrapped, if any
   * @throws Error if a file cannot be read or created, or has no key
   */
  static async open(file: string, before?: string, wrapped?: Buffer): Promise<MasterKeyFile> {
    const earlier = before === undefined ? undefined : await keyIn(before);
    const isNeeded = wrapped !== undefined && (earlier === undefined || !opens(earlier, wrapped));
    return new MasterKeyFile(await (isNeeded ? keyIn(file) : keptKey(file)), earlier);
  }

  async wrap(key: Buffer): Promise<Buffer> {
    return encrypted(this.key, randomBytes(IV_BYTES), key);
  }

  async unwrap(wrapped: Buffer): Promise<Buffer> {
    try {
      return decrypted(this.key, wrapped);
    } catch (error) {
      if (this.before === undefined) throw error;
      return decrypted(this.before, wrapped);
    }
  }

  async rewrap(wrapped: Buffer): Promise<Buffer | undefined> {
    return opens(this.key, wrapped) ? undefined : this.wrap(await this.unwrap(wrapped));
  }
}

function opens(key: Buffer, wrapped: Buffer): boolean {
  try {
    decrypted(key, wrapped);
    return true;
  } catch {
    return false;
  }
}

export function newDataKey(): Buffer {
  return randomBytes(KEY_BYTES);
}

/** The IV, the encrypted data and its tag. */
export function encrypted(key: Buffer, iv: Buffer, plain: Buffer, about?: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  if (about !== undefined) cipher.setAAD(about);
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error if it was not encrypted with this key and the same `about` */
export function decrypted(key: Buffer, sealed: Buffer, about?: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
  if (about !== undefined) decipher.setAAD(about);
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
}
