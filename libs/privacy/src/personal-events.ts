import { createHmac } from 'node:crypto';
import {
  ERASED,
  type NewEvent,
  PERSONAL_DATA_ERASED,
  type PersonalCodec,
  type PersonalFields,
  type SealedFields,
  type StoredEvent,
  valueAt,
} from '#eventsourcing';
import type { AttachmentKeys } from './attachment-keys.js';
import { type DataKey, type PersonalKeys } from './personal-keys.js';
import { decrypted, encrypted } from './key-wrapping.js';

/** What stands in the log in the place of personal data, for those who read it without the keys. */
export const WITHHELD = '[personal]';
/** What it reads as where its key is missing, or opens it not. */
export const UNREADABLE = '[unreadable]';

type Parts = Pick<NewEvent, 'data' | 'metadata'>;

/** Encrypts personal fields, each person's with a key of their own for the stream, and decrypts them. */
export class PersonalEvents implements PersonalCodec {
  constructor(
    private readonly keys: PersonalKeys,
    private readonly attachments: AttachmentKeys,
  ) {}

  seal(stream: string, events: readonly NewEvent[]): readonly NewEvent[] | Promise<readonly NewEvent[]> {
    if (events.every(({ personal = [] }) => personal.length === 0)) return events;
    return Promise.all(events.map((event) => this.#sealed(stream, event)));
  }

  open(event: StoredEvent, ahead: boolean): StoredEvent | Promise<StoredEvent> {
    // In the order of the log: whoever has seen this does not decrypt any more what it tells of.
    if (event.type === PERSONAL_DATA_ERASED) this.keys.forget(event.stream);
    return event.metadata.personal === undefined ? event : this.#opened(event, event.metadata.personal, ahead);
  }

  async #sealed(stream: string, { personal = [], ...event }: NewEvent): Promise<NewEvent> {
    if (personal.length === 0) return event;
    const { client } = event.metadata;
    const boxes: SealedFields[] = [];
    let parts: Parts = event;
    for (const { person, fields, content } of personal) {
      const key = await this.keys.forWriting({ client, person, stream });
      // Before the event is there: an attachment that a ticket has is always erased with it.
      if (content !== undefined) await this.attachments.attach(content, { stream }, key);
      boxes.push(sealedFields(key, event, fields));
      for (const field of fields) parts = withValueAt(parts, field, WITHHELD);
    }
    return { ...event, data: parts.data, metadata: { ...parts.metadata, personal: boxes } };
  }

  async #opened(event: StoredEvent, boxes: readonly SealedFields[], ahead: boolean): Promise<StoredEvent> {
    const { data, metadata: stored } = event;
    const { personal: _, ...metadata } = stored;
    let parts: Parts = { data, metadata };
    for (const box of boxes) {
      const key = await this.keys.find(event.stream, box.key, ahead);
      const values = key === undefined || key === 'erased' ? undefined : openedFields(key, event.id, box);
      const mark = key === 'erased' ? ERASED : UNREADABLE;
      for (const [index, field] of box.fields.entries()) parts = withValueAt(parts, field, values === undefined ? mark : values[index]);
    }
    return { ...event, ...parts, sealed: { data, metadata: stored } };
  }
}

function sealedFields({ id, key }: DataKey, event: NewEvent, fields: PersonalFields['fields']): SealedFields {
  const plain = Buffer.from(JSON.stringify(fields.map((field) => valueAt(event, field))));
  const about = aboutOf(event.id, id, fields);
  // The same event has the same bytes, and so the same hash, however often it is appended; with anything else the IV differs.
  const iv = createHmac('sha256', key).update(about).update(plain).digest().subarray(0, 12);
  return { key: id, fields, box: encrypted(key, iv, plain, about).toString('base64') };
}

/** Undefined where it was changed, or encrypted with another key. */
function openedFields(key: Buffer, eventId: string, { key: id, fields, box }: SealedFields): readonly unknown[] | undefined {
  try {
    return JSON.parse(decrypted(key, Buffer.from(box, 'base64'), aboutOf(eventId, id, fields)).toString()) as unknown[];
  } catch {
    return undefined;
  }
}

/** What is encrypted belongs to this event and these fields of it. */
function aboutOf(eventId: string, key: string, fields: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify([eventId, key, fields]));
}

function withValueAt<Whole>(whole: Whole, path: string, value: unknown): Whole {
  const [key = '', ...rest] = path.split('.');
  const part = (whole as Readonly<Record<string, unknown>>)[key];
  return { ...whole, [key]: rest.length === 0 ? value : withValueAt(part ?? {}, rest.join('.'), value) };
}
