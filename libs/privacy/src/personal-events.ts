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

/** Replaces personal data in the log, for those who read it without the keys. */
export const WITHHELD = '[personal]';
/** Its value if its key is missing or wrong. */
export const UNREADABLE = '[unreadable]';

type Parts = Pick<NewEvent, 'data' | 'metadata'>;

/** Encrypts personal fields, each person's with their own key for the stream, and decrypts them. */
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
    // In log order: a reader past this event no longer decrypts the erased data.
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
      // Before the event is stored: an attachment of a ticket is always erased with it.
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
  // The same event has the same bytes, and so the same hash, on every append; any other content has another IV.
  const iv = createHmac('sha256', key).update(about).update(plain).digest().subarray(0, 12);
  return { key: id, fields, box: encrypted(key, iv, plain, about).toString('base64') };
}

/** Undefined if it was changed, or encrypted with another key. */
function openedFields(key: Buffer, eventId: string, { key: id, fields, box }: SealedFields): readonly unknown[] | undefined {
  try {
    return JSON.parse(decrypted(key, Buffer.from(box, 'base64'), aboutOf(eventId, id, fields)).toString()) as unknown[];
  } catch {
    return undefined;
  }
}

/** Binds the encrypted data to this event and these fields. */
function aboutOf(eventId: string, key: string, fields: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify([eventId, key, fields]));
}

function withValueAt<Whole>(whole: Whole, path: string, value: unknown): Whole {
  const [key = '', ...rest] = path.split('.');
  const part = (whole as Readonly<Record<string, unknown>>)[key];
  return { ...whole, [key]: rest.length === 0 ? value : withValueAt(part ?? {}, rest.join('.'), value) };
}
