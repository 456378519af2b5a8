import { upcast, type EventMetadata, type Instant, type StoredEvent } from '#eventsourcing';
import { ended, foldTicket, ticket as ticketAggregate, type SlaClock, type TicketFold } from '#ticketing';

/** A facet of a ticket that an event changed; undefined if it has no value. */
export interface Change {
  readonly what: string;
  readonly from?: string;
  readonly to?: string;
}

/** One event of a ticket's life, and its changes. */
export interface LifeStep {
  readonly revision: number;
  readonly eventId: string;
  readonly type: string;
  readonly effectiveAt: Instant;
  readonly recordedAt: Instant;
  readonly actor: EventMetadata['actor'];
  readonly cause: Pick<EventMetadata, 'commandId' | 'commandType' | 'correlationId' | 'causationId'>;
  readonly changes: readonly Change[];
  readonly data: unknown;
  readonly imported?: EventMetadata['imported'];
}

/** How much of a life to print. */
export interface Extent {
  /** Leaves out later events. */
  readonly asOf?: Instant;
  /** Leaves out what was recorded later: the life as it was known then. */
  readonly knownAt?: Instant;
}

/** The facets followed through a ticket's life, compared before and after every event. */
const facets: Readonly<Record<string, (fold: TicketFold) => string | undefined>> = {
  tier: ({ ticket: { tier } }) => tier,
  team: ({ ticket: { team } }) => team,
  owner: ({ ticket: { assignee } }) => assignee && (assignee.name ?? assignee.id),
  status: ({ ticket: { work } }) => work.status,
  hold: ({ ticket: { work } }) =>
    work.status === 'on-hold' ? `${work.reason}${work.until === undefined ? '' : ` until ${work.until}`}` : undefined,
  priority: ({ ticket: { priority } }) => priority,
  'major incident': ({ ticket: { majorIncident } }) => (majorIncident ? 'yes' : undefined),
  'security incident': ({ ticket: { securityIncident } }) => (securityIncident ? 'yes' : undefined),
  'first response': (fold) => clockInWords(fold, 'response'),
  resolution: (fold) => clockInWords(fold, 'resolution'),
};

function clockInWords({ promises }: TicketFold, kind: SlaClock['kind']): string | undefined {
  const clock = promises.clocks.filter((one) => one.kind === kind).at(-1);
  if (clock === undefined) return undefined;
  if (ended(clock)) return clock.breachedAt === undefined || clock.state === 'cancelled' ? clock.state : `breached at ${clock.breachedAt}`;
  if (clock.breachedAt !== undefined) return `breached at ${clock.breachedAt}, not done yet`;
  return clock.state === 'paused' ? `paused, ${duration(clock.target - clock.elapsed)} left` : `due ${clock.dueAt ?? 'never'}`;
}

/** A duration in its two largest units: `2 d 4 h`, `35 min`. */
export function duration(millis: number): string {
  const units: [string, number][] = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ];
  let rest = Math.round(millis / 1_000) * 1_000;
  const parts: string[] = [];
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(' ') || '0 s';
}

/** A ticket's life, event by event, in stream order, folded like the read models. */
export async function* ticketLife(events: AsyncIterable<StoredEvent>, { asOf, knownAt }: Extent = {}): AsyncGenerator<LifeStep> {
  let fold: TicketFold | null = null;
  for await (const stored of events) {
    const event = upcast(ticketAggregate, stored);
    const { effectiveAt, recordedAt, actor, commandId, commandType, correlationId, causationId, imported } = event.metadata;
    if ((asOf !== undefined && effectiveAt > asOf) || (knownAt !== undefined && recordedAt > knownAt)) continue;
    const before = look(fold);
    fold = foldTicket(fold, event);
    const after = look(fold);
    yield {
      revision: event.revision,
      eventId: event.id,
      type: event.type,
      effectiveAt,
      recordedAt,
      actor,
      cause: { commandId, commandType, correlationId, causationId },
      changes: Object.keys(facets).flatMap((what) => change(what, before.get(what), after.get(what))),
      data: event.data,
      ...(imported === undefined ? {} : { imported }),
    };
  }
}

function look(fold: TicketFold | null): Map<string, string | undefined> {
  return new Map(Object.entries(facets).map(([what, facet]) => [what, fold === null ? undefined : facet(fold)]));
}

function change(what: string, from: string | undefined, to: string | undefined): Change[] {
  return from === to ? [] : [{ what, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }];
}
