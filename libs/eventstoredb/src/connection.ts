import { EventStoreDBClient } from '@eventstore/db-client';
import { isWithoutLeader } from './failures.js';
import { within } from './pauses.js';

/** How long to wait for cancelled calls to end, in milliseconds. */
const ENDING_MS = 1_000;

/** How long a node may take to confirm that it leads, in milliseconds. */
const LEADING_MS = 1_000;

/**
 * The client of one server, shared by all users of the same URL in this process: the client keeps one table of pending appends per process,
 * and two clients can disturb each other's.
 */
export class Connection {
  static readonly #open = new Map<string, Connection>();

  /** The connection to this URL; opened on first use. Release every connection taken. */
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
  #renewals = 0;
  #asking: Promise<void> | undefined;

  private constructor(readonly url: string) {
    this.#client = EventStoreDBClient.connectionString(url);
  }

  get client(): EventStoreDBClient {
    return this.#client;
  }

  /**
   * A client that knows what its server can do. One that failed to find out remembers the failure forever, and would refuse every further
   * append, so it is replaced.
   */
  async ready(): Promise<EventStoreDBClient> {
    const client = this.#client;
    try {
      // Protected in the typings, but this is where the failure is kept.
      await client['capabilities'];
    } catch (error) {
      if (client === this.#client) this.#client = EventStoreDBClient.connectionString(this.url);
      throw error;
    }
    return client;
  }

  /** How often every call of the client was ended. To the client, a read that was under way then looks as if it had come to its end. */
  get renewals(): number {
    return this.#renewals;
  }

  /** Notes that the server has answered an append. */
  answered(): void {
    this.#lastAnswer = Date.now();
  }

  /**
   * Ends every call of the client if no append was answered since a time (epoch milliseconds), so that the next ones use new calls: a call
   * that the server forgot never ends by itself.
   */
  async renewIfSilentSince(since: number): Promise<void> {
    if (this.#lastAnswer >= since) return;
    if (this.#reset === undefined) {
      this.#renewals++;
      this.#reset = ended(this.#client).finally(() => {
        this.#reset = undefined;
      });
    }
    await this.#reset;
  }

  /**
   * Asks the node whether it still leads, once for all concurrent callers. Also resolves if there is no answer in time: then the node is
   * slow.
   * @throws NotLeaderError, UnavailableError; the client's next calls go elsewhere
   */
  async unlessLeaderLost(): Promise<void> {
    this.#asking ??= askedForLeader(this.#client).finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
  }

  /** Releases the connection. The last release ends all of its calls. */
  async release(): Promise<void> {
    if (--this.#users > 0) return;
    if (Connection.#open.get(this.url) === this) Connection.#open.delete(this.url);
    await ended(this.#client);
    const channel = await this.#client['getChannel']().catch(() => undefined);
    channel?.close();
  }
}

/** Reads a stream that nobody writes, requiring a leader: other nodes refuse that at once. */
async function askedForLeader(client: EventStoreDBClient): Promise<void> {
  try {
    for await (const _ of client.readStream('tierline-leader', { maxCount: 1, requiresLeader: true, deadline: LEADING_MS })) return;
  } catch (error) {
    if (isWithoutLeader(error)) throw error;
  }
}

/** Cancels every call of a client, and waits for their end for a limited time. */
async function ended(client: EventStoreDBClient): Promise<void> {
  await within(ENDING_MS, 'ending all calls', client.dispose()).catch(() => {});
}
