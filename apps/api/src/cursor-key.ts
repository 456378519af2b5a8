import { randomBytes } from 'node:crypto';
import { CannotStart } from '#local';
import { keptSecret } from '#platform';

const BYTES = 32;

/**
 * The key that cursors are signed with; made where there is none. API processes that share the file take each other's cursors.
 * @throws CannotStart
 */
export async function cursorKeyIn(file: string): Promise<Buffer> {
  const text = await keptSecret(file, () => randomBytes(BYTES).toString('hex')).catch((cause: Error) => {
    throw new CannotStart(`The key of cursors cannot be kept (${cause.message}). Set CURSOR_KEY_FILE to a file that can be written.`, {
      cause,
    });
  });
  if (/^[0-9a-f]{64}$/.test(text.trim())) return Buffer.from(text.trim(), 'hex');
  throw new CannotStart(`${file} holds no key of cursors: ${BYTES} bytes in hexadecimal. Remove it, and one is made.`);
}
