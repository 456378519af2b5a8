import type { StrategyName } from './settings.js';

/** What a strategy knows about a connected consumer. */
export interface Receiver {
  /** Whether it can take another event now: it has a free slot, and has read what was written to it. */
  hasRoom(): boolean;
}

/** `busy`: the consumer that must get this event has no room; another event may still find a receiver. `full`: none has room. */
export type Choice<R> = { readonly receiver: R } | 'busy' | 'full';

/** How the events of a group are distributed to its consumers. */
export interface Strategy<R extends Receiver> {
  add(receiver: R): void;
  remove(receiver: R): void;
  /** `bucket` is called only by strategies that keep related events together. */
  choose(bucket: () => number): Choice<R>;
  /** An event given to this receiver is no longer in flight. */
  settled(receiver: R, bucket: number | undefined): void;
}

/** To one consumer after the other, skipping those without room; or to the same one as long as it has room. */
function inTurn<R extends Receiver>(stay: boolean): Strategy<R> {
  let queue: R[] = [];
  return {
    add: (receiver) => void queue.push(receiver),
    remove: (receiver) => void (queue = queue.filter((other) => other !== receiver)),
    choose() {
      for (let turn = 0; turn < queue.length; turn++) {
        const receiver = queue[0] as R;
        const hasRoom = receiver.hasRoom();
        if (!hasRoom || !stay) queue.push(queue.shift() as R);
        if (hasRoom) return { receiver };
      }
      return 'full';
    },
    settled: () => undefined,
  };
}

/** Events are assigned to this many buckets, each of which belongs to one consumer: memory does not grow with the number of streams. */
export const BUCKETS = 1024;

interface Assignment<R> {
  receiver: R;
  inFlight: number;
}

/**
 * Sends related events to the same consumer, while it is connected. A bucket is assigned with its first event, to the consumer with the
 * fewest buckets; a new consumer takes over buckets in excess of the average, first those with few events in flight. Events already in
 * flight are not moved.
 */
function pinned<R extends Receiver>(): Strategy<R> {
  const receivers: R[] = [];
  /** In the order in which they were assigned. */
  const assignments = new Map<number, Assignment<R>>();
  const bucketsOf = (receiver: R): Array<[number, Assignment<R>]> =>
    [...assignments].filter(([, assignment]) => assignment.receiver === receiver);
  const counts = new Map<R, number>();
  const assign = (bucket: number, receiver: R): Assignment<R> => {
    const before = assignments.get(bucket);
    if (before) counts.set(before.receiver, (counts.get(before.receiver) as number) - 1);
    const assignment = { receiver, inFlight: 0 };
    assignments.set(bucket, assignment);
    counts.set(receiver, (counts.get(receiver) as number) + 1);
    return assignment;
  };
  return {
    add(receiver) {
      receivers.push(receiver);
      counts.set(receiver, 0);
      const fairShare = Math.ceil(assignments.size / receivers.length);
      for (const other of receivers) {
        if (other === receiver) continue;
        const surplus = (counts.get(other) as number) - fairShare;
        if (surplus <= 0) continue;
        const movable = bucketsOf(other).sort(([, a], [, b]) => a.inFlight - b.inFlight);
        for (const [bucket] of movable.slice(0, surplus)) assign(bucket, receiver);
      }
    },
    remove(receiver) {
      receivers.splice(receivers.indexOf(receiver), 1);
      for (const [bucket] of bucketsOf(receiver)) assignments.delete(bucket);
      counts.delete(receiver);
    },
    choose(bucketOf) {
      if (!receivers.some((receiver) => receiver.hasRoom())) return 'full';
      const bucket = bucketOf();
      const fewest = (): R =>
        receivers.reduce((least, receiver) => ((counts.get(receiver) as number) < (counts.get(least) as number) ? receiver : least));
      const assignment = assignments.get(bucket) ?? assign(bucket, fewest());
      if (!assignment.receiver.hasRoom()) return 'busy';
      assignment.inFlight++;
      return { receiver: assignment.receiver };
    },
    settled(receiver, bucket) {
      const assignment = bucket === undefined ? undefined : assignments.get(bucket);
      if (assignment?.receiver === receiver && assignment.inFlight > 0) assignment.inFlight--;
    },
  };
}

export function strategyFor<R extends Receiver>(name: StrategyName): Strategy<R> {
  if (name === 'RoundRobin') return inTurn(false);
  return name === 'DispatchToSingle' ? inTurn(true) : pinned();
}
