import { randomBytes } from 'node:crypto';
import { decrypted, encrypted, IV_BYTES } from './key-wrapping.js';
import type { DataKey, KeyOwner, PersonalKeys } from './personal-keys.js';

/** Something that only the key of its owner decrypts. */
export interface SealedBox {
  /** Stream and id of the key. */
  readonly stream: string;
  readonly key: string;
  /** Encrypted, as base64. */
  readonly box: string;
}

/** @param about what the content belongs to: it can be decrypted for nothing else */
export function sealBox({ id, key }: DataKey, { stream }: Pick<KeyOwner, 'stream'>, about: string, content: Buffer): SealedBox {
  const box = encrypted(key, randomBytes(IV_BYTES), content, Buffer.from(about));
  return { stream, key: id, box: box.toString('base64') };
}

/** The content; `erased` if its key was destroyed, undefined if the key is missing or the box was changed. @throws StoreUnavailable */
export async function openBox(keys: PersonalKeys, { key, box }: SealedBox, about: string): Promise<Buffer | 'erased' | undefined> {
  const found = await keys.findNow(key);
  if (found === undefined || found === 'erased') return found;
  try {
    return decrypted(found, Buffer.from(box, 'base64'), Buffer.from(about));
  } catch {
    return undefined;
  }
}
