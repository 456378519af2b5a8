import { randomUUID } from 'node:crypto';
import { NO_EVENTS } from '#audit';
import { appendChained, type EventStore, instantFrom, type NewEvent, streamName } from '#eventsourcing';
import { Batches } from '#platform';
import { WITHHELD } from '#privacy';
import { actorOf, omitUndefined, type Principal, type QueryName, type Read, READS } from '#ticketing';

/** Queries that show only oneself and the system. */
const OWN: ReadonlySet<QueryName> = new Set<QueryName>(['principal', 'sessions', 'upload', 'seals', 'defaultContract']);

/** Whether a principal's reads are recorded. */
export function isRecorded({ kind, roles }: Principal, query: QueryName): boolean {
  return kind !== 'system' && (roles.includes('auditor') || roles.includes('administrator')) && !OWN.has(query);
}

const kept = new WeakMap<EventStore, RecordedReads>();

/**
 * Records what auditors and administrators read, before they get an answer: what cannot be recorded is not answered. Reads during an append
 * go into the next one, so that many readers cost one append.
 */
export class RecordedReads {
  readonly #events = new Batches((events: readonly NewEvent[]) => this.#append(events));
  /** A stream used only by this process. */
  #stream = newStream();
  #chain = NO_EVENTS;

  private constructor(private readonly store: EventStore) {}

  static of(store: EventStore): RecordedReads {
    let reads = kept.get(store);
    if (reads === undefined) kept.set(store, (reads = new RecordedReads(store)));
    return reads;
  }

  /** @throws StoreUnavailable */
  record(principal: Principal, query: QueryName, asked: unknown, answer: unknown): Promise<void> {
    return this.#events.add(eventOf(principal, query, plain(asked), countOf(answer)));
  }

  async #append(events: readonly NewEvent[]): Promise<void> {
    try {
      ({ chain: this.#chain } = await appendChained(this.store, this.#stream, this.#chain, events));
    } catch (error) {
      // The outcome is unknown, and so is the end of the stream.
      this.#stream = newStream();
      this.#chain = NO_EVENTS;
      throw error;
    }
  }
}

function newStream(): string {
  return streamName({ category: READS }, randomUUID());
}

function eventOf(principal: Principal, query: QueryName, asked: Readonly<Record<string, unknown>>, count: number | undefined): NewEvent {
  const id = randomUUID();
  const now = instantFrom(Date.now());
  const about = [asked['id'], asked['ticketId'], asked['name'], asked['client']].find((one) => typeof one === 'string');
  const client = asked['client'] ?? (asked['filter'] as { readonly client?: unknown } | undefined)?.client;
  const data: Read = omitUndefined({ query, asked, id: about, count, clients: principal.clients });
  return {
    id,
    type: 'AuditorRead',
    data,
    metadata: {
      commandId: id,
      commandType: 'Read',
      correlationId: id,
      causationId: id,
      actor: actorOf(principal),
      client: typeof client === 'string' ? client : '',
      effectiveAt: now,
      recordedAt: now,
      schemaVersion: 1,
    },
  };
}

/** As JSON: without signals and functions, and without search words, which may be someone's name. */
function plain(asked: unknown): Readonly<Record<string, unknown>> {
  const json = JSON.stringify(asked, (key, value: unknown) => {
    if (key === 'q' && value !== undefined) return WITHHELD;
    return typeof value === 'bigint' ? String(value) : value instanceof AbortSignal ? undefined : value;
  });
  const parsed: unknown = json === undefined ? {} : JSON.parse(json);
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : { asked: parsed };
}

/** Number of items in an answer; undefined if it is still to be read. */
function countOf(answer: unknown): number | undefined {
  if (typeof answer !== 'object' || answer === null || Symbol.asyncIterator in answer || 'batches' in answer) return undefined;
  if ('refused' in answer) return 0;
  return 'items' in answer && Array.isArray(answer.items) ? answer.items.length : 1;
}
