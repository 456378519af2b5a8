import type { StrategyName } from './settings.js';

/** A connected consumer, as far as a strategy has to know it. */
export interface Receiver {
  /** Whether it takes another event now: it has a free slot, and has read what was written to it. */
  hasRoom(): boolean;
}

/** `busy`: whoever must have this event has no room; another event may still find a receiver. `full`: none has room. */
export type Choice<R> = { readonly receiver: R } | 'busy' | 'full';

/** How the events of a group are dealt out to its consumers. */
export interface Strategy<R extends Receiver> {
  add(receiver: R): void;
  remove(receiver: R): void;
  /** `bucket` is asked only by strategies that keep related events together. */
  choose(bucket: () => number): Choice<R>;
  /** An event that this receiver was chosen for is no longer in flight. */
  settled(receiver: R, bucket: number | undefined): void;
}

/** To one consumer after the other, those without room left out; or to the same one for as long as it has room. */
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

/** Events are put into this many buckets, and a bucket belongs to one consumer: memory does not grow with the streams. */
export const BUCKETS = 1024;

interface Assignment<R> {
  receiver: R;
  inFlight: number;
}

/**
 * Related events to the same consumer, as long as it is there. A bucket gets its consumer when its first event comes,
 * the one with the fewest buckets; a new consumer takes over what the others have above the average, at first buckets
 * with few events in flight. Events that are in flight meanwhile stay where they are.
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
