import { createHash } from 'node:crypto';
import {
  type Actor,
  deterministicId,
  type EventStore,
  isName,
  isRefusal,
  isVisibleText,
  readAggregate,
  type Refusal,
  singleLine,
} from '#eventsourcing';
import type { Mongo } from '#mongo';
import type { PersonalKeys, SealedBlobs } from '#privacy';
import { type Principal, ticket, type TicketCommandName, type TicketCommands } from '#ticketing';
import {
  inboundMail,
  type InboundMailDocument,
  type InboundMailRecord,
  mailId,
  mailPerson,
  ownerOf,
  runCommand,
  sealHeaders,
} from '#ticketing-app';
import { type InboundMail, type MailAttachment, readMail } from './read-mail.js';

/** Largest message in bytes. */
export const MAIL_LIMIT = 25 * 1024 * 1024;
const ATTACHMENT_LIMIT = 10 * 1024 * 1024;
const MOST_ATTACHMENTS = 20;
const LONGEST_TEXT = 20_000;
const LONGEST_SUMMARY = 200;

export interface MailParts {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  /** Where attachments, and messages kept aside, are stored. */
  readonly blobs: SealedBlobs;
  readonly keys: PersonalKeys;
}

export interface Receiving {
  /** Who delivers the message, and may act on behalf of its sender. */
  readonly principal: Principal;
  readonly correlationId: string;
  /** The client of a sender; undefined if unknown. */
  clientOf(address: string): string | undefined;
  /** Addresses that our messages come from, in lower case. */
  readonly own: readonly string[];
}

/** The outcome of a message. */
export type TakenMail = Pick<InboundMailRecord, 'outcome' | 'ticketId' | 'reason'>;

/**
 * Processes a message: it opens a ticket, or is a reply to one. Once per Message-ID, however often it arrives. What cannot be processed, or
 * only in part, is kept aside unchanged, with the reason.
 * @returns a refusal if the deliverer may not do so
 */
export async function takeMail(parts: MailParts, raw: Uint8Array, receiving: Receiving): Promise<TakenMail | Refusal<'forbidden'>> {
  const mail = await readMail(raw).catch(() => undefined);
  if (mail === undefined) return setAside(parts, raw, 'unreadable');
  const client = receiving.clientOf(mail.from.address);
  const because = unwanted(mail, receiving.own) ?? (client === undefined ? 'unknown-sender' : undefined);
  if (client === undefined || because !== undefined)
    return setAside(parts, raw, because ?? '', { mail, ...(client !== undefined && { client }) });
  const known = await ticketOf(parts, mail, client);
  if (known === 'not-of-client') return setAside(parts, raw, known, { mail, client });

  const sender = senderOf(mail, client);
  const send = <Name extends TicketCommandName>(
    id: string | undefined,
    name: Name,
    body: TicketCommands[Name],
    ...what: readonly string[]
  ) => {
    const commandId = deterministicId('mail', client, mail.id, name, ...what);
    const { principal, correlationId } = receiving;
    const context = { commandId, principal, onBehalfOf: sender, correlationId, causationId: commandId };
    return runCommand(parts.store, { aggregate: ticket, id, name, body, context });
  };
  const done = await (known === undefined
    ? send(undefined, 'OpenTicket', openingOf(mail, client, sender))
    : send(known, 'RecordRequesterReply', { text: textOf(mail), author: personOf(sender) }));
  if (isRefusal(done)) {
    if (done.refused === 'forbidden') return done as Refusal<'forbidden'>;
    return setAside(parts, raw, done.refused, { mail, client, ...(known !== undefined && { ticketId: known }) });
  }
  const left = mail.text.length > LONGEST_TEXT ? ['text-too-long'] : [];
  for (const [index, attachment] of mail.attachments.entries()) {
    const reason =
      index < MOST_ATTACHMENTS
        ? await attach(parts, attachment, (body) => send(done.id, 'AttachEvidence', body, String(index), body.name))
        : 'too-many-attachments';
    if (reason !== undefined) left.push(reason);
  }
  const ticketId = done.id;
  const [reason] = left;
  if (reason !== undefined) return setAside(parts, raw, reason, { mail, client, ticketId });
  const outcome = known === undefined ? 'opened' : 'replied';
  await record(parts, { mail: await placeOf(parts, client, mail.id, raw, ticketId), client, outcome, ticketId });
  return { outcome, ticketId };
}

/** Why a message is not for a ticket: no person wrote it, or we did. */
function unwanted({ automatic, from, answers, id }: InboundMail, own: readonly string[]): string | undefined {
  if (automatic !== undefined) return automatic;
  const isOurs = (message: string) =>
    own.some((address) => message.toLowerCase().endsWith(`@${address.slice(address.lastIndexOf('@') + 1)}>`) && OUR_ID.test(message));
  if (own.includes(from.address) || isOurs(id)) return 'own-message';
  return answers.some(isOurs) ? 'answers-a-notification' : undefined;
}

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
/** As in the messages of escalation steps. */
const OUR_ID = new RegExp(`^<${UUID}@`, 'i');
/** The id of a ticket. */
const IN_SUBJECT = new RegExp(`\\[#(${UUID})\\]`, 'i');
const IN_ADDRESS = new RegExp(`\\+(${UUID})@`, 'i');

