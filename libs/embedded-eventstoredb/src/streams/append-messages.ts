import { status } from '@grpc/grpc-js';
import { ANY, NO_STREAM, STREAM_EXISTS } from '../storage/append-rules.js';
import { handlerThrew, invalidArgument, type Fault } from '../wire/faults.js';
import type { NewEvent } from '../storage/log-writer.js';
import { NO_BYTES } from '../storage/record.js';
import { bytesField, messageField, varintField, WireReader } from '../wire/protobuf.js';

/** The expected revision of a write, with the number as sent, which is returned if it does not match. */
export interface ExpectedRevision {
  readonly version: number;
  readonly sent: bigint;
}

export interface WriteOptions {
  /** Undefined when no stream identifier was sent. */
  readonly stream: string | undefined;
  /** Undefined if none was sent; throws if it is invalid. */
  expected(): ExpectedRevision | undefined;
}

export type AppendRequest =
  | { readonly kind: 'options'; readonly options: WriteOptions }
  | { readonly kind: 'event'; readonly event: ProposedEvent }
  | { readonly kind: 'nothing' };

/** An event as sent; `readEvent` validates it. */
export interface ProposedEvent {
  readonly id: Buffer | undefined;
  readonly metadata: ReadonlyMap<string, Buffer>;
  readonly customMetadata: Uint8Array;
  readonly data: Uint8Array;
}

export interface BatchAppendRequest {
  readonly correlationId: Buffer | undefined;
  readonly options: { readonly write: WriteOptions; readonly deadline: Deadline } | undefined;
  readonly events: readonly ProposedEvent[];
  readonly final: boolean;
}

/** Milliseconds from now, or a point in time, or none. */
export type Deadline = { readonly after: number } | { readonly at: number } | undefined;

const UINT64_MAX = 2n ** 64n - 1n;
const INT64 = 2n ** 63n;

/** -1 as an unsigned number means no_stream; other numbers that are negative as signed ones are invalid. */
function exactly(sent: bigint): ExpectedRevision {
  if (sent === UINT64_MAX) return { version: NO_STREAM, sent };
  if (sent >= INT64) throw handlerThrew();
  return { version: Number(sent), sent };
}

/** The fields common to the options of all write calls. */
class WriteOptionFields implements WriteOptions {
  stream: string | undefined;
  private sent: bigint | undefined;
  private version: number | undefined;

  read(reader: WireReader): void {
    if (reader.field === 1) this.stream = readStreamIdentifier(reader.message());
    else if (reader.field === 2) [this.sent, this.version] = [reader.uint64(), undefined];
    else if (reader.field >= 3 && reader.field <= 5) {
      [this.sent, this.version] = [undefined, [NO_STREAM, ANY, STREAM_EXISTS][reader.field - 3]];
      reader.skip();
    } else reader.skip();
  }

  expected(): ExpectedRevision | undefined {
    if (this.sent !== undefined) return exactly(this.sent);
    return this.version === undefined ? undefined : { version: this.version, sent: UINT64_MAX };
  }
}

function readStreamIdentifier(reader: WireReader): string {
  let name = '';
  while (reader.next()) {
    if (reader.field === 3) name = reader.text();
    else reader.skip();
  }
  return name;
}

function readWriteOptions(reader: WireReader): WriteOptions {
  const options = new WriteOptionFields();
  while (reader.next()) options.read(reader);
  return options;
}

/** Decodes `AppendReq`. */
export function decodeAppendRequest(bytes: Buffer): AppendRequest {
  const reader = new WireReader(bytes);
  let request: AppendRequest = { kind: 'nothing' };
  while (reader.next()) {
    if (reader.field === 1) request = { kind: 'options', options: readWriteOptions(reader.message()) };
    else if (reader.field === 2) request = { kind: 'event', event: readProposedEvent(reader.message()) };
    else reader.skip();
  }
  return request;
}

/** Decodes `DeleteReq` and `TombstoneReq`; undefined if there are no options. */
export function decodeDeleteRequest(bytes: Buffer): { readonly options: WriteOptions | undefined } {
  const reader = new WireReader(bytes);
  let options: WriteOptions | undefined;
  while (reader.next()) {
    if (reader.field === 1) options = readWriteOptions(reader.message());
    else reader.skip();
  }
  return { options };
}

export function decodeBatchAppendRequest(bytes: Buffer): BatchAppendRequest {
  const reader = new WireReader(bytes);
  let correlationId: Buffer | undefined;
  let options: BatchAppendRequest['options'];
  let final = false;
  const events: ProposedEvent[] = [];
  while (reader.next()) {
    if (reader.field === 1) correlationId = reader.bytes();
    else if (reader.field === 2) options = readBatchOptions(reader.message());
    else if (reader.field === 3) events.push(readProposedEvent(reader.message()));
    else if (reader.field === 4) final = reader.bool();
    else reader.skip();
  }
  return { correlationId, options, events, final };
}

