import { deterministicId } from '#eventsourcing';
import { omitUndefined, without } from '../plain-json.js';
import type { Person } from '../vocabulary.js';
import type { Notification, NotificationOutcome, SentNotification, Undelivered } from './escalation-policy.js';

/** A reminder that somebody was sent: in a message by each means that they are reached by. */
interface Reminder {
  readonly messages: readonly SentNotification[];
}

/** A message of which it is known what became of it. */
export type SettledNotification = Notification & { readonly attempts: number };

/** Why a message did not get through. */
export interface NotThrough {
  readonly because: Undelivered;
  readonly detail?: string;
}

/**
 * The messages to somebody, by each means that they are reached by; none where they are not.
 * @param about what they are reminded of, and when: the same has the same ids
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

/** Messages as they are when they are sent. */
export function onTheirWay(notifications: readonly Notification[] = []): readonly SentNotification[] {
  return notifications.map((sent) => ({ ...sent, state: 'on-its-way' }));
}

/** A reminder of which it is known what became of one message. @param because why it did not get through; it did, where nothing is said */
export function settled<Of extends Reminder>(reminder: Of, id: string, because?: Undelivered): Of {
  const became = because === undefined ? { state: 'delivered' as const } : { state: 'failed' as const, because };
  return { ...reminder, messages: reminder.messages.map((sent) => (sent.id === id ? { ...sent, ...became } : sent)) };
}

/** What is told of one message of a reminder; undefined where it is not, or no longer, on its way. */
export function outcomeIn(
  reminder: Reminder | undefined,
  { notification, attempts, failed }: NotificationOutcome,
): { readonly delivered: SettledNotification } | { readonly failed: SettledNotification & NotThrough } | undefined {
  const sent = reminder?.messages.find(({ id }) => id === notification);
  if (sent?.state !== 'on-its-way') return undefined;
  const about = { ...without(sent, 'state'), attempts };
  return failed === undefined ? { delivered: about } : { failed: omitUndefined({ ...about, ...failed }) };
}
