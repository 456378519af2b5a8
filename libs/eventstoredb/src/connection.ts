import { EventStoreDBClient } from '@eventstore/db-client';
import { isWithoutLeader } from './failures.js';
import { within } from './pauses.js';

/** How long the end of cancelled calls is waited for, in milliseconds. */
const ENDING_MS = 1_000;

/** How long a node may take to say whether it leads, in milliseconds. */
const LEADING_MS = 1_000;

/**
 * The client of one server, shared by all who connect to the same URL in this process: the client keeps one table of pending appends
 * per process, and two clients can upset each other's.
 */
export class Connection {
  static readonly #open = new Map<string, Connection>();

  /** The connection to this URL; opened when nobody has it yet. Each one that was taken is to be released. */
  static take(url: string): Connection {
    const connection = Connection.#open.get(url) ?? new Connection(url);
    Connection.#open.set(url, connection);
    connection.#users++;
    return connection;
  }

  #client: EventStoreDBClient;
  #users = 0;
  #lastAnswer = 0;
  #reset: Promise<void> | undefined;
  #asking: Promise<void> | undefined;

  private constructor(readonly url: string) {
    this.#client = EventStoreDBClient.connectionString(url);
  }

  get client(): EventStoreDBClient {
    return this.#client;
  }

  /**
   * A client that has learnt what its server can do. One that failed to find out remembers the failure for ever, and would refuse every
   * append from then on, so it is replaced.
   */
  async ready(): Promise<EventStoreDBClient> {
    const client = this.#client;
    try {
      // Protected in the typings, but it is where the failure is kept.
      await client['capabilities'];
    } catch (error) {
      if (client === this.#client) this.#client = EventStoreDBClient.connectionString(this.url);
      throw error;
    }
    return client;
  }

  /** Notes that the server has answered an append. */
  answered(): void {
    this.#lastAnswer = Date.now();
  }

  /**
   * Ends every call of the client when no append was answered since a time (epoch milliseconds), so that the next ones travel on new calls:
   * a call that the server forgot never ends by itself.
   */
  async renewIfSilentSince(since: number): Promise<void> {
    if (this.#lastAnswer >= since) return;
    this.#reset ??= ended(this.#client).finally(() => {
      this.#reset = undefined;
    });
    await this.#reset;
  }

  /**
   * Asks the node whether it still leads, once for all who ask meanwhile. Resolves when it does, or does not say so in time: it is slow then.
   * @throws NotLeaderError, UnavailableError; the client's next calls go elsewhere
   */
  async unlessLeaderLost(): Promise<void> {
    this.#asking ??= askedForLeader(this.#client).finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
  }

  /** Gives the connection back. The last one ends all of its calls. */
  async release(): Promise<void> {
    if (--this.#users > 0) return;
    if (Connection.#open.get(this.url) === this) Connection.#open.delete(this.url);
    await ended(this.#client);
    const channel = await this.#client['getChannel']().catch(() => undefined);
    channel?.close();
  }
}

/** Reads a stream that nobody writes, from a leader alone: other nodes refuse that at once. */
async function askedForLeader(client: EventStoreDBClient): Promise<void> {
  try {
    for await (const _ of client.readStream('tierline-leader', { maxCount: 1, requiresLeader: true, deadline: LEADING_MS })) return;
  } catch (error) {
    if (isWithoutLeader(error)) throw error;
  }
}

/** Cancels every call of a client, and waits for their end, though not for ever. */
async function ended(client: EventStoreDBClient): Promise<void> {
  await within(ENDING_MS, 'ending all calls', client.dispose()).catch(() => {});
}
