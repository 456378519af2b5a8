/**
 * Protocol-buffer wire format, as far as the hot paths need it. Appends and reads are encoded and decoded by hand, because building a
 * message object for every event costs more than everything else the node does with it.
 */

/** Bytes that are not a valid message of the expected type. */
export class MalformedMessage extends Error {}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Iterates over the fields of one message: `while (reader.next()) switch (reader.field) …`; `skip()` for unknown fields. */
export class WireReader {
  field = 0;
  private wireType = 0;

  constructor(
    private readonly buffer: Buffer,
    private position = 0,
    private readonly end = buffer.length,
  ) {}

  next(): boolean {
    if (this.position >= this.end) return false;
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    if (this.field === 0) throw new MalformedMessage('field number 0');
    return true;
  }

  uint64(): bigint {
    this.expect(VARINT);
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new MalformedMessage('varint longer than 10 bytes');
  }

  bool(): boolean {
    return this.uint64() !== 0n;
  }

  /** The bytes of the field, not copied. */
  bytes(): Buffer {
    this.expect(BYTES);
    const length = this.varint();
    const start = this.position;
    if (start + length > this.end) throw new MalformedMessage('field longer than its message');
    this.position = start + length;
    return this.buffer.subarray(start, this.position);
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  message(): WireReader {
    return new WireReader(this.bytes());
  }

  skip(): void {
    if (this.wireType === VARINT) this.uint64();
    else if (this.wireType === BYTES) this.bytes();
    else if (this.wireType === FIXED64) this.advance(8);
    else if (this.wireType === FIXED32) this.advance(4);
    else throw new MalformedMessage(`wire type ${this.wireType}`);
  }

  private expect(wireType: number): void {
    if (this.wireType !== wireType) throw new MalformedMessage(`field ${this.field} has wire type ${this.wireType}`);
  }

  private byte(): number {
    if (this.position >= this.end) throw new MalformedMessage('message ends within a field');
    return this.buffer[this.position++] as number;
  }

  private advance(count: number): void {
    if (this.position + count > this.end) throw new MalformedMessage('message ends within a field');
    this.position += count;
  }

  /** Tags and lengths: nothing above 2^32 is valid here. */
  private varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new MalformedMessage('tag or length too large');
  }
}

/**
 * Decoders for messages that are not hot, composed field by field. The generated ones are not used for requests: they loop forever on a
 * length of 2^32 - 1.
 */
export type FieldDecoder<T> = (reader: WireReader, before: T | undefined) => T;

export const uint64: FieldDecoder<bigint> = (reader) => reader.uint64();
export const uint32: FieldDecoder<number> = (reader) => Number(BigInt.asUintN(32, reader.uint64()));
export const bool: FieldDecoder<boolean> = (reader) => reader.bool();
export const text: FieldDecoder<string> = (reader) => reader.text();
export const bytes: FieldDecoder<Buffer> = (reader) => reader.bytes();
/** A message of which only the presence matters. */
export const present: FieldDecoder<true> = (reader) => {
  reader.message();
  return true;
};
export const repeated =
  <T>(decoder: FieldDecoder<T>): FieldDecoder<readonly T[]> =>
  (reader, before) => [...(before ?? []), decoder(reader, undefined)];

type Fields = Readonly<Record<string, readonly [number: number, decoder: FieldDecoder<never>]>>;
type Message<F> = { readonly [K in keyof F]?: F[K] extends readonly [number, FieldDecoder<infer T>] ? T : never };

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each has a type of its own
type FieldsOf<F> = { readonly [K in keyof F]: readonly [number, FieldDecoder<any>] };

export function message<F extends FieldsOf<F>>(fields: F): FieldDecoder<Message<F>> {
  const decode = decodeFields(fields);
  return (reader) => decode(reader.message());
}

/** A decoder for a complete request. */
export function request<F extends FieldsOf<F>>(fields: F): (bytes: Buffer) => Message<F> {
  const decode = decodeFields(fields);
  return (buffer) => decode(new WireReader(buffer));
}

function decodeFields<F>(fields: F): (reader: WireReader) => Message<F> {
  const byNumber = new Map(Object.entries(fields as unknown as Fields).map(([name, [number, decoder]]) => [number, { name, decoder }]));
  return (reader) => {
    const values: Record<string, unknown> = {};
    while (reader.next()) {
      const field = byNumber.get(reader.field);
      if (field) values[field.name] = field.decoder(reader, values[field.name] as undefined);
      else reader.skip();
    }
    return values as Message<F>;
  };
}

/** The largest signed 64-bit number, as the nearest double: the revision of a tombstone. */
export const INT64_MAX = 2 ** 63;

export function varintSize(value: number): number {
  if (value >= INT64_MAX) return 9;
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Writes a non-negative integer below 2^53, or `INT64_MAX`; returns the offset after it. */
export function putVarint(target: Buffer, offset: number, value: number): number {
  if (value >= INT64_MAX) {
    target.fill(0xff, offset, offset + 8);
    target[offset + 8] = 0x7f;
    return offset + 9;
  }
  let rest = value;
  while (rest >= 128) {
    target[offset++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  target[offset++] = rest;
  return offset;
}

const tag = (field: number, wireType: number): Buffer => {
  const number = field * 8 + wireType;
  const bytes = Buffer.alloc(varintSize(number));
  putVarint(bytes, 0, number);
  return bytes;
};

/** A varint field, written even if it is 0 (as members of a oneof are). */
export function varintField(field: number, value: number | bigint): Buffer {
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(varintSize(value));
    putVarint(bytes, 0, value);
    return Buffer.concat([tag(field, VARINT), bytes]);
  }
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.concat([tag(field, VARINT), Buffer.from(bytes)]);
}

export function bytesField(field: number, value: Uint8Array | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  const length = Buffer.alloc(varintSize(bytes.length));
  putVarint(length, 0, bytes.length);
  return Buffer.concat([tag(field, BYTES), length, bytes]);
}

export function messageField(field: number, ...parts: readonly Uint8Array[]): Buffer {
  return bytesField(field, Buffer.concat(parts));
}