/** The ticket of a message, by the token in its subject or recipients' addresses, or by the messages that it answers. */
async function ticketOf(
  { store, db }: MailParts,
  { subject, to, answers }: InboundMail,
  client: string,
): Promise<string | 'not-of-client' | undefined> {
  const token = [IN_SUBJECT.exec(subject), ...to.map((address) => IN_ADDRESS.exec(address))].find((found) => found !== null)?.[1];
  if (token !== undefined) {
    const id = token.toLowerCase();
    const { state } = await readAggregate(store, ticket, id);
    return state?.client === client ? id : 'not-of-client';
  }
  const answered = answers.map((message) => mailId(client, message));
  const found = await inboundMail(db)
    .find({ _id: { $in: answered }, ticketId: { $exists: true } })
    .toArray();
  const ticketOfMail = new Map(found.map(({ _id, ticketId }) => [_id, ticketId]));
  return answered.map((mail) => ticketOfMail.get(mail)).find((id) => id !== undefined);
}

/** The address is in the name, which is encrypted. */
function senderOf({ from: { address, name } }: InboundMail, client: string): Actor {
  const whole = name === '' ? address : `${name} <${address}>`;
  return {
    id: mailPerson(client, address),
    kind: 'requester',
    name: isName(whole, 200) ? whole : address.slice(0, 200),
  };
}

const personOf = ({ id, name }: Actor) => ({ id, ...(name !== undefined && { name }) });

function openingOf(mail: InboundMail, client: string, sender: Actor): TicketCommands['OpenTicket'] {
  const summary = [...singleLine(mail.subject).replace(/\s+/g, ' ').trim()].slice(0, LONGEST_SUMMARY).join('');
  return {
    client,
    kind: 'incident',
    summary: isVisibleText(summary) ? summary : '(no subject)',
    description: textOf(mail),
    reporter: personOf(sender),
    channel: 'email',
    impact: 'medium',
    urgency: 'medium',
  };
}

function textOf({ text }: InboundMail): string {
  const whole = text.slice(0, LONGEST_TEXT).trim();
  return isVisibleText(whole) ? whole : '(no text)';
}

/** Stores an attachment, and records it in the ticket. @returns why not, if it failed */
async function attach(
  { blobs }: MailParts,
  { name, mediaType, content }: MailAttachment,
  send: (body: TicketCommands['AttachEvidence']) => Promise<object>,
): Promise<string | undefined> {
  if (content.length > ATTACHMENT_LIMIT) return 'attachment-too-large';
  const { sha256, bytes, mediaType: kept } = await blobs.put(once(content), { mediaType, limit: ATTACHMENT_LIMIT });
  const body = { name, kind: 'other' as const, url: `attachment:${sha256}`, mediaType: kept, sha256, bytes };
  const done = await send(body);
  if (!isRefusal(done)) return undefined;
  if (done.refused !== 'evidence-exists') return done.refused;
  // Another message has that name.
  const renamed = await send({ ...body, name: `${name} (${sha256.slice(0, 12)})` });
  return isRefusal(renamed) ? renamed.refused : undefined;
}

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}

/** Stores a message unchanged, encrypted for its sender. */
async function setAside(
  parts: MailParts,
  raw: Uint8Array,
  reason: string,
  { mail, client = '', ticketId }: { readonly mail?: InboundMail; readonly client?: string; readonly ticketId?: string } = {},
): Promise<TakenMail> {
  const { sha256 } = await parts.blobs.put(once(raw), { mediaType: 'message/rfc822', limit: MAIL_LIMIT });
  const message = mail?.id ?? `<${sha256}@unreadable>`;
  const taken = { outcome: 'aside' as const, reason, ...(ticketId !== undefined && { ticketId }) };
  const person = mail !== undefined && client !== '' ? { person: mailPerson(client, mail.from.address) } : {};
  // A message that differs from the first one with this Message-ID is another one, even if it concerns the same ticket.
  const came = reason === 'idempotency-key-reused' ? undefined : ticketId;
  const about = { mail: await placeOf(parts, client, message, raw, came), client, ...taken, ...person, sha256 };
  const owner = ownerOf(about);
  const key = await parts.keys.forWritingOnce(owner);
  await parts.blobs.attach(sha256, owner, key);
  const headers = { message, ...(mail && { from: mail.from.address, subject: mail.subject.slice(0, 500) }) };
  await record(parts, { ...about, headers: sealHeaders(key, owner, about.mail, headers) });
  return taken;
}

/**
 * The id under which a message is recorded: that of its Message-ID, unless another message with the same one reached a ticket. Answers to
 * that one must find its ticket, whatever arrives later.
 * @param ticketId the ticket that it reached, if any
 */
async function placeOf({ db }: MailParts, client: string, message: string, raw: Uint8Array, ticketId: string | undefined): Promise<string> {
  const place = mailId(client, message);
  const known = await inboundMail(db).findOne({ _id: place, ticketId: { $exists: true } }, { projection: { ticketId: 1 } });
  if (known === null || known.ticketId === ticketId) return place;
  return deterministicId('mail', place, createHash('sha256').update(raw).digest('hex'));
}

async function record({ db }: MailParts, what: Omit<InboundMailDocument, '_id' | 'at'>): Promise<void> {
  await inboundMail(db).replaceOne({ _id: what.mail }, { ...what, at: new Date().toISOString() }, { upsert: true });
}
