import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ImapFlow } from 'imapflow';
import { isRefusal } from '#eventsourcing';
import type { ViewLog } from '#mongo';
import { mailServer } from '#platform';
import { systemPrincipal } from '#ticketing';
import { MAIL_LIMIT, type MailParts, takeMail } from './take-mail.js';

export interface PollMailboxOptions extends MailParts {
  readonly log: ViewLog;
  /** `imaps://user:password@host/mailbox`, or `imap://…?tls=none`; the default mailbox is INBOX. */
  readonly url: string;
  /** Address or domain of a sender → client. */
  readonly senders: ReadonlyMap<string, string>;
  /** Addresses that our messages come from, in lower case. */
  readonly own: readonly string[];
  /** The pause between two checks, in milliseconds (default 60,000). */
  readonly everyMs?: number;
  /** How long the server may be silent, in milliseconds (default 30,000). */
  readonly silenceMs?: number;
}

/** Receives messages from a mailbox. */
const MAILBOX = systemPrincipal({ id: 'mailbox' });

/**
 * Processes the unseen messages of a mailbox, and marks them as seen; those kept aside also as flagged. Several processes may do so: each
 * message is still processed once.
 */
export function pollMailbox({ log, url, senders, own, everyMs = 60_000, silenceMs = 30_000, ...parts }: PollMailboxOptions): {
  stop(): Promise<void>;
} {
  const path = decodeURIComponent(new URL(url).pathname.slice(1)) || 'INBOX';
  const stopping = new AbortController();
  const { signal } = stopping;
  const clientOf = (address: string) => senders.get(address) ?? senders.get(address.slice(address.lastIndexOf('@') + 1));

  async function poll(): Promise<void> {
    const mailbox = new ImapFlow({
      ...mailServer(url),
      logger: false,
      disableAutoIdle: true,
      connectionTimeout: silenceMs,
      greetingTimeout: silenceMs,
      socketTimeout: silenceMs,
    });
    // A broken connection also rejects whatever is pending.
    mailbox.on('error', () => {});
    const close = () => mailbox.close();
    signal.addEventListener('abort', close);
    try {
      await mailbox.connect();
      const lock = await mailbox.getMailboxLock(path);
      try {
        const unseen = (await mailbox.search({ seen: false }, { uid: true })) || [];
        for (const uid of unseen) {
          if (signal.aborted) return;
          await mailbox.messageFlagsAdd(String(uid), [...(await take(mailbox, uid)), '\\Seen'], { uid: true });
        }
      } finally {
        lock.release();
      }
      await mailbox.logout();
    } finally {
      signal.removeEventListener('abort', close);
      mailbox.close();
    }
  }

  /** @returns flags that show the outcome to people who look into the mailbox */
  async function take(mailbox: ImapFlow, uid: number): Promise<readonly string[]> {
    const sized = await mailbox.fetchOne(String(uid), { size: true }, { uid: true });
    if (sized && (sized.size ?? 0) > MAIL_LIMIT) {
      log.warn({ uid, bytes: sized.size }, 'a message is too large to be taken, and stays in the mailbox');
      return ['\\Flagged'];
    }
    const found = await mailbox.fetchOne(String(uid), { source: true }, { uid: true });
    // It has been deleted meanwhile.
    if (!found || found.source === undefined) return [];
    const taken = await takeMail(parts, found.source, { principal: MAILBOX, correlationId: randomUUID(), clientOf, own });
    if (isRefusal(taken)) throw new Error(taken.message);
    if (taken.outcome === 'aside') log.warn({ uid, ...taken }, 'a message was kept aside');
    return taken.outcome === 'aside' ? ['\\Flagged'] : [];
  }

  async function keepPolling(): Promise<void> {
    while (!signal.aborted) {
      await poll().catch((error: unknown) => {
        if (!signal.aborted) log.warn({ err: error }, 'the mailbox cannot be read; tried again');
      });
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  const running = keepPolling();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
