/**
 * Converts the messages of the recordings (field names of the proto files, see fixtures/README.md) to bytes and back. It shares no code
 * with the node, so that a mistake in the node's own encoding cannot hide.
 */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
type Fields = { [key: string]: Json };

/** `Message: field number type …`; `*` marks members of a oneof, which are shown also when they are 0, `[]` repeated fields. */
const SCHEMA = `
Empty:
WrongExpectedVersion: current_stream_revision 1 u64* current_no_stream 2 Empty expected_stream_position 3 u64* expected_any 4 Empty expected_stream_exists 5 Empty expected_no_stream 6 Empty
StreamDeleted: stream_identifier 1 stream
Timeout:
Unknown:
MaximumAppendSizeExceeded: maxAppendSize 1 u32
BadRequest: message 1 text
AccessDenied:
Duration: seconds 1 i64 nanos 2 i32
Position: commit_position 1 u64 prepare_position 2 u64
Status: code 1 code message 2 text details 3 any

ReadReq: options 1 ReadOptions
ReadOptions: stream 1 StreamOptions all 2 AllOptions read_direction 3 direction resolve_links 4 bool count 5 u64* subscription 6 Empty filter 7 Filter no_filter 8 Empty uuid_option 9 UuidOption control_option 10 ControlOption
StreamOptions: stream_identifier 1 stream revision 2 u64* start 3 Empty end 4 Empty
AllOptions: position 1 Position start 2 Empty end 3 Empty
Filter: stream_identifier 1 Expression event_type 2 Expression max 3 u32* count 4 Empty checkpointIntervalMultiplier 5 u32
Expression: regex 1 text prefix 2 text[]
UuidOption: structured 1 Empty string 2 Empty
ControlOption: compatibility 1 u32
ReadResp: event 1 ReadEvent confirmation 2 Confirmation checkpoint 3 Position stream_not_found 4 StreamNotFound first_stream_position 5 u64* last_stream_position 6 u64* last_all_stream_position 7 Position caught_up 8 Empty fell_behind 9 Empty
ReadEvent: event 1 recorded link 2 recorded commit_position 3 u64* no_position 4 Empty retry_count 5 i32* no_retry_count 6 Empty
Confirmation: subscription_id 1 text
StreamNotFound: stream_identifier 1 stream

AppendReq: options 1 WriteOptions proposed_message 2 Proposed
WriteOptions: stream_identifier 1 stream revision 2 u64* no_stream 3 Empty any 4 Empty stream_exists 5 Empty
Proposed: id 1 uuid metadata 2 map custom_metadata 3 bytes data 4 bytes
AppendResp: success 1 Success wrong_expected_version 2 AppendWrong
Success: current_revision 1 u64* no_stream 2 Empty position 3 Position no_position 4 Empty
AppendWrong: current_revision_20_6_0 1 u64* no_stream_20_6_0 2 Empty expected_revision_20_6_0 3 u64* any_20_6_0 4 Empty stream_exists_20_6_0 5 Empty current_revision 6 u64* current_no_stream 7 Empty expected_revision 8 u64* expected_any 9 Empty expected_stream_exists 10 Empty expected_no_stream 11 Empty
DeleteReq: options 1 WriteOptions
DeleteResp: position 1 Position no_position 2 Empty
BatchAppendReq: correlation_id 1 uuid options 2 BatchOptions proposed_messages 3 Proposed[] is_final 4 bool
BatchOptions: stream_identifier 1 stream stream_position 2 u64* no_stream 3 Empty any 4 Empty stream_exists 5 Empty deadline_21_10_0 6 Duration deadline 7 Duration
BatchAppendResp: correlation_id 1 uuid error 2 Status success 3 Success stream_identifier 4 stream stream_position 5 u64* no_stream 6 Empty any 7 Empty stream_exists 8 Empty

SupportedMethods: methods 1 SupportedMethod[] event_store_server_version 2 text
SupportedMethod: method_name 1 text service_name 2 text features 3 text[]
ClusterInfo: members 1 Member[]
Member: instance_id 1 uuid time_stamp 2 i64 state 3 node_state is_alive 4 bool http_end_point 5 EndPoint
EndPoint: address 1 text port 2 u32

PsReadReq: options 1 PsReadOptions ack 2 PsAck nack 3 PsNack
PsReadOptions: stream_identifier 1 stream group_name 2 text buffer_size 3 i32 uuid_option 4 UuidOption all 5 Empty
PsAck: id 1 bytes ids 2 uuid[]
PsNack: id 1 bytes ids 2 uuid[] action 3 nack_action reason 4 text
PsReadResp: event 1 ReadEvent subscription_confirmation 2 Confirmation
PsCreateReq: options 1 PsOptions
PsOptions: stream_identifier 1 stream group_name 2 text settings 3 PsSettings stream 4 StreamOptions all 5 PsAllOptions
PsAllOptions: position 1 Position start 2 Empty end 3 Empty filter 4 Filter no_filter 5 Empty
PsSettings: resolve_links 1 bool revision 2 u64 extra_statistics 3 bool message_timeout_ticks 4 i64* max_retry_count 5 i32 checkpoint_after_ticks 6 i64* min_checkpoint_count 7 i32 max_checkpoint_count 8 i32 max_subscriber_count 9 i32 live_buffer_size 10 i32 read_batch_size 11 i32 history_buffer_size 12 i32 named_consumer_strategy 13 strategy message_timeout_ms 14 i32* checkpoint_after_ms 15 i32* consumer_strategy 16 text
PsDeleteReq: options 1 PsDeleteOptions
PsDeleteOptions: stream_identifier 1 stream group_name 2 text all 3 Empty
PsGetInfoReq: options 1 PsGetInfoOptions
PsGetInfoOptions: stream_identifier 1 stream all 2 Empty group_name 3 text
PsGetInfoResp: subscription_info 1 PsInfo
PsListResp: subscriptions 1 PsInfo[]
PsInfo: event_source 1 text group_name 2 text status 3 text connections 4 PsConnection[] average_per_second 5 i32 total_items 6 i64 count_since_last_measurement 7 i64 last_checkpointed_event_position 8 text last_known_event_position 9 text resolve_link_tos 10 bool start_from 11 text message_timeout_milliseconds 12 i32 extra_statistics 13 bool max_retry_count 14 i32 live_buffer_size 15 i32 buffer_size 16 i32 read_batch_size 17 i32 check_point_after_milliseconds 18 i32 min_check_point_count 19 i32 max_check_point_count 20 i32 read_buffer_count 21 i32 live_buffer_count 22 i64 retry_buffer_count 23 i32 total_in_flight_messages 24 i32 outstanding_messages_count 25 i32 named_consumer_strategy 26 text max_subscriber_count 27 i32 parked_message_count 28 i64
PsConnection: from 1 text username 2 text average_items_per_second 3 i32 total_items 4 i64 count_since_last_measurement 5 i64 observed_measurements 6 PsMeasurement[] available_slots 7 i32 in_flight_messages 8 i32 connection_name 9 text
PsMeasurement: key 1 text value 2 i64
PsReplayReq: options 1 PsReplayOptions
PsReplayOptions: group_name 1 text stream_identifier 2 stream all 3 Empty stop_at 4 i64* no_limit 5 Empty
PsListReq: options 1 PsListOptions
PsListOptions: list_all_subscriptions 1 Empty list_for_stream 2 PsListStream
PsListStream: stream 1 stream all 2 Empty

UsersReq: options 1 UsersOptions
UsersOptions: login_name 1 text
UsersProfileReq: options 1 UsersProfile
UsersProfile: login_name 1 text password 2 text full_name 3 text groups 4 text[]
UsersChangePasswordReq: options 1 UsersChangePassword
UsersChangePassword: login_name 1 text current_password 2 text new_password 3 text
UsersResetPasswordReq: options 1 UsersResetPassword
UsersResetPassword: login_name 1 text new_password 2 text
UsersDetailsResp: user_details 1 UserDetails
UserDetails: login_name 1 text full_name 2 text groups 3 text[] last_updated 4 DateTime disabled 5 bool
DateTime: ticks_since_epoch 1 i64
ScavengeReq: options 1 ScavengeOptions
ScavengeOptions: thread_count 1 i32 start_from_chunk 2 i32
ScavengeResp: scavenge_id 1 text scavenge_result 2 scavenge_result
StatsReq: use_metadata 1 bool refresh_time_period_in_ms 4 u64
`;

