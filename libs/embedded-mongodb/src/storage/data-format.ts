import { join } from 'node:path';
import { inspectFile, PageDamaged, type Gap } from '@tierline/embedded-host';
import { keyOf } from '../bson/order.js';
import { checkDocument, Doc } from '../bson/values.js';
import { dataDamaged } from '../errors.js';
import { checksumOf } from './checksums.js';

/** The name of the data file in its directory. */
export const FILE = 'mongodb.mdb';

/**
 * The version of the file's layout. Format 1 has no checksums; since format 2 each value is followed by four bytes, the CRC-32 of key and
 * value, little-endian. The two keys below have none: they determine how the others are read. A file has format 3 while one of its
 * collections or indexes has a collation, which versions for format 2 would ignore.
 */
export const FORMATS = { unsealed: 1, plain: 2, collated: 3 } as const;
export type Format = typeof FORMATS.plain | typeof FORMATS.collated;
export const formatKey = Buffer.from('\0format');
/** Progress of an upgrade: the last key in the new format. Removed at the end. */
export const upgradeKey = Buffer.from('\0upgrade');

export const hasChecksums = (format: number | undefined): format is Format => format === FORMATS.plain || format === FORMATS.collated;

/**
 * Reads the whole data file of a directory and checks everything that LMDB would trust.
 *
 * @returns the damaged records that may not be where they belong
 * @throws DataUnreadable if the file as a whole is damaged
 */
export const inspectData = (directory: string): readonly Gap[] => {
  let format: number | undefined;
  let upgraded: Buffer | undefined;
  /** The numbers of the collections, as in keys: they come before all documents. */
  const collections: Buffer[] = [];
  const pages = new Set<number>();
  let damages = 0;
  const visit = (key: Buffer, value: Buffer, page: number): boolean => {
    if (key[0] === 0) {
      if (key.equals(formatKey)) {
        format = value.length === 8 ? value.readDoubleBE(0) : undefined;
        return true;
      }
      if (key.equals(upgradeKey)) {
        upgraded = Buffer.from(value);
        return true;
      }
    }
    if (!hasChecksums(format) || (upgraded && key.compare(upgraded) > 0)) return true;
    const end = value.length - 4;
    const checksum = end < 0 ? -1 : value.readUInt32LE(end);
    const bytes = value.subarray(0, Math.max(0, end));
    if (checksumOf(key, bytes) === checksum) {
      if (key[0] === 0x01) collections.push(Buffer.from(key.subarray(1)));
      return true;
    }
    pages.add(page);
    damages++;
    return isDocumentOf(key, bytes) && !collections.some((number) => checksumOf(withNumber(key, number), bytes) === checksum);
  };
  let found: ReturnType<typeof inspectFile>;
  try {
    found = inspectFile(join(directory, FILE), visit);
  } catch (error) {
    throw error instanceof PageDamaged ? dataDamaged(directory, `${FILE} is damaged, ${error.message}`) : error;
  }
  if (!found.empty && format === undefined) throw dataDamaged(directory, `${FILE} is damaged, it does not say which format it has`);
  if (damages)
    process.emitWarning(
      `the embedded MongoDB found ${damages === 1 ? 'a damaged record' : `${damages} damaged records`} in ${join(directory, FILE)}, ${pages.size === 1 ? 'page' : 'pages'} ${[...pages].slice(0, 20).join(', ')}: ` +
        'what depends on it is answered by error 366. Read models are made anew from the events by `tierline rebuild`.',
    );
  return found.gaps;
};

/**
 * Whether the key is that of the document: then, assuming damage in one place, the document is damaged after its _id, or only the number of
 * the collection.
 */
const isDocumentOf = (key: Buffer, bytes: Buffer): boolean => {
  if (key[0] !== 0x10 || key.length < 6) return false;
  try {
    checkDocument(bytes, 0, bytes.length);
    const id = Doc.read(bytes).get('_id');
    return id !== undefined && keyOf(id).equals(key.subarray(5));
  } catch {
    return false;
  }
};

const withNumber = (key: Buffer, number: Buffer): Buffer => Buffer.concat([key.subarray(0, 1), number, key.subarray(5)]);
