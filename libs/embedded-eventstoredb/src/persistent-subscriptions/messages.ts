import { recorded, type UuidForm } from '../streams/read-messages.js';
import { filterOptions, position, streamIdentifier, streamOptions, uuidOption } from '../streams/read-request.js';
import { kindOf, MARK, positionOf, recordedEvent, streamNameOf, type LogRecord } from '../storage/record.js';
import {
  bool,
  bytes,
  bytesField,
  message,
  messageField,
  present,
  repeated,
  request,
  text,
  uint32,
  uint64,
  varintField,
  varintSize,
  type FieldDecoder,
} from '../wire/protobuf.js';

const int32: FieldDecoder<number> = (reader) => Number(BigInt.asIntN(32, reader.uint64()));
const int64: FieldDecoder<bigint> = (reader) => BigInt.asIntN(64, reader.uint64());

const settings = message({
  resolveLinks: [1, bool],
  revision: [2, uint64],
  extraStatistics: [3, bool],
  messageTimeoutTicks: [4, int64],
  maxRetryCount: [5, int32],
  checkpointAfterTicks: [6, int64],
  minCheckpointCount: [7, int32],
  maxCheckpointCount: [8, int32],
  maxSubscriberCount: [9, int32],
  liveBufferSize: [10, int32],
  readBatchSize: [11, int32],
  historyBufferSize: [12, int32],
  namedStrategy: [13, uint32],
  messageTimeout: [14, int32],
  checkpointAfter: [15, int32],
  strategy: [16, text],
});
export type SettingsMessage = ReturnType<typeof settings>;

const allOptions = message({
  position: [1, position],
  start: [2, present],
  end: [3, present],
  filter: [4, filterOptions],
  noFilter: [5, present],
});
export type AllOptions = ReturnType<typeof allOptions>;
export type StreamOptions = ReturnType<typeof streamOptions>;
export type FilterOptions = ReturnType<typeof filterOptions>;

/** Decodes `CreateReq` and `UpdateReq`, whose common fields are the same. */
export const decodeChangeRequest = request({
  options: [
    1,
    message({
      oldStream: [1, streamIdentifier],
      group: [2, text],
      settings: [3, settings],
      stream: [4, streamOptions],
      all: [5, allOptions],
    }),
  ],
});
export type ChangeRequest = ReturnType<typeof decodeChangeRequest>;

export const decodeDeleteGroupRequest = request({
  options: [1, message({ stream: [1, streamIdentifier], group: [2, text], all: [3, present] })],
});
export type DeleteGroupRequest = ReturnType<typeof decodeDeleteGroupRequest>;

export const decodeGetInfoRequest = request({
  options: [1, message({ stream: [1, streamIdentifier], all: [2, present], group: [3, text] })],
});
export type GetInfoRequest = ReturnType<typeof decodeGetInfoRequest>;

export const decodeReplayParkedRequest = request({
  options: [1, message({ group: [1, text], stream: [2, streamIdentifier], all: [3, present], stopAt: [4, int64], noLimit: [5, present] })],
});
export type ReplayParkedRequest = ReturnType<typeof decodeReplayParkedRequest>;

export const decodeListRequest = request({
  options: [1, message({ everything: [1, present], source: [2, message({ stream: [1, streamIdentifier], all: [2, present] })] })],
});
export type ListRequest = ReturnType<typeof decodeListRequest>;

const answered = { ids: [2, repeated(bytes)] } as const;

/** Decodes the messages of a consumer: first `options`, then the outcomes of events. */
export const decodeConsumeRequest = request({
  options: [
    1,
    message({ stream: [1, streamIdentifier], group: [2, text], bufferSize: [3, int32], uuid: [4, uuidOption], all: [5, present] }),
  ],
  ack: [2, message(answered)],
  nack: [3, message({ ...answered, action: [3, uint32], reason: [4, text] })],
});
export type ConsumeRequest = ReturnType<typeof decodeConsumeRequest>;

export const nameOf = (identifier: { readonly name?: Buffer } | undefined): string => identifier?.name?.toString('utf8') ?? '';

const INT32_MAX = 2 ** 31 - 1;
/** Converts ticks of 100 ns to milliseconds, limited to 32 bits. */
export const ticks = (count = 0n): number => Math.max(-INT32_MAX, Math.min(Number(count / 10_000n), INT32_MAX));

export const confirmationMessage = (subscriptionId: string): Buffer => messageField(2, bytesField(1, subscriptionId));

export interface Delivery {
  /** The record in the source. */
  readonly original: LogRecord;
  /** What the consumer gets: the record, or the target of a resolved link; undefined if that is gone. */
  readonly event: LogRecord | undefined;
}

/** `ReadResp { event { event, link?, commit_position, retry_count } }`. A resolved event has the positions of its link, also inside. */
export function deliveryMessage({ original, event }: Delivery, retries: number, form: UuidForm): Buffer {
  const isLink = event !== original;
  return messageField(
    1,
    event ? bytesField(1, isLink ? recordedAt(event, positionOf(original), form) : recorded(event, form)) : NOTHING,
    isLink ? bytesField(2, recorded(original, form)) : NOTHING,
    varintField(3, positionOf(original)),
    varintField(5, retries),
  );
}