const ENUMS: Readonly<Record<string, readonly string[]>> = {
  direction: ['Forwards', 'Backwards'],
  code: [
    'OK',
    'CANCELLED',
    'UNKNOWN',
    'INVALID_ARGUMENT',
    'DEADLINE_EXCEEDED',
    'NOT_FOUND',
    'ALREADY_EXISTS',
    'PERMISSION_DENIED',
    'RESOURCE_EXHAUSTED',
    'FAILED_PRECONDITION',
    'ABORTED',
  ],
  node_state: ['Initializing', 'DiscoverLeader', 'Unknown', 'PreReplica', 'CatchingUp', 'Clone', 'Follower', 'PreLeader', 'Leader'],
  nack_action: ['Unknown', 'Park', 'Retry', 'Skip', 'Stop'],
  scavenge_result: ['Started', 'InProgress', 'Stopped'],
  strategy: ['DispatchToSingle', 'RoundRobin', 'Pinned'],
};

interface Field {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly oneof: boolean;
  readonly repeated: boolean;
}

const MESSAGES = new Map<string, readonly Field[]>();
for (const line of SCHEMA.split('\n')) {
  const [name, rest] = line.split(':');
  if (!name || rest === undefined) continue;
  const words = rest.trim().split(/\s+/).filter(Boolean);
  const fields: Field[] = [];
  for (let index = 0; index < words.length; index += 3) {
    const [field, number, type] = words.slice(index, index + 3) as [string, string, string];
    fields.push({
      name: field,
      number: Number(number),
      type: type.replace(/\*|\[\]/g, ''),
      oneof: type.endsWith('*'),
      repeated: type.endsWith('[]'),
    });
  }
  MESSAGES.set(name, fields);
}
const fieldsOf = (message: string): readonly Field[] => {
  const fields = MESSAGES.get(message);
  if (!fields) throw new Error(`no message ${message} in the schema`);
  return fields;
};