function readBatchOptions(reader: WireReader): BatchAppendRequest['options'] {
  const write = new WriteOptionFields();
  let deadline: Deadline;
  while (reader.next()) {
    if (reader.field === 6) deadline = { at: readSeconds(reader.message()) };
    else if (reader.field === 7) deadline = { after: readSeconds(reader.message()) };
    else write.read(reader);
  }
  return { write, deadline };
}

/** Milliseconds of a `Timestamp` or `Duration`. */
function readSeconds(reader: WireReader): number {
  let milliseconds = 0;
  while (reader.next()) {
    if (reader.field === 1) milliseconds += Number(BigInt.asIntN(64, reader.uint64())) * 1000;
    else if (reader.field === 2) milliseconds += Number(BigInt.asIntN(64, reader.uint64())) / 1e6;
    else reader.skip();
  }
  return milliseconds;
}

function readProposedEvent(reader: WireReader): ProposedEvent {
  let id: Buffer | undefined;
  let customMetadata: Uint8Array = NO_BYTES;
  let data: Uint8Array = NO_BYTES;
  const metadata = new Map<string, Buffer>();
  while (reader.next()) {
    if (reader.field === 1) id = reader.bytes();
    else if (reader.field === 2) readMetadataEntry(reader.message(), metadata);
    else if (reader.field === 3) customMetadata = reader.bytes();
    else if (reader.field === 4) data = reader.bytes();
    else reader.skip();
  }
  return { id, metadata, customMetadata, data };
}

function readMetadataEntry(reader: WireReader, metadata: Map<string, Buffer>): void {
  let key = '';
  let value: Buffer = Buffer.alloc(0);
  while (reader.next()) {
    if (reader.field === 1) key = reader.text();
    else if (reader.field === 2) value = reader.bytes();
    else reader.skip();
  }
  metadata.set(key, value);
}

const JSON_TYPE = Buffer.from('application/json');

/** Validates an event. Only `type` and `content-type` of its metadata are kept, as by the genuine server. */
export function readEvent(proposed: ProposedEvent): NewEvent {
  const id = readUuid(proposed.id);
  const type = proposed.metadata.get('type');
  const contentType = proposed.metadata.get('content-type');
  if (!type || !contentType) {
    throw invalidArgument(`Required Metadata Property '${type ? 'content-type' : 'type'}' is missing`, {
      exception: 'missing-required-metadata-property',
      'required-metadata-properties': 'type,content-type',
    });
  }
  if (type.length === 0) throw handlerThrew();
  return { id, type, json: contentType.equals(JSON_TYPE), data: proposed.data, customMetadata: proposed.customMetadata };
}

const EMPTY_UUID = '00000000-0000-0000-0000-000000000000';
const PLAIN_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const ODD_UUID = /^[{(]?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})[)}]?$/i;

/** Converts a `UUID` message in either form to lower-case text with dashes. */
export function readUuid(bytes: Buffer | undefined): string {
  if (!bytes) throw handlerThrew();
  const reader = new WireReader(bytes);
  let uuid: string | undefined;
  while (reader.next()) {
    if (reader.field === 1) uuid = readStructuredUuid(reader.message());
    else if (reader.field === 2) uuid = reader.text();
    else reader.skip();
  }
  if (uuid !== undefined && !PLAIN_UUID.test(uuid)) uuid = ODD_UUID.exec(uuid)?.slice(1).join('-').toLowerCase();
  if (uuid === undefined || uuid === EMPTY_UUID) throw handlerThrew();
  return uuid;
}

