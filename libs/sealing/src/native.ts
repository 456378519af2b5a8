import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import type { Ed25519Verify, Sha256 } from '#audit';

// The same as the portable verifier, at native speed.

export const nativeSha256: Sha256 = (data) => hash('sha256', data, 'buffer');

const publicKeys = new Map<string, KeyObject>();

export const nativeEd25519: Ed25519Verify = (signature, message, publicKey) => {
  const x = Buffer.from(publicKey).toString('base64url');
  let key = publicKeys.get(x);
  if (key === undefined) {
    try {
      key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    } catch {
      return false;
    }
    // There are few keys; those of a pack made of keys are not cached.
    if (publicKeys.size < 100) publicKeys.set(x, key);
  }
  return verify(null, message, key, signature);
};
