import { Arr, checkDocument, Doc, Double, encode, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';

/** The largest message, as the server's `maxMessageSizeBytes`. */
export const MAX_MESSAGE_BYTES = 48_000_000;
const HEADER = 16;

const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;

const CHECKSUM_PRESENT = 1;
const MORE_TO_COME = 2;
const EXHAUST_ALLOWED = 1 << 16;

export type Request = {
  readonly requestId: number;
  /** The command, with the documents of kind 1 sections as array fields. */
  readonly command: Doc;
  readonly database: string;
  /** Whether the client wants no response. */
  readonly silent: boolean;
  /** The format of the response: OP_REPLY for a handshake by OP_QUERY. */
  readonly legacy: boolean;
};

/** A message that violates the protocol: the connection is closed, as by the server. */
export class ProtocolViolation extends Error {}

/** The length of the message at the start of a buffer, or 0 if its header is incomplete. */
export const messageLength = (bytes: Buffer, most = MAX_MESSAGE_BYTES): number => {
  if (bytes.length < 4) return 0;
  const length = bytes.readInt32LE(0);
  if (length < HEADER || length > most) throw new ProtocolViolation(`a message of ${length} bytes`);
  return length;
};

/**
 * Parses a whole message.
 *
 * @throws ProtocolViolation if it is not a valid message; ServerError if a document in it is malformed or the request cannot be served
 */
export const readRequest = (message: Buffer): Request => {
  const requestId = message.readInt32LE(4);
  const opcode = message.readInt32LE(12);
  if (opcode === OP_MSG) return readOpMsg(message, requestId);
  if (opcode === OP_QUERY) return readOpQuery(message, requestId);
  throw new ProtocolViolation(`opcode ${opcode}`);
};

const readOpMsg = (message: Buffer, requestId: number): Request => {
  if (message.length < HEADER + 5) throw new ProtocolViolation('an OP_MSG that is cut off');
  const flags = message.readUInt32LE(HEADER);
  if (flags & 0xffff & ~(CHECKSUM_PRESENT | MORE_TO_COME)) throw new ProtocolViolation(`flags ${flags} of OP_MSG`);
  void EXHAUST_ALLOWED; // Optional for the server.
  const end = message.length - (flags & CHECKSUM_PRESENT ? 4 : 0);
  let body: Doc | undefined;
  const sequences: [string, Arr][] = [];
  let at = HEADER + 4;
  while (at < end) {
    const kind = message[at++];
    if (kind === 0) {
      if (body) throw new ProtocolViolation('two bodies in one OP_MSG');
      const length = checkDocument(message, at, end);
      body = Doc.read(message, at);
      at += length;
    } else if (kind === 1) {
      if (end - at < 5) throw new ProtocolViolation('a document sequence that is cut off');
      const size = message.readInt32LE(at);
      const stop = at + size;
      if (size < 5 || stop > end) throw new ProtocolViolation(`a document sequence of ${size} bytes`);
      const zero = message.indexOf(0, at + 4);
      if (zero < 0 || zero >= stop) throw new ProtocolViolation('a document sequence without a name');
      const name = message.toString('utf8', at + 4, zero);
      const documents: Doc[] = [];
      for (at = zero + 1; at < stop;) {
        const length = checkDocument(message, at, stop);
        documents.push(Doc.read(message, at));
        at += length;
      }
      if (sequences.some(([known]) => known === name)) throw new ProtocolViolation(`two document sequences named ${name}`);
      sequences.push([name, Arr.of(documents)]);
    } else throw new ProtocolViolation(`section kind ${kind} of OP_MSG`);
  }
  if (!body) throw new ProtocolViolation('an OP_MSG without a body');
  let command = body;
  for (const [name, documents] of sequences) {
    if (command.has(name)) throw new ServerError(40413, `BSON field '${command.keys[0]}.${name}' is a duplicate field`);
    command = command.with(name, documents);
  }
  const database = command.get('$db');
  if (typeof database !== 'string') throw new ServerError(40571, 'OP_MSG requests require a $db argument');
  return { requestId, command, database, silent: (flags & MORE_TO_COME) !== 0, legacy: false };
};

/** Old handshakes are queries of `db.$cmd`; OP_QUERY supports nothing else, as on the server since 5.1. */
const readOpQuery = (message: Buffer, requestId: number): Request => {
  const zero = message.indexOf(0, HEADER + 4);
  if (zero < 0 || message.length < zero + 14) throw new ProtocolViolation('an OP_QUERY that is cut off');
  const namespace = message.toString('utf8', HEADER + 4, zero);
  if (!namespace.endsWith('.$cmd'))
    throw new ServerError(352, `Unsupported OP_QUERY command: query. The client driver may require an upgrade.`);
  checkDocument(message, zero + 9, message.length);
  let command = Doc.read(message, zero + 9);
  const wrapped = command.get('$query') ?? command.get('query');
  if (wrapped instanceof Doc && ['$query', 'query'].includes(command.keys[0] as string)) command = wrapped;
  const name = (command.keys[0] ?? '').toLowerCase();
  if (name !== 'ismaster' && name !== 'hello')
    throw new ServerError(
      352,
      `Unsupported OP_QUERY command: ${command.keys[0]}. The client driver may require an upgrade. For more details see https://dochub.mongodb.org/core/legacy-opcode-removal`,
    );
  return { requestId, command, database: namespace.slice(0, -5), silent: false, legacy: true };
};

let nextId = 1;

/** A response as bytes. */
export const writeReply = (reply: Doc, responseTo: number, legacy: boolean): Buffer => {
  const body = encode(reply);
  const before = legacy ? 36 : 21;
  const message = Buffer.allocUnsafe(before + body.length);
  message.writeInt32LE(message.length, 0);
  message.writeInt32LE(nextId, 4);
  nextId = (nextId % 0x7fffffff) + 1;
  message.writeInt32LE(responseTo, 8);
  message.writeInt32LE(legacy ? OP_REPLY : OP_MSG, 12);
  if (legacy) {
    message.writeInt32LE(8, 16);
    message.fill(0, 20, 32);
    message.writeInt32LE(1, 32);
  } else {
    message.writeInt32LE(0, 16);
    message[20] = 0;
  }
  body.copy(message, before);
  return message;
};

/** An error as a reply. */
export const failure = (error: ServerError): Doc => {
  const details = Object.entries(error.details) as [string, Value][];
  return Doc.of(
    ['ok', 'errmsg', 'code', 'codeName', ...details.map(([key]) => key)],
    [new Double(0), error.message, error.code, error.codeName, ...details.map(([, value]) => value)],
  );
};
