import { ServerError } from '../errors.js';
import { MAX_DOCUMENT_BYTES } from './values.js';

/** Whether a string has as many bytes as a document may have, which expressions must not return. */
export const isTooLong = (text: string): boolean => text.length >= MAX_DOCUMENT_BYTES / 4 && Buffer.byteLength(text) >= MAX_DOCUMENT_BYTES;

/**
 * A string in an expression: a constant, or the result of an operator.
 *
 * @throws ServerError 16493 if it is as long as a document may be
 */
export const checkLength = (text: string): string => {
  if (isTooLong(text)) throw new ServerError(16493, `Tried to create string longer than ${MAX_DOCUMENT_BYTES / 1024 / 1024}MB`);
  return text;
};
