import { decrypted, encrypted, IV_BYTES, TAG_BYTES } from './key-wrapping.js';

/** Bytes of content in each segment but the last. */
const SEGMENT = 64 * 1024;

/**
 * Content in individually encrypted segments (AES-256-GCM, as in the STREAM construction): each proves its place, and the last one that it
 * is the last, so nothing is returned before it is verified. The key encrypts only this content.
 */
export async function* sealSegments(content: AsyncIterable<Uint8Array>, key: Buffer): AsyncGenerator<Uint8Array> {
  let index = 0;
  for await (const { bytes, isLast } of cut(content, SEGMENT)) yield encrypted(key, nonce(index++, isLast), bytes).subarray(IV_BYTES);
}

/** The decrypted content. @throws Error if a segment was changed, moved or omitted */
export async function* openSegments(sealed: AsyncIterable<Uint8Array>, key: Buffer): AsyncGenerator<Uint8Array> {
  let index = 0;
  for await (const { bytes, isLast } of cut(sealed, SEGMENT + TAG_BYTES))
    yield decrypted(key, Buffer.concat([nonce(index++, isLast), bytes]));
}

function nonce(index: number, isLast: boolean): Buffer {
  const iv = Buffer.alloc(IV_BYTES);
  iv.writeUInt32BE(index, 0);
  iv[IV_BYTES - 1] = isLast ? 1 : 0;
  return iv;
}

/** Content in pieces of one size; the last is smaller, or empty if there is nothing. */
async function* cut(
  content: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ readonly bytes: Buffer; readonly isLast: boolean }> {
  let held = Buffer.alloc(0);
  for await (const chunk of content) {
    held = Buffer.concat([held, chunk]);
    let at = 0;
    for (; held.length - at > size; at += size) yield { bytes: held.subarray(at, at + size), isLast: false };
    held = held.subarray(at);
  }
  yield { bytes: held, isLast: true };
}
