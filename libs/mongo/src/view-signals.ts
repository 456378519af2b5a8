import { BroadcastChannel } from 'node:worker_threads';
import type { Db } from 'mongodb';

/** Between two looks of who waits, in milliseconds: where signals come, they are missed only by views that another process projects. */
const POLL = { first: 1, most: 50, signalled: 25 } as const;

/** Groups that have ever been heard of in this process. */
const signalledGroups = new Set<string>();

function channelOf({ databaseName }: Pick<Db, 'databaseName'>, group: string): BroadcastChannel {
  const channel = new BroadcastChannel(`tierline views ${databaseName} ${group}`);
  channel.unref();
  return channel;
}

/**
 * Tells those who wait for a group of views in this process, in whatever thread, that more of it was written. Nobody in another process hears of it.
 */
export class ViewSignal {
  readonly #channel: BroadcastChannel;

  constructor(db: Pick<Db, 'databaseName'>, group: string) {
    this.#channel = channelOf(db, group);
  }

  send(): void {
    this.#channel.postMessage(null);
  }

  close(): void {
    this.#channel.close();
  }
}

/**
 * Looks until it has found something: at once, whenever the views of a group were written in this process, and from time to time.
 * @param timeoutMs for how long, in milliseconds
 * @returns undefined when there was nothing to be found in time
 */
export async function pollUntilFound<Found>(
  db: Pick<Db, 'databaseName'>,
  group: string,
  timeoutMs: number,
  look: () => Promise<Found | undefined>,
): Promise<Found | undefined> {
  const until = Date.now() + timeoutMs;
  // Before the first look, so that nothing is missed between the two.
  const channel = timeoutMs > 0 ? channelOf(db, group) : undefined;
  let signalled = false;
  let wake = (): void => {};
  if (channel !== undefined)
    channel.onmessage = () => {
      signalledGroups.add(group);
      signalled = true;
      wake();
    };
  try {
    for (let wait: number = POLL.first; ; wait = Math.min(wait * 1.5, POLL.most)) {
      signalled = false;
      const found = await look();
      if (found !== undefined) return found;
      const left = until - Date.now();
      if (left <= 0) return undefined;
      if (signalled) continue;
      const pause = Math.min(Math.max(wait, signalledGroups.has(group) ? POLL.signalled : 0), left);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pause);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    channel?.close();
  }
}
