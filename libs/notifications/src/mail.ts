import { createTransport } from 'nodemailer';
import { type MailConfig, mailServer } from '#platform';
import type { Message } from '#ticketing';
import type { Tried } from '#webhooks';

/** A message on its way to a mailbox. */
export interface Mail extends Message {
  /** Makes its Message-ID: the same however often it is sent. */
  readonly id: string;
  readonly to: string;
  readonly attachment?: { readonly filename: string; readonly content: Buffer; readonly contentType: string };
}

/** How long nothing may come from the server before it is given up, and how long all of it may take, in milliseconds. */
export interface MailTimes {
  readonly silenceMs: number;
  readonly wholeMs: number;
}

/** Sends messages through a mail server, each by a connection of its own. */
export function mailer({ url, from }: MailConfig, { silenceMs, wholeMs }: MailTimes) {
  const server = mailServer(url);
  const transport = createTransport({
    ...server,
    // Nothing goes over the network in the clear unless the configuration says so.
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
        // As an object: what is one address is not read as several.
        to: { name: '', address: to },
        subject,
        text,
        ...(attachment !== undefined && { attachments: [{ ...attachment }] }),
        messageId: `<${id}@${domain}>`,
        // Nobody's absence note answers it (RFC 3834).
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
        signal: AbortSignal.any([abandoned, timeout]),
      });
      return { outcome: 'taken', status: Number(response.slice(0, 3)), excerpt: response.slice(0, 500), ...took() };
    } catch (error) {
      const { message, code, responseCode, permanent } = error as Error & MailError;
      // What is wrong with this message or its receiver stays wrong. A login that fails is for the operator to put right.
      const refused = permanent === true && (code === 'EENVELOPE' || code === 'EMESSAGE');
      return {
        outcome: refused ? 'refused' : 'failed',
        // Whose address it is stays with the contact.
        error: (timeout.aborted ? `not done within ${wholeMs} ms` : message.replaceAll(to, '…')).slice(0, 500),
        ...(responseCode !== undefined && { status: responseCode }),
        ...took(),
      };
    }
  };
}

/** What nodemailer tells of an error. */
interface MailError {
  readonly code?: string;
  readonly responseCode?: number;
  readonly permanent?: boolean;
}
