import { crc32 } from 'node:zlib';
import { INT64_MAX, putVarint, varintSize } from '../wire/protobuf.js';

/**
 * One record of the log, as it lies in its file:
 *
 *     0  u32  CRC-32 of everything behind it
 *     4  u8   kind (event, tombstone, mark)
 *     5  u8   1 when the content type is JSON
 *     6  u8   1 in the last record of a group that is flushed together
 *     7  u8   number of that group, modulo 256
 *     8  u32  number of the stream
 *    12  f64  position of the record in the log
 *    20  f64  revision in its stream
 *    28  f64  created, in ms since 1970
 *    36  u32 ×8  start and length of stream name, event type, data and custom metadata within the record
 *    68  body: the `RecordedEvent` message as it goes over the wire, the event id first
 *
 * The body is kept in wire form, so that a read copies bytes and encodes nothing. The data is its last part, so that where the data ends
 * the record ends.
 */
export type LogRecord = Buffer;

export const HEADER = 68;
/** `id { string: "…36 characters…" }`: tag, length, tag, length, text. */
const ID_FIELD = 40;

export const EVENT = 1;
/** The event `$streamDeleted`, which ends a stream for good. */
export const TOMBSTONE = 2;
/** An append without events: has a position, but is not an event. */
export const MARK = 3;

export const TOMBSTONE_REVISION = INT64_MAX;

export interface RecordContent {
  readonly kind: typeof EVENT | typeof TOMBSTONE | typeof MARK;
  readonly position: number;
  readonly stream: { readonly number: number; readonly name: Buffer };
  readonly revision: number;
  readonly created: number;
  readonly id: string;
  readonly type: Buffer;
  readonly json: boolean;
  readonly data: Uint8Array;
  readonly customMetadata: Uint8Array;
}

const NUL = Buffer.alloc(0);
const TYPE_KEY = Buffer.from('\x0a\x04type\x12', 'latin1');
const CREATED_KEY = Buffer.from('\x0a\x07created\x12', 'latin1');
/** The whole metadata entry `content-type: …`. */
const JSON_ENTRY = Buffer.from('\x0a\x0ccontent-type\x12\x10application/json', 'latin1');
const BINARY_ENTRY = Buffer.from('\x0a\x0ccontent-type\x12\x18application/octet-stream', 'latin1');

const delimited = (length: number): number => 1 + varintSize(length) + length;

interface EntrySizes {
  readonly ticks: Buffer;
  readonly type: number;
  readonly contentType: Buffer;
  readonly created: number;
}

function entrySizes(content: RecordContent): EntrySizes {
  // .NET ticks: units of 100 ns. As text, since the number exceeds 2^53.
  const ticks = Buffer.from(`${content.created}0000`, 'latin1');
  return {
    ticks,
    type: TYPE_KEY.length + varintSize(content.type.length) + content.type.length,
    contentType: content.json ? JSON_ENTRY : BINARY_ENTRY,
    created: CREATED_KEY.length + varintSize(ticks.length) + ticks.length,
  };
}

function bodySize(content: RecordContent, entries: EntrySizes): number {
  return (
    ID_FIELD +
    delimited(delimited(content.stream.name.length)) +
    (1 + varintSize(content.revision)) +
    2 * (1 + varintSize(content.position)) +
    delimited(entries.type) +
    delimited(entries.contentType.length) +
    delimited(entries.created) +
    delimited(content.customMetadata.length) +
    delimited(content.data.length)
  );
}

