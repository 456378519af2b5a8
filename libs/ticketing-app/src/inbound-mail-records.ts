import { deterministicId, ERASED, streamName } from '#eventsourcing';
import type { Mongo } from '#mongo';
import { type DataKey, type KeyOwner, openBox, type PersonalKeys, type SealedBox, sealBox, UNREADABLE } from '#privacy';
import { ticket } from '#ticketing';

/** What became of a message that came in by e-mail. */
export interface InboundMailRecord {
  /** Its id: of the client and the Message-ID. */
  readonly mail: string;
  /** The client that its sender belongs to; empty where that is not known. */
  readonly client: string;
  /** `aside`: it was not taken, or not wholly; kept with its reason. */
  readonly outcome: 'opened' | 'replied' | 'aside';
  readonly at: string;
  readonly ticketId?: string;
  readonly reason?: string;
  /** Id of its sender, as the reporter of tickets has it; absent where the client is not known. */
  readonly person?: string;
  /** The SHA-256 by which it is kept whole as an attachment, if it is. */
  readonly sha256?: string;
}

/** What a message says of its sender. */
export interface MailHeaders {
  /** Its Message-ID. */
  readonly message: string;
  readonly from?: string;
  readonly subject?: string;
}

/** A message that is kept aside, as it is read. */
export type MailAside = InboundMailRecord & MailHeaders;

/** Its headers are encrypted; those of messages from before are in the clear. */
export type InboundMailDocument = InboundMailRecord & Partial<MailHeaders> & { readonly _id: string; readonly headers?: SealedBox };

export const INBOUND_MAIL = 'inbound_mail';

export function inboundMail(db: Mongo['db']) {
  return db.collection<InboundMailDocument>(INBOUND_MAIL);
}

export function mailId(client: string, message: string): string {
  return deterministicId('mail', client, message);
}

/** The id of whoever writes from an address: it says nothing of the address. */
export function mailPerson(client: string, address: string): string {
  return `mail-${deterministicId('mail-sender', client, address)}`;
}

/** Whose a message is that is kept aside: its sender's, in the ticket that it is about, or in none. */
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

/** A message that is kept aside, with its headers. @throws StoreUnavailable */
export async function openMail(keys: PersonalKeys, { headers: sealed, ...record }: InboundMailDocument): Promise<MailAside> {
  if (sealed === undefined) return { message: ERASED, ...record };
  const headers = await openBox(keys, sealed, record.mail);
  if (headers instanceof Buffer) return { ...record, ...(JSON.parse(headers.toString()) as MailHeaders) };
  const mark = headers === 'erased' ? ERASED : UNREADABLE;
  return { ...record, message: mark, from: mark, subject: mark };
}

/** Messages of a person that are kept aside and have no key of theirs: it was not known whose they were, or they are in the clear. @throws StoreUnavailable */
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

/** Drops what a message from before says in the clear. */
export async function dropHeaders(db: Mongo['db'], of: { readonly _id: string } | { readonly ticketId: string }): Promise<void> {
  await inboundMail(db).updateMany(of, { $unset: { message: '', from: '', subject: '' } });
}
