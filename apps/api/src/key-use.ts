import { deterministicId, type EventStore } from '#eventsourcing';
import type { JsonLog } from '#platform';
import { type Credential, credential } from '#ticketing';
import { runSystemCommand, today } from '#ticketing-app';

/** Records the use of keys: once a day each. */
export class KeyUse {
  /** The day of each key's last use, as far as this process knows. */
  readonly #noted = new Map<string, string>();
  readonly #noting = new Set<Promise<void>>();

  constructor(
    private readonly store: EventStore,
    private readonly log: JsonLog,
  ) {}

  isKnown(key: string): boolean {
    return this.#noted.has(key);
  }

  note({ key, lastUsedOn }: Credential): void {
    const on = today();
    if (this.#noted.get(key) === on) return;
    this.#noted.set(key, on);
    if (lastUsedOn === on) return;
    const commandId = deterministicId('key-use', key, on);
    const context = {
      commandId,
      actor: { id: 'authentication', kind: 'system' as const },
      correlationId: commandId,
      causationId: commandId,
    };
    const noting = runSystemCommand(this.store, { aggregate: credential, id: key, name: 'NoteCredentialUse', body: { on }, context })
      .then(
        () => {},
        (error: unknown) => {
          this.#noted.delete(key);
          this.log.warn({ err: error, key }, 'the last use of a key could not be recorded');
        },
      )
      .finally(() => this.#noting.delete(noting));
    this.#noting.add(noting);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#noting);
  }
}
