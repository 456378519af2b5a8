import { createTransport } from 'nodemailer';
import { type MailConfig, mailServer } from '#platform';
import type { Message } from '#ticketing';
import type { Tried } from '#webhooks';

/** A message on its way to a mailbox. */
export interface Mail extends Message {
  /** For its Message-ID: the same on every attempt. */
  readonly id: string;
  readonly to: string;
  readonly attachment?: { readonly filename: string; readonly content: Buffer; readonly contentType: string };
}

/** How long the server may be silent, and how long sending may take in total, in milliseconds. */
export interface MailTimes {
  readonly silenceMs: number;
  readonly wholeMs: number;
}

/** Sends messages through a mail server, each over its own connection. */
export function mailer({ url, from }: MailConfig, { silenceMs, wholeMs }: MailTimes) {
  const server = mailServer(url);
  const transport = createTransport({
    ...server,
    // Nothing is sent unencrypted unless the configuration says so.
    ...(new URL(url).searchParams.get('tls') === 'none' ? { ignoreTLS: true } : { requireTLS: !server.secure }),
    connectionTimeout: silenceMs,
    greetingTimeout: silenceMs,
    socketTimeout: silenceMs,
    dnsTimeout: silenceMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = from.slice(from.lastIndexOf('@') + 1);

  /** Never throws. */
  return async ({ id, to, subject, text, attachment }: Mail, abandoned: AbortSignal): Promise<Tried> => {
    const began = performance.now();
    const took = () => ({ ms: Math.round(performance.now() - began) });
    const timeout = AbortSignal.timeout(wholeMs);
    try {
      const { response } = await transport.sendMail({
        from: { name: 'Tierline', address: from },
        // As an object: one address is not parsed as several.
        to: { name: '', address: to },
        subject,
        text,
        ...(attachment !== undefined && { attachments: [{ ...attachment }] }),
        messageId: `<${id}@${domain}>`,
        // Prevents automatic replies (RFC 3834).
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
        signal: AbortSignal.any([abandoned, timeout]),
      });
      return { outcome: 'taken', status: Number(response.slice(0, 3)), excerpt: response.slice(0, 500), ...took() };
    } catch (error) {
      const { message, code, responseCode, permanent } = error as Error & MailError;
      // A fault of this message or its receiver is permanent. A failed login is for the operator to fix.
      const refused = permanent === true && (code === 'EENVELOPE' || code === 'EMESSAGE');
      return {
        outcome: refused ? 'refused' : 'failed',
        // Addresses stay with the contact.
        error: (timeout.aborted ? `not done within ${wholeMs} ms` : message.replaceAll(to, '…')).slice(0, 500),
        ...(responseCode !== undefined && { status: responseCode }),
        ...took(),
      };
    }
  };
}

/** Fields of nodemailer's errors. */
interface MailError {
  readonly code?: string;
  readonly responseCode?: number;
  readonly permanent?: boolean;
}
