import { createHash } from 'node:crypto';
import PostalMime, { type Address, type Attachment, type Email } from 'postal-mime';
import { singleLine } from '#eventsourcing';

/** The relevant parts of an incoming message. */
export interface InboundMail {
  /** Its Message-ID, or one derived from its content. */
  readonly id: string;
  readonly from: { readonly address: string; readonly name: string };
  /** Addresses of its recipients, in lower case. */
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** Message-IDs that it answers, nearest first. */
  readonly answers: readonly string[];
  readonly attachments: readonly MailAttachment[];
  /** Why no person wrote it, if that is so. */
  readonly automatic?: AutomaticBecause;
}

export interface MailAttachment {
  readonly name: string;
  readonly mediaType: string;
  readonly content: Uint8Array;
}

export type AutomaticBecause = 'auto-submitted' | 'bulk' | 'mailing-list' | 'no-return-path' | 'delivery-report';

const MOST_REFERENCES = 100;

/** Parses an RFC 5322 message; undefined if it is not one, or has no sender. */
export async function readMail(raw: Uint8Array): Promise<InboundMail | undefined> {
  const email = await PostalMime.parse(raw, { attachmentEncoding: 'arraybuffer' });
  const [from] = mailboxes(email.from === undefined ? [] : [email.from]);
  if (from === undefined) return undefined;
  const [id] = idsIn(email.messageId);
  const automatic = automaticBecause(email, from.address);
  return {
    id: id ?? `<${createHash('sha256').update(raw).digest('hex')}@without-message-id>`,
    from,
    to: [...mailboxes([...(email.to ?? []), ...(email.cc ?? [])]).map(({ address }) => address), ...deliveredTo(email)],
    subject: email.subject ?? '',
    text: email.text ?? '',
    answers: [...new Set([...idsIn(email.inReplyTo), ...idsIn(email.references).reverse()])].slice(0, MOST_REFERENCES),
    attachments: [...attached(email), ...(email.text === undefined && email.html !== undefined ? [asHtml(email.html)] : [])],
    ...(automatic && { automatic }),
  };
}

function idsIn(header = ''): string[] {
  return header.match(/<[^<>\s]{1,900}>/g) ?? [];
}

function mailboxes(addresses: readonly Address[]): { readonly address: string; readonly name: string }[] {
  return addresses
    .flatMap((one) => one.group ?? [one])
    .flatMap(({ address, name }) => (address?.includes('@') ? [{ address: address.toLowerCase(), name }] : []));
}

function deliveredTo({ headers }: Email): readonly string[] {
  const named = headers.filter(({ key }) => key === 'delivered-to' || key === 'x-original-to');
  return named.map(({ value }) => value.trim().toLowerCase());
}

/** By RFC 3834, and by older conventions. */
function automaticBecause({ headers }: Email, from: string): AutomaticBecause | undefined {
  const header = (name: string) =>
    headers
      .find(({ key }) => key === name)
      ?.value.trim()
      .toLowerCase();
  const submitted = header('auto-submitted');
  if (submitted !== undefined && submitted.split(';')[0]?.trim() !== 'no') return 'auto-submitted';
  if (header('x-autoreply') !== undefined || header('x-autorespond') !== undefined) return 'auto-submitted';
  if (/^(bulk|junk|list|auto_reply)$/.test(header('precedence') ?? '')) return 'bulk';
  if (header('list-id') !== undefined || header('list-unsubscribe') !== undefined) return 'mailing-list';
  if (header('return-path') === '<>') return 'no-return-path';
  if (/^multipart\/report\b/.test(header('content-type') ?? '') || /^(mailer-daemon|postmaster)@/.test(from)) return 'delivery-report';
  return undefined;
}

function attached({ attachments }: Email): readonly MailAttachment[] {
  return attachments.map(({ filename, mimeType, content }, index) => ({
    name: nameOf(filename ?? '', index),
    mediaType: /^[a-z0-9.+-]{1,100}\/[a-z0-9.+-]{1,100}$/i.test(mimeType) ? mimeType.toLowerCase() : 'application/octet-stream',
    content: bytesOf(content),
  }));
}

function bytesOf(content: Attachment['content']): Uint8Array {
  return typeof content === 'string' ? Buffer.from(content) : new Uint8Array(content);
}

/** One line, without control and invisible characters. */
function nameOf(given: string, index: number): string {
  const name = singleLine(given).trim();
  return name === '' ? `attachment-${index + 1}` : [...name].slice(0, 150).join('');
}

function asHtml(html: string): MailAttachment {
  return { name: 'message.html', mediaType: 'text/html', content: Buffer.from(html) };
}
