import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { keptKey } from '#platform';

const KEY_BYTES = 32;
export const IV_BYTES = 12;
export const TAG_BYTES = 16;

/** Encrypts data keys, so that the store of keys alone opens nothing: by a key in a file, or a key management service. */
export abstract class KeyWrapping {
  abstract wrap(key: Buffer): Promise<Buffer>;
  /** @throws Error when it was wrapped by another one */
  abstract unwrap(wrapped: Buffer): Promise<Buffer>;
}

/** Wraps by a master key in a file that only its owner reads (AES-256-GCM). */
export class MasterKeyFile extends KeyWrapping {
  private constructor(private readonly key: Buffer) {
    super();
  }

  /** The key in a file; made where there is none. @throws Error when the file cannot be read or made, or holds no key */
  static async open(file: string): Promise<MasterKeyFile> {
    return new MasterKeyFile(await keptKey(file));
  }

  async wrap(key: Buffer): Promise<Buffer> {
    return encrypted(this.key, randomBytes(IV_BYTES), key);
  }

  async unwrap(wrapped: Buffer): Promise<Buffer> {
    return decrypted(this.key, wrapped);
  }
}

export function newDataKey(): Buffer {
  return randomBytes(KEY_BYTES);
}

/** The IV, what was encrypted, and its tag. */
export function encrypted(key: Buffer, iv: Buffer, plain: Buffer, about?: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  if (about !== undefined) cipher.setAAD(about);
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error when it is not what was encrypted with this key, about the same */
export function decrypted(key: Buffer, sealed: Buffer, about?: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
  if (about !== undefined) decipher.setAAD(about);
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
}
