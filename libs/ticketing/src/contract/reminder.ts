import { deterministicId } from '#eventsourcing';
import { omitUndefined, without } from '../plain-json.js';
import type { Person } from '../vocabulary.js';
import type { Notification, NotificationOutcome, SentNotification, Undelivered } from './escalation-policy.js';

/** A reminder to someone: one message by each means that reaches them. */
interface Reminder {
  readonly messages: readonly SentNotification[];
}

/** A message with a known outcome. */
export type SettledNotification = Notification & { readonly attempts: number };

/** Why a message was not delivered. */
export interface NotThrough {
  readonly because: Undelivered;
  readonly detail?: string;
}

export type FailedNotification = SettledNotification & NotThrough;

/** A failure as other services read it: the mail server's own words stay inside. */
export const withoutDetail = <Failed extends NotThrough>({ detail: _, ...failed }: Failed) => failed;

/**
 * The messages to someone, one by each means that reaches them; none if nothing does.
 * @param about what they are reminded of, and when: the same input gives the same ids
 */
export function notificationsTo(
  person: Person,
  reach: readonly Pick<Notification, 'by' | 'channel'>[] | 'not-of-client' | undefined,
  ...about: readonly string[]
): readonly Notification[] {
  return (reach === undefined || reach === 'not-of-client' ? [] : reach).map((means) => ({
    id: deterministicId('notification', ...about, person.id, means.by),
    target: { kind: 'person', person },
    ...means,
  }));
}

/** Messages as they are when sent. */
export function onTheirWay(notifications: readonly Notification[] = []): readonly SentNotification[] {
  return notifications.map((sent) => ({ ...sent, state: 'on-its-way' }));
}

/** A reminder with the outcome of one message. @param because why it was not delivered; omitted if it was */
export function settled<Of extends Reminder>(reminder: Of, id: string, because?: Undelivered): Of {
  const became = because === undefined ? { state: 'delivered' as const } : { state: 'failed' as const, because };
  return { ...reminder, messages: reminder.messages.map((sent) => (sent.id === id ? { ...sent, ...became } : sent)) };
}

/** The outcome of one message of a reminder; undefined if the message is not, or no longer, on its way. */
export function outcomeIn(
  reminder: Reminder | undefined,
  { notification, attempts, failed }: NotificationOutcome,
): { readonly delivered: SettledNotification } | { readonly failed: FailedNotification } | undefined {
  const sent = reminder?.messages.find(({ id }) => id === notification);
  if (sent?.state !== 'on-its-way') return undefined;
  const about = { ...without(sent, 'state'), attempts };
  return failed === undefined ? { delivered: about } : { failed: omitUndefined({ ...about, ...failed }) };
}
