import { randomBytes } from 'node:crypto';
import { CannotStart } from '#local';
import { keptSecret } from '#platform';

const BYTES = 32;

/**
 * The key for signing cursors; created if missing. API processes that share the file accept each other's cursors.
 * @throws CannotStart
 */
export async function cursorKeyIn(file: string): Promise<Buffer> {
  const text = await keptSecret(file, () => randomBytes(BYTES).toString('hex')).catch((cause: Error) => {
    throw new CannotStart(`The cursor key cannot be stored (${cause.message}). Set CURSOR_KEY_FILE to a writable file.`, {
      cause,
    });
  });
  if (/^[0-9a-f]{64}$/.test(text.trim())) return Buffer.from(text.trim(), 'hex');
  throw new CannotStart(`${file} does not contain a cursor key: ${BYTES} bytes in hexadecimal. Remove it to generate a new one.`);
}
