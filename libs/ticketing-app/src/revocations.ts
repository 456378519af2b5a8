import { setInterval } from 'node:timers/promises';
import { type EventStore, type Instant, instantFrom, type Position, readAggregate, StoreUnavailable, streamId } from '#eventsourcing';
import { account, canonicalJson, credential, type Credential, type Principal } from '#ticketing';
import { credentialOf } from './credentials.js';

const FOLLOWED = [credential, account] as const;
/** How often each watch is checked, in milliseconds. */
const LOOK_MS = 1_000;
/** How old cached state may be, in milliseconds, in case a change was missed. */
const MAX_AGE_MS = 60_000;

/** Credentials of a long-running request. */
export interface Standing {
  /** The principal, as known when the request began. */
  readonly principal: Principal;
  /** Id of the credential; undefined for a token of an identity provider. */
  readonly key?: Credential['key'];
  readonly expiresAt?: Instant;
}

/**
 * Follows credentials and accounts in the log: this process learns at once what another one changes. A long-running request ends within two
 * seconds when its key is revoked, its session is over, or its account is suspended or has other permissions.
 */
export class Revocations {
  readonly #watched = new Set<{ readonly standing: Standing; readonly end: () => void }>();
  readonly #closed = new AbortController();
  readonly #working: Promise<unknown>;

  /** @throws StoreUnavailable */
  static async begin(store: EventStore): Promise<Revocations> {
    return new Revocations(store, await store.end());
  }

  private constructor(
    private readonly store: EventStore,
    after: Position | 'start',
  ) {
    this.#working = Promise.all([this.#follow(after), this.#look()]);
  }

  /**
   * @param end called once, when the permission ends
   * @returns what ends the watch
   */
  watch(standing: Standing, end: () => void): () => void {
    const watched = { standing, end };
    this.#watched.add(watched);
    return () => void this.#watched.delete(watched);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#working;
  }

  async #follow(after: Position | 'start'): Promise<void> {
    const filter = { streamPrefixes: FOLLOWED.map(({ category }) => `${category}-`) };
    for await (const item of this.store.subscribe(filter, after, this.#closed.signal)) {
      if (item.kind !== 'event') continue;
      const { stream } = item.event;
      const aggregate = FOLLOWED.find(({ category }) => stream.startsWith(`${category}-`));
      // Reading it refreshes the cache.
      if (aggregate !== undefined) await readAggregate(this.store, aggregate, streamId(stream)).catch(() => {});
    }
  }

  async #look(): Promise<void> {
    try {
      for await (const _ of setInterval(LOOK_MS, undefined, { signal: this.#closed.signal, ref: false })) {
        for (const one of this.#watched) if (!(await this.#stands(one.standing)) && this.#watched.delete(one)) one.end();
      }
    } catch (error) {
      if (!this.#closed.signal.aborted) throw error;
    }
  }

  /** Whether someone's permissions are unchanged, as far as known. */
  async #stands({ key, principal, expiresAt }: Standing): Promise<boolean> {
    const now = instantFrom(Date.now());
    if (expiresAt !== undefined && expiresAt <= now) return false;
    if (key === undefined) return true;
    try {
      const found = await credentialOf(this.store, key, now, MAX_AGE_MS);
      return found !== undefined && (found.principal === principal || canonicalJson(found.principal) === canonicalJson(principal));
    } catch (error) {
      // While the event store is unavailable, nothing counts as changed.
      return error instanceof StoreUnavailable;
    }
  }
}