function readStructuredUuid(reader: WireReader): string {
  const bytes = Buffer.alloc(16);
  while (reader.next()) {
    if (reader.field === 1 || reader.field === 2) bytes.writeBigUInt64BE(reader.uint64(), (reader.field - 1) * 8);
    else reader.skip();
  }
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** A `UUID` message in the structured form. */
export function structuredUuid(uuid: string): Buffer {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  return messageField(1, varintField(1, bytes.readBigUInt64BE(0)), varintField(2, bytes.readBigUInt64BE(8)));
}

const EMPTY = (field: number): Buffer => bytesField(field, NO_BYTES);
const positionMessage = (field: number, position: number): Buffer =>
  messageField(field, varintField(1, position), varintField(2, position));

/** `AppendResp.Success` and `BatchAppendResp.Success`, which have the same fields. */
const success = (field: number, lastRevision: number, position: number | undefined): Buffer =>
  messageField(
    field,
    lastRevision < 0 ? EMPTY(2) : varintField(1, lastRevision),
    position === undefined ? EMPTY(4) : positionMessage(3, position),
  );

export const appendSucceeded = (lastRevision: number, position: number | undefined): Buffer => success(1, lastRevision, position);

/** The in-band refusal of `Append`: always both the fields of version 20.6 and the current ones. */
export function appendExpectedOtherRevision(expected: ExpectedRevision, lastRevision: number): Buffer {
  const current = lastRevision < 0 ? [EMPTY(2), EMPTY(7)] : [varintField(1, lastRevision), varintField(6, lastRevision)];
  const wanted: Record<number, Buffer[]> = {
    [ANY]: [EMPTY(4), EMPTY(9)],
    [STREAM_EXISTS]: [EMPTY(5), EMPTY(10)],
    [NO_STREAM]: [varintField(3, UINT64_MAX), EMPTY(11)],
  };
  return messageField(2, ...current, ...(wanted[expected.version] ?? [varintField(3, expected.sent), varintField(8, expected.sent)]));
}

/** `DeleteResp` and `TombstoneResp`. */
export const deleteSucceeded = (position: number): Buffer => positionMessage(1, position);

const correlated = (correlationId: Buffer | undefined, stream: string | undefined, answer: Buffer): Buffer =>
  Buffer.concat([
    correlationId ? bytesField(1, correlationId) : NO_BYTES,
    answer,
    stream === undefined ? NO_BYTES : messageField(4, stream === '' ? NO_BYTES : bytesField(3, stream)),
  ]);

export const batchSucceeded = (
  correlationId: Buffer | undefined,
  stream: string | undefined,
  lastRevision: number,
  position: number | undefined,
): Buffer => correlated(correlationId, stream, success(3, lastRevision, position));

/** An in-band `google.rpc.Status` with one detail. */
function batchFailed(
  correlationId: Buffer | undefined,
  stream: string | undefined,
  code: status,
  type: string,
  detail: Uint8Array,
  text = type.slice(type.lastIndexOf('.') + 1),
): Buffer {
  const any = messageField(3, bytesField(1, `type.googleapis.com/${type}`), bytesField(2, detail));
  return correlated(correlationId, stream, messageField(2, varintField(1, code), bytesField(2, text), any));
}

export function batchExpectedOtherRevision(
  correlationId: Buffer | undefined,
  stream: string,
  expected: ExpectedRevision,
  lastRevision: number,
): Buffer {
  const wanted: Record<number, Buffer> = { [ANY]: EMPTY(4), [STREAM_EXISTS]: EMPTY(5), [NO_STREAM]: EMPTY(6) };
  const detail = Buffer.concat([
    lastRevision < 0 ? EMPTY(2) : varintField(1, lastRevision),
    wanted[expected.version] ?? varintField(3, expected.sent),
  ]);
  return batchFailed(correlationId, stream, status.ALREADY_EXISTS, 'event_store.client.WrongExpectedVersion', detail);
}

export const batchStreamDeleted = (correlationId: Buffer | undefined, stream: string): Buffer =>
  batchFailed(correlationId, stream, status.NOT_FOUND, 'event_store.client.StreamDeleted', messageField(1, bytesField(3, stream)));

export const batchAccessDenied = (correlationId: Buffer | undefined, stream: string): Buffer =>
  batchFailed(correlationId, stream, status.PERMISSION_DENIED, 'event_store.client.AccessDenied', NO_BYTES);

export const batchTimedOut = (correlationId: Buffer | undefined, stream: string): Buffer =>
  batchFailed(correlationId, stream, status.DEADLINE_EXCEEDED, 'event_store.client.Timeout', NO_BYTES);

export const batchTooLarge = (correlationId: Buffer | undefined, stream: string, limit: number): Buffer =>
  batchFailed(correlationId, stream, status.INVALID_ARGUMENT, 'event_store.client.MaximumAppendSizeExceeded', varintField(1, limit));

export const batchBadRequest = (correlationId: Buffer | undefined, stream: string | undefined, message: string): Buffer =>
  batchFailed(correlationId, stream, status.INVALID_ARGUMENT, 'event_store.client.BadRequest', bytesField(1, message));

/**
 * Something not caused by the request, such as a full disk. Clients do not show the message of `Unknown`, so that is used only if there is
 * none.
 */
export const batchFault = (correlationId: Buffer | undefined, stream: string, { code, details }: Fault): Buffer =>
  code === status.UNKNOWN
    ? batchFailed(correlationId, stream, code, 'event_store.client.Unknown', NO_BYTES, details)
    : batchFailed(correlationId, stream, code, 'google.rpc.ErrorInfo', errorInfo(status[code]), details);

/** `google.rpc.ErrorInfo { reason, domain }`. */
const errorInfo = (reason: string): Buffer => Buffer.concat([bytesField(1, reason), bytesField(2, 'embedded-eventstoredb')]);