const varint = (value: bigint): Buffer => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
};
const withLength = (number: number, bytes: Buffer): Buffer =>
  Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(bytes.length)), bytes]);
const withNumber = (number: number, value: bigint): Buffer => Buffer.concat([varint(BigInt(number * 8)), varint(value)]);

export function encode(message: string, json: Json): Buffer {
  // Requests to services that the node does not have may be anything.
  if (message === 'Anything') return Buffer.alloc(0);
  const known = new Map(fieldsOf(message).map((field) => [field.name, field]));
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(json as Fields)) {
    const field = known.get(name);
    if (!field) throw new Error(`${message} has no field ${name}`);
    for (const item of field.repeated ? (value as Json[]) : [value]) parts.push(encodeField(field, item));
  }
  return Buffer.concat(parts);
}

function encodeField({ number, type }: Field, value: Json): Buffer {
  if (type === 'map') {
    const entries = Object.entries(value as Fields).map(([key, text]) =>
      withLength(number, Buffer.concat([withLength(1, Buffer.from(key)), withLength(2, bytesOf(text))])),
    );
    return Buffer.concat(entries);
  }
  if (type === 'text' || type === 'bytes') return withLength(number, bytesOf(value));
  if (type === 'stream') return withLength(number, withLength(3, bytesOf(isNamed(value) ? value.stream_name : value)));
  if (type === 'uuid') return withLength(number, encodeUuid(value));
  if (type === 'bool') return withNumber(number, value ? 1n : 0n);
  const names = ENUMS[type];
  if (names) return withNumber(number, BigInt(typeof value === 'string' ? names.indexOf(value) : (value as number)));
  if (/^[ui]\d+$/.test(type)) return withNumber(number, BigInt(value as string | number));
  return withLength(number, encode(type, value));
}

/** Most requests show a stream identifier as plain text, one shows its field. */
const isNamed = (value: Json): value is { stream_name: string } => typeof value === 'object' && value !== null && 'stream_name' in value;

function encodeUuid(value: Json): Buffer {
  if (typeof value === 'string') return withLength(2, Buffer.from(value));
  const structured = (value as Fields)['structured'] as Fields | undefined;
  if (!structured) return Buffer.alloc(0);
  return withLength(
    1,
    Buffer.concat([
      withNumber(1, BigInt(structured['most_significant_bits'] as string)),
      withNumber(2, BigInt(structured['least_significant_bits'] as string)),
    ]),
  );
}

/** Long values were shortened when they were recorded. */
function bytesOf(value: Json): Buffer {
  const text = value as string;
  const long = /^<(\d+) bytes: "(.).*"\.\.\.>$/.exec(text) ?? /^<string of (\d+): (.).*>$/.exec(text);
  if (long) return Buffer.alloc(Number(long[1]), long[2]);
  return text.startsWith('base64:') ? Buffer.from(text.slice(7), 'base64') : Buffer.from(text, 'utf8');
}

type Raw = ReadonlyArray<{ readonly number: number; readonly value: bigint | Buffer }>;

