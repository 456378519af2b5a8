import type { Fault } from '#eventsourcing';
import { path, type Read, requireBoth } from './values.js';

/** Outgoing and incoming messages. */
export interface NotificationConfig {
  /** The outgoing mail server; undefined if there is none. */
  readonly mail?: MailConfig;
  /** The file with chat channels. */
  readonly channelsFile?: string;
  /** The mailbox to poll; undefined if there is none. */
  readonly mailbox?: MailboxConfig;
}

export interface MailboxConfig {
  /** `imaps://user:password@host/mailbox`, or `imap://…?tls=none`. */
  readonly url: string;
  /** The file that assigns senders to clients. */
  readonly sendersFile: string;
}

export interface MailConfig {
  /** `smtp:` (which must offer STARTTLS, unless `?tls=none`) or `smtps:`, optionally with user and password. */
  readonly url: string;
  /** The sender address of messages. */
  readonly from: string;
}

const PORTS: Readonly<Record<string, number>> = { 'smtp:': 587, 'smtps:': 465, 'imap:': 143, 'imaps:': 993 };

/** The server of a URL in the configuration, and its log-in, as mail clients expect it. */
export function mailServer(url: string) {
  const { protocol, hostname, port, username, password } = new URL(url);
  return {
    // IPv6 addresses are in brackets.
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? PORTS[protocol] : Number(port),
    secure: protocol === 'smtps:' || protocol === 'imaps:',
    ...(username !== '' && { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
  };
}

/** The settings of outgoing and incoming messages. Faults are added to a list. */
export function readNotifications(read: Read, isUnset: (name: string) => boolean, faults: Fault[]): NotificationConfig {
  const url = read(
    'SMTP_URL',
    undefined,
    smtpUrl,
    'must be an address such as smtps://user:password@mail.example, or smtp://… with STARTTLS',
  );
  const from = read('MAIL_FROM', undefined, mailAddress, 'must be an e-mail address such as tierline@example.com');
  const mailboxUrl = read('MAILBOX_URL', undefined, imapUrl, 'must be an address such as imaps://user:password@mail.example/INBOX');
  const sendersFile = read('MAIL_SENDERS_FILE', undefined, path, 'must be a path');
  const channelsFile = read('CHAT_CHANNELS_FILE', undefined, path, 'must be a path');
  requireBoth('SMTP_URL', 'MAIL_FROM', isUnset, faults);
  requireBoth('MAILBOX_URL', 'MAIL_SENDERS_FILE', isUnset, faults);
  return {
    ...(url !== undefined && from !== undefined && { mail: { url, from } }),
    ...(channelsFile !== undefined && { channelsFile }),
    ...(mailboxUrl !== undefined && sendersFile !== undefined && { mailbox: { url: mailboxUrl, sendersFile } }),
  };
}

function smtpUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, search } = new URL(text);
  return /^smtps?:$/.test(protocol) && hostname !== '' && /^(\?tls=none)?$/.test(search) ? text : undefined;
}

/** TLS from the start, or none if explicitly given. */
function imapUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, username, search } = new URL(text);
  const isSafe = protocol === 'imaps:' ? search === '' : protocol === 'imap:' && search === '?tls=none';
  return isSafe && hostname !== '' && username !== '' ? text : undefined;
}

function mailAddress(text: string): string | undefined {
  return /^[^\s@<>",;:]+@[^\s@<>",;:]+$/.test(text) ? text : undefined;
}
