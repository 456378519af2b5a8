import { deterministicId, ERASED, streamName } from '#eventsourcing';
import type { Mongo } from '#mongo';
import { type DataKey, type KeyOwner, openBox, type PersonalKeys, type SealedBox, sealBox, UNREADABLE } from '#privacy';
import { ticket } from '#ticketing';

/** Outcome of an incoming e-mail. */
export interface InboundMailRecord {
  /** Its id, derived from the client and the Message-ID. */
  readonly mail: string;
  /** The client of its sender; empty if unknown. */
  readonly client: string;
  /** `aside`: not accepted, or only in part; kept with the reason. */
  readonly outcome: 'opened' | 'replied' | 'aside';
  readonly at: string;
  readonly ticketId?: string;
  readonly reason?: string;
  /** Id of its sender, as the reporter of tickets; absent if the client is unknown. */
  readonly person?: string;
  /** SHA-256 of the complete message, if it is kept as an attachment. */
  readonly sha256?: string;
}

/** What a message says about its sender. */
export interface MailHeaders {
  /** Its Message-ID. */
  readonly message: string;
  readonly from?: string;
  readonly subject?: string;
}

/** A message kept aside, for display. */
export type MailAside = InboundMailRecord & MailHeaders;

/** Its headers are encrypted; those of older messages are not. */
export type InboundMailDocument = InboundMailRecord & Partial<MailHeaders> & { readonly _id: string; readonly headers?: SealedBox };

export const INBOUND_MAIL = 'inbound_mail';

export function inboundMail(db: Mongo['db']) {
  return db.collection<InboundMailDocument>(INBOUND_MAIL);
}

export function mailId(client: string, message: string): string {
  return deterministicId('mail', client, message);
}

/** The id of the person behind an address: it reveals nothing about the address. */
export function mailPerson(client: string, address: string): string {
  return `mail-${deterministicId('mail-sender', client, address)}`;
}

/** The owner of a message kept aside: its sender, in the ticket that it is about, or in none. */
export function ownerOf({
  mail,
  client,
  person = '',
  ticketId,
}: Pick<InboundMailRecord, 'mail' | 'client' | 'person' | 'ticketId'>): KeyOwner {
  return { client, person, stream: ticketId === undefined ? `mail-${mail}` : streamName(ticket, ticketId) };
}

export function sealHeaders(key: DataKey, owner: KeyOwner, mail: string, headers: MailHeaders): SealedBox {
  return sealBox(key, owner, mail, Buffer.from(JSON.stringify(headers)));
}

/** A message kept aside, with its headers. @throws StoreUnavailable */
export async function openMail(keys: PersonalKeys, { headers: sealed, ...record }: InboundMailDocument): Promise<MailAside> {
  if (sealed === undefined) return { message: ERASED, ...record };
  const headers = await openBox(keys, sealed, record.mail);
  if (headers instanceof Buffer) return { ...record, ...(JSON.parse(headers.toString()) as MailHeaders) };
  const mark = headers === 'erased' ? ERASED : UNREADABLE;
  return { ...record, message: mark, from: mark, subject: mark };
}

/**
 * Messages kept aside from a person that have no key of that person: the owner was unknown, or they are unencrypted. @throws
 * StoreUnavailable
 */
export async function* mailWithoutKeyOf(
  db: Mongo['db'],
  keys: PersonalKeys,
  { client, person }: Pick<KeyOwner, 'client' | 'person'>,
): AsyncGenerator<InboundMailDocument> {
  const unknown = { $or: [{ client: '' }, { client, headers: { $exists: false } }] };
  for await (const found of inboundMail(db).find({ outcome: 'aside', ...unknown })) {
    const { from } = await openMail(keys, found);
    if (from !== undefined && mailPerson(client, from) === person) yield found;
  }
}

/** Drops the unencrypted headers of older messages. */
export async function dropHeaders(db: Mongo['db'], of: { readonly _id: string } | { readonly ticketId: string }): Promise<void> {
  await inboundMail(db).updateMany(of, { $unset: { message: '', from: '', subject: '' } });
}
