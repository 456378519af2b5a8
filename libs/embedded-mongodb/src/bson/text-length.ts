import { ServerError } from '../errors.js';

/** Bytes that the text of an expression may not reach. */
const LIMIT = 16 * 1024 * 1024;

export const isTooLong = (text: string): boolean => text.length >= LIMIT / 4 && Buffer.byteLength(text) >= LIMIT;

/**
 * A text of an expression: a constant, or what an operator makes of several.
 *
 * @throws ServerError 16493 where it is as long as a document may be
 */
export const checkLength = (text: string): string => {
  if (isTooLong(text)) throw new ServerError(16493, `Tried to create string longer than ${LIMIT / 1024 / 1024}MB`);
  return text;
};
