import type { RecordNotification, Undelivered } from '#ticketing';
import type { Attempt, Tried } from '#webhooks';

/** Why a message is not worth trying; the start of the attempt's error. */
const HOPELESS = ['no-address', 'not-configured', 'not-of-client'] as const satisfies readonly Undelivered[];

/** For what is not worth trying. */
export function notTried(why: (typeof HOPELESS)[number]): Tried {
  return { outcome: 'refused', ms: 0, error: why };
}

/** Why something was not delivered. */
export function failureOf(
  outcome: Exclude<Tried['outcome'], 'taken'>,
  { error, status, excerpt }: Attempt,
): NonNullable<RecordNotification['failed']> {
  const hopeless = HOPELESS.find((one) => one === error);
  if (hopeless !== undefined) return { because: hopeless };
  const detail = error ?? [status, excerpt].filter((part) => part !== undefined).join(' ');
  return { because: outcome === 'refused' ? 'refused' : 'given-up', detail };
}
