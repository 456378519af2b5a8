import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import type { Ed25519Verify, Sha256 } from '#audit';

// What the verifier does everywhere, at the pace of this machine.

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
    // Few keys are ever seen; a pack that is made of keys is not kept.
    if (publicKeys.size < 100) publicKeys.set(x, key);
  }
  return verify(null, message, key, signature);
};
