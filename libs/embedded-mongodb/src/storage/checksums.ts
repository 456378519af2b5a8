import { crc32 } from 'node:zlib';

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** Number of bytes up to which a loop is faster than a call into native code. */
const SHORT = 64;

const updated = (seed: number, bytes: Uint8Array): number => {
  if (bytes.length > SHORT) return crc32(bytes, seed);
  let value = ~seed;
  for (let at = 0; at < bytes.length; at++) value = (value >>> 8) ^ (table[(value ^ (bytes[at] as number)) & 0xff] as number);
  return ~value >>> 0;
};

/** The CRC-32 (ISO 3309) of a record: of key and value, so that a value under another record's key is detected. */
export const checksumOf = (key: Uint8Array, value: Uint8Array): number => updated(updated(0, key), value);
