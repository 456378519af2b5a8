import { structuredUuid } from './append-messages.js';
import { idOf, positionOf, recordedEvent, recordedEventWithoutId, type LogRecord } from '../storage/record.js';
import { bytesField, messageField, putVarint, varintField, varintSize } from '../wire/protobuf.js';

/** The form in which a reader requests event ids. */
export type UuidForm = 'string' | 'structured';

/** The `RecordedEvent` message. */
export const recorded = (record: LogRecord, form: UuidForm): Buffer =>
  form === 'string'
    ? recordedEvent(record)
    : Buffer.concat([messageField(1, structuredUuid(idOf(record))), recordedEventWithoutId(record)]);

const delimited = (length: number): number => 1 + varintSize(length) + length;

/** `ReadResp { event { event, link?, commit_position } }`. With a link, `event` is its target, and missing if the target is. */
export function eventMessage(record: LogRecord, form: UuidForm): Buffer {
  const event = recorded(record, form);
  const position = positionOf(record);
  const inner = delimited(event.length) + 1 + varintSize(position);
  const message = Buffer.allocUnsafe(delimited(inner));
  message[0] = 0x0a;
  let at = putVarint(message, 1, inner);
  message[at] = 0x0a;
  at = putVarint(message, at + 1, event.length);
  message.set(event, at);
  at += event.length;
  message[at] = 0x18;
  putVarint(message, at + 1, position);
  return message;
}

export function resolvedLinkMessage(target: LogRecord | undefined, link: LogRecord, form: UuidForm): Buffer {
  const parts = [bytesField(2, recorded(link, form)), varintField(3, positionOf(link))];
  return messageField(1, ...(target ? [bytesField(1, recorded(target, form))] : []), ...parts);
}

export const confirmationMessage = (subscriptionId: string): Buffer => messageField(2, bytesField(1, subscriptionId));
export const checkpointMessage = (commit: number, prepare: number): Buffer =>
  messageField(3, varintField(1, commit), varintField(2, prepare));
export const streamNotFoundMessage = (stream: string): Buffer => messageField(4, messageField(1, bytesField(3, stream)));
export const firstStreamPositionMessage = (revision: number): Buffer => varintField(5, revision);
export const lastStreamPositionMessage = (revision: number): Buffer => varintField(6, revision);
export const caughtUpMessage = (): Buffer => messageField(8);
export const fellBehindMessage = (): Buffer => messageField(9);