function raw(bytes: Buffer): Raw {
  const fields: Array<{ number: number; value: bigint | Buffer }> = [];
  let at = 0;
  const next = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] as number;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(next());
    if (tag % 8 === 0) fields.push({ number: tag >> 3, value: next() });
    else if (tag % 8 === 2) {
      const length = Number(next());
      fields.push({ number: tag >> 3, value: bytes.subarray(at, (at += length)) });
    } else throw new Error(`wire type ${tag % 8}`);
  }
  return fields;
}

export function decode(message: string, bytes: Buffer): Fields {
  const known = new Map(fieldsOf(message).map((field) => [field.number, field]));
  const json: Fields = {};
  for (const { number, value } of raw(bytes)) {
    const field = known.get(number);
    if (!field) throw new Error(`${message} has no field ${number}`);
    const item = decodeField(field, value);
    if (field.repeated) ((json[field.name] ??= []) as Json[]).push(item);
    else if (field.oneof || !isDefault(item, field.type)) json[field.name] = item;
  }
  return json;
}

const isDefault = (value: Json, type: string): boolean =>
  value === '' || (value === '0' && type !== 'text') || value === 0 || value === false;

function decodeField({ type }: Field, value: bigint | Buffer): Json {
  const bytes = value as Buffer;
  if (type === 'text') return bytes.toString('utf8');
  if (type === 'bytes') return textOf(bytes);
  if (type === 'stream') return raw(bytes).length === 0 ? {} : (decode('StreamName', bytes)['name'] ?? '');
  if (type === 'uuid') return decodeUuid(bytes);
  if (type === 'recorded') return decodeRecorded(bytes);
  if (type === 'any') {
    const any = decode('Any', bytes) as { type_url: string };
    const value = raw(bytes).find(({ number }) => number === 2)?.value as Buffer | undefined;
    return { '@type': any.type_url, ...decode(any.type_url.split('.').at(-1) as string, value ?? Buffer.alloc(0)) };
  }
  if (type === 'bool') return value === 1n;
  const names = ENUMS[type];
  if (names) return names[Number(value)] ?? Number(value);
  if (type === 'i32') return Number(BigInt.asIntN(32, value as bigint));
  if (type === 'u32') return Number(value);
  if (type === 'i64') return String(BigInt.asIntN(64, value as bigint));
  if (type === 'u64') return String(value);
  return decode(type, bytes);
}
MESSAGES.set('StreamName', [{ name: 'name', number: 3, type: 'text', oneof: true, repeated: false }]);
MESSAGES.set('Any', [
  { name: 'type_url', number: 1, type: 'text', oneof: false, repeated: false },
  { name: 'value', number: 2, type: 'bytes', oneof: false, repeated: false },
]);

/** Bytes in the format of the recordings: as text if they are text. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : `base64:${bytes.toString('base64')}`;
}

function decodeUuid(bytes: Buffer): Json {
  const [first] = raw(bytes);
  if (!first) return {};
  if (first.number === 2) return (first.value as Buffer).toString('latin1');
  const bits = new Map(raw(first.value as Buffer).map(({ number, value }) => [number, String(BigInt.asIntN(64, value as bigint))]));
  return { structured: { most_significant_bits: bits.get(1) ?? '0', least_significant_bits: bits.get(2) ?? '0' } };
}

/** The short form of events in the recordings. */
function decodeRecorded(bytes: Buffer): Json {
  const event: Fields = { revision: '0', data: '' };
  const metadata = new Map<string, string>();
  for (const { number, value } of raw(bytes)) {
    if (number === 1) event['id'] = decodeUuid(value as Buffer);
    else if (number === 2) event['stream'] = decode('StreamName', value as Buffer)['name'] ?? '';
    else if (number === 3) event['revision'] = String(value);
    else if (number === 4) event['prepare_position'] = String(value);
    else if (number === 5) event['commit_position'] = String(value);
    else if (number === 6) {
      const entry = raw(value as Buffer).map((field) => String(field.value)) as [string, string];
      metadata.set(...entry);
    } else if (number === 7 && (value as Buffer).length > 0) event['custom_metadata'] = textOf(value as Buffer);
    else if (number === 8) event['data'] = textOf(value as Buffer);
  }
  event['type'] = metadata.get('type') ?? '';
  if (metadata.get('content-type') !== 'application/json') event['content_type'] = metadata.get('content-type') ?? '';
  if (!/^\d{17}$/.test(metadata.get('created') ?? '')) event['created'] = metadata.get('created') ?? null;
  return event;
}
