import { ServerError } from '../errors.js';
import { MAX_DOCUMENT_BYTES } from './values.js';

/** Whether a text has as many bytes as a document may have, which that of an expression may not reach. */
export const isTooLong = (text: string): boolean => text.length >= MAX_DOCUMENT_BYTES / 4 && Buffer.byteLength(text) >= MAX_DOCUMENT_BYTES;

/**
 * A text of an expression: a constant, or what an operator makes of several.
 *
 * @throws ServerError 16493 where it is as long as a document may be
 */
export const checkLength = (text: string): string => {
  if (isTooLong(text)) throw new ServerError(16493, `Tried to create string longer than ${MAX_DOCUMENT_BYTES / 1024 / 1024}MB`);
  return text;
};
