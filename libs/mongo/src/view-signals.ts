import { BroadcastChannel } from 'node:worker_threads';
import type { Db } from 'mongodb';

/** Milliseconds between two looks of a waiting reader: if signals arrive, only views projected by another process miss them. */
const POLL = { first: 1, most: 50, signalled: 25 } as const;

/** Groups that have ever signalled in this process. */
const signalledGroups = new Set<string>();

function channelOf({ databaseName }: Pick<Db, 'databaseName'>, group: string): BroadcastChannel {
  const channel = new BroadcastChannel(`tierline views ${databaseName} ${group}`);
  channel.unref();
  return channel;
}

/** Signals to the readers in this process, in any thread, that more of a group of views was written. Other processes get no signal. */
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
 * Looks until it finds something: at once, whenever this process writes the views of a group, and from time to time.
 * @param timeoutMs for how long, in milliseconds
 * @returns undefined if nothing was found in time
 */
export async function pollUntilFound<Found>(
  db: Pick<Db, 'databaseName'>,
  group: string,
  timeoutMs: number,
  look: () => Promise<Found | undefined>,
): Promise<Found | undefined> {
  const until = Date.now() + timeoutMs;
  // Before the first look, so that nothing is missed in between.
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