const NOTHING = Buffer.alloc(0);

/** The `RecordedEvent` message with positions (its fields 4 and 5) other than the record's own. */
function recordedAt(record: LogRecord, at: number, form: UuidForm): Buffer {
  const whole = recorded(record, form);
  const name = streamNameOf(record);
  // After the name come the revision and the position twice, each a one-byte tag and a varint.
  const afterName = name.byteOffset + name.length - recordedEvent(record).byteOffset + (whole.length - recordedEvent(record).length);
  const positions = afterVarint(whole, afterName);
  const rest = positions + 2 * (1 + varintSize(positionOf(record)));
  return Buffer.concat([whole.subarray(0, positions), varintField(4, at), varintField(5, at), whole.subarray(rest)]);
}

/** The offset after a varint field with a one-byte tag. */
function afterVarint(buffer: Buffer, offset: number): number {
  let at = offset + 1;
  while ((buffer[at] as number) >= 0x80) at++;
  return at + 1;
}

export const isEvent = (record: LogRecord): boolean => kindOf(record) !== MARK;

/** The statistics of one group, as returned by `GetInfo` and `List`. Counts are since the group was started, unless noted otherwise. */
export interface GroupInfo {
  readonly source: string;
  readonly group: string;
  readonly status: 'Live' | 'Behind' | 'Behind, OutstandingPageRequest';
  readonly connections: readonly ConnectionInfo[];
  readonly averagePerSecond: number;
  readonly totalItems: number;
  readonly countSinceLastMeasurement: number;
  readonly lastCheckpointed: string;
  readonly lastKnown: string;
  readonly resolveLinks: boolean;
  readonly startFrom: string;
  readonly messageTimeout: number;
  readonly extraStatistics: boolean;
  readonly maxRetryCount: number;
  readonly liveBufferSize: number;
  readonly historyBufferSize: number;
  readonly readBatchSize: number;
  readonly checkpointAfter: number;
  readonly minCheckpointCount: number;
  readonly maxCheckpointCount: number;
  readonly readBufferCount: number;
  readonly liveBufferCount: number;
  readonly retryBufferCount: number;
  readonly inFlight: number;
  readonly outstanding: number;
  readonly strategy: string;
  readonly maxSubscriberCount: number;
  readonly parkedCount: number;
}

export interface ConnectionInfo {
  readonly username: string;
  readonly averagePerSecond: number;
  readonly totalItems: number;
  readonly countSinceLastMeasurement: number;
  readonly measurements: ReadonlyArray<readonly [key: string, milliseconds: number]>;
  readonly availableSlots: number;
  readonly inFlight: number;
  readonly name: string;
}

/** Proto3 omits fields with their default value. */
const textIf = (field: number, value: string): Buffer => (value === '' ? NOTHING : bytesField(field, value));
const integerIf = (field: number, value: number): Buffer => (value === 0 ? NOTHING : varintField(field, BigInt(value)));
const boolIf = (field: number, value: boolean): Buffer => integerIf(field, value ? 1 : 0);

const connectionFields = (connection: ConnectionInfo): Buffer =>
  Buffer.concat([
    textIf(2, connection.username),
    integerIf(3, connection.averagePerSecond),
    integerIf(4, connection.totalItems),
    integerIf(5, connection.countSinceLastMeasurement),
    ...connection.measurements.map(([key, value]) => messageField(6, bytesField(1, key), integerIf(2, value))),
    integerIf(7, connection.availableSlots),
    integerIf(8, connection.inFlight),
    textIf(9, connection.name),
  ]);

const infoFields = (info: GroupInfo): Buffer =>
  Buffer.concat([
    textIf(1, info.source),
    textIf(2, info.group),
    textIf(3, info.status),
    ...info.connections.map((connection) => messageField(4, connectionFields(connection))),
    integerIf(5, info.averagePerSecond),
    integerIf(6, info.totalItems),
    integerIf(7, info.countSinceLastMeasurement),
    textIf(8, info.lastCheckpointed),
    textIf(9, info.lastKnown),
    boolIf(10, info.resolveLinks),
    textIf(11, info.startFrom),
    integerIf(12, info.messageTimeout),
    boolIf(13, info.extraStatistics),
    integerIf(14, info.maxRetryCount),
    integerIf(15, info.liveBufferSize),
    integerIf(16, info.historyBufferSize),
    integerIf(17, info.readBatchSize),
    integerIf(18, info.checkpointAfter),
    integerIf(19, info.minCheckpointCount),
    integerIf(20, info.maxCheckpointCount),
    integerIf(21, info.readBufferCount),
    integerIf(22, info.liveBufferCount),
    integerIf(23, info.retryBufferCount),
    integerIf(24, info.inFlight),
    integerIf(25, info.outstanding),
    textIf(26, info.strategy),
    integerIf(27, info.maxSubscriberCount),
    integerIf(28, info.parkedCount),
  ]);

/** `GetInfoResp` has one, `ListResp` any number, in the same field. */
export const infoMessage = (...infos: readonly GroupInfo[]): Buffer =>
  Buffer.concat(infos.map((info) => messageField(1, infoFields(info))));
