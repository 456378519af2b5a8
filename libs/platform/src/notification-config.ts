import type { Fault } from '#eventsourcing';
import type { Read } from './values.js';

/** How messages leave. */
export interface NotificationConfig {
  /** The mail server that messages go through; undefined where there is none. */
  readonly mail?: MailConfig;
  /** The file that names chat channels. */
  readonly channelsFile?: string;
}

export interface MailConfig {
  /** `smtp:` (which must offer STARTTLS, unless `?tls=none`) or `smtps:`, perhaps with user and password. */
  readonly url: string;
  /** The address that messages come from. */
  readonly from: string;
}

/** How messages leave, by the environment. Faults are added to a list. */
export function readNotifications(
  read: Read,
  isUnset: (name: string) => boolean,
  path: (text: string) => string | undefined,
  faults: Fault[],
): NotificationConfig {
  const url = read(
    'SMTP_URL',
    undefined,
    smtpUrl,
    'must be an address such as smtps://user:password@mail.example, or smtp://… with STARTTLS',
  );
  const from = read('MAIL_FROM', undefined, mailAddress, 'must be an e-mail address such as tierline@example.com');
  const channelsFile = read('CHAT_CHANNELS_FILE', undefined, path, 'must be a path');
  for (const [name, other] of [
    ['SMTP_URL', 'MAIL_FROM'],
    ['MAIL_FROM', 'SMTP_URL'],
  ] as const)
    if (isUnset(name) && !isUnset(other)) faults.push({ field: name, message: `is required where there is ${other}` });
  return {
    ...(url !== undefined && from !== undefined && { mail: { url, from } }),
    ...(channelsFile !== undefined && { channelsFile }),
  };
}

function smtpUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, search } = new URL(text);
  return /^smtps?:$/.test(protocol) && hostname !== '' && /^(\?tls=none)?$/.test(search) ? text : undefined;
}

function mailAddress(text: string): string | undefined {
  return /^[^\s@<>",;:]+@[^\s@<>",;:]+$/.test(text) ? text : undefined;
}