/** A record without the fields that `sealRecord` sets. */
export function encodeRecord(content: RecordContent): LogRecord {
  const entries = entrySizes(content);
  const { name } = content.stream;
  const record = Buffer.allocUnsafe(HEADER + bodySize(content, entries));
  record.fill(0, 0, HEADER);
  record[4] = content.kind;
  record[5] = content.json ? 1 : 0;
  record.writeUInt32LE(content.stream.number, 8);
  record.writeDoubleLE(content.position, 12);
  record.writeDoubleLE(content.revision, 20);
  record.writeDoubleLE(content.created, 28);

  let at = HEADER;
  const open = (fieldTag: number, length: number): void => {
    record[at++] = fieldTag;
    at = putVarint(record, at, length);
  };
  const put = (bytes: Uint8Array): number => {
    const start = at;
    record.set(bytes, at);
    at += bytes.length;
    return start;
  };
  const span = (slot: number, start: number, length: number): void => {
    record.writeUInt32LE(start, 36 + slot * 8);
    record.writeUInt32LE(length, 40 + slot * 8);
  };

  open(0x0a, ID_FIELD - 2);
  open(0x12, 36);
  at += record.write(content.id, at, 36, 'latin1');
  open(0x12, delimited(name.length));
  open(0x1a, name.length);
  span(0, put(name), name.length);
  record[at++] = 0x18;
  at = putVarint(record, at, content.revision);
  record[at++] = 0x20;
  at = putVarint(record, at, content.position);
  record[at++] = 0x28;
  at = putVarint(record, at, content.position);
  open(0x32, entries.type);
  put(TYPE_KEY);
  at = putVarint(record, at, content.type.length);
  span(1, put(content.type), content.type.length);
  open(0x32, entries.contentType.length);
  put(entries.contentType);
  open(0x32, entries.created);
  put(CREATED_KEY);
  at = putVarint(record, at, entries.ticks.length);
  put(entries.ticks);
  open(0x3a, content.customMetadata.length);
  span(3, put(content.customMetadata), content.customMetadata.length);
  open(0x42, content.data.length);
  span(2, put(content.data), content.data.length);
  return record;
}

/** Sets the number of the group with which a record is flushed, and its checksum. */
export function sealRecord(record: LogRecord, group: number, last: boolean): void {
  record[6] = last ? 1 : 0;
  record[7] = group;
  record.writeUInt32LE(crc32(record.subarray(4)), 0);
}

/** Length of the record that begins with this header; meaningless if it is damaged. */
export const lengthOf = (header: Buffer): number => header.readUInt32LE(52) + header.readUInt32LE(56);

/** A stored record whose checksum or position is wrong. */
export class CorruptRecord extends Error {
  readonly code = 'ERR_CORRUPT_RECORD';
  override readonly name = 'CorruptRecord';
  constructor(readonly position: number) {
    super(`The record at position ${position} of the event log is damaged: its checksum does not match.`);
  }
}

/** Whether these bytes are an undamaged record. */
export const isSound = (record: LogRecord): boolean => record.length >= HEADER && record.readUInt32LE(0) === crc32(record.subarray(4));

export const kindOf = (record: LogRecord): number => record[4] as number;
export const isLastOfGroup = (record: LogRecord): boolean => record[6] === 1;
export const groupOf = (record: LogRecord): number => record[7] as number;
export const streamNumberOf = (record: LogRecord): number => record.readUInt32LE(8);
export const isJson = (record: LogRecord): boolean => record[5] === 1;
/** Position in the header of the record that begins at an offset, if there is one. */
export const positionAt = (bytes: Buffer, offset: number): number => bytes.readDoubleLE(offset + 12);
export const positionOf = (record: LogRecord): number => positionAt(record, 0);
export const revisionOf = (record: LogRecord): number => record.readDoubleLE(20);
export const createdOf = (record: LogRecord): number => record.readDoubleLE(28);

const spanOf = (record: LogRecord, slot: number): Buffer => {
  const start = record.readUInt32LE(36 + slot * 8);
  return record.subarray(start, start + record.readUInt32LE(40 + slot * 8));
};
export const streamNameOf = (record: LogRecord): Buffer => spanOf(record, 0);
export const typeOf = (record: LogRecord): Buffer => spanOf(record, 1);
export const dataOf = (record: LogRecord): Buffer => spanOf(record, 2);
export const customMetadataOf = (record: LogRecord): Buffer => spanOf(record, 3);
export const idOf = (record: LogRecord): string => record.toString('latin1', HEADER + 4, HEADER + ID_FIELD);

/** The `RecordedEvent` message with the id as a string. */
export const recordedEvent = (record: LogRecord): Buffer => record.subarray(HEADER);
/** The same without its id field, for readers that request structured ids. */
export const recordedEventWithoutId = (record: LogRecord): Buffer => record.subarray(HEADER + ID_FIELD);

export const NO_BYTES: Uint8Array = NUL;
