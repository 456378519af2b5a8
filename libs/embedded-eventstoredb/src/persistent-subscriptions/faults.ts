import { status } from '@grpc/grpc-js';
import { Fault } from '../wire/faults.js';

/** An empty name has no trailer. */
const trailers = (exception: string, source: string, group: string): Record<string, string> => ({
  exception,
  ...(source !== '' && { 'stream-name': source }),
  ...(group !== '' && { 'group-name': group }),
});
const about = (source: string, group: string): string => `Subscription group ${group} on stream ${source}`;

export const groupMissing = (source: string, group: string): Fault =>
  new Fault(status.NOT_FOUND, `${about(source, group)} does not exist.`, trailers('persistent-subscription-does-not-exist', source, group));
export const groupExists = (source: string, group: string): Fault =>
  new Fault(status.ALREADY_EXISTS, `${about(source, group)} exists.`, trailers('persistent-subscription-exists', source, group));
export const groupDropped = (source: string, group: string): Fault =>
  new Fault(status.CANCELLED, `${about(source, group)} was dropped.`, trailers('persistent-subscription-dropped', source, group));
export const groupFailed = (source: string, group: string, reason: string): Fault =>
  new Fault(status.INTERNAL, `${about(source, group)} failed: '${reason}'`, {
    ...trailers('persistent-subscription-failed', source, group),
    reason,
  });
export const subscribersReached = (source: string, group: string): Fault =>
  new Fault(
    status.FAILED_PRECONDITION,
    `Maximum subscriptions reached for subscription group ${group} on stream ${source}.`,
    trailers('maximum-subscribers-reached', source, group),
  );
