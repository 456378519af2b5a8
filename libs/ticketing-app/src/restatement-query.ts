import type { Instant, Refusal } from '#eventsourcing';
import { type RestatedTicket, restatedTicket, type TicketInstant } from '#ticketing';
import { noTicket } from './past.js';
import { type Page, readPage, type Sources } from './read-models.js';
import { readTicketEvents } from './ticket-events.js';
import { TICKET_INSTANTS } from './ticket-instants.js';

interface Between {
  /** Recording cut-off: only events recorded by then count as known then. */
  readonly knownAt: Instant;
  /** The instant in question; default: that of `knownAt`. */
  readonly asOf?: Instant | undefined;
}

/** What was known of a ticket, what is known now, and the events that make the difference. */
export async function readRestatedTicket(
  sources: Pick<Sources, 'store'>,
  { ticketId, knownAt, asOf = knownAt }: { readonly ticketId: string } & Between,
): Promise<RestatedTicket | Refusal> {
  return (await restated(sources, ticketId, { asOf, knownAt })) ?? noTicket({ asOf });
}

export interface RestatedTicketsAsked extends Between {
  readonly client?: string | undefined;
  readonly limit: number;
  /** Id of the last ticket of the previous page. */
  readonly after?: string | undefined;
}

/** A page of restated tickets, and where it ends. */
export interface RestatedTickets extends Page<RestatedTicket> {
  readonly end?: string;
}

/**
 * The tickets about which something else is known now than was then, by id, with what makes the difference. A page contains the restated
 * tickets among a number of tickets with late events, so it may be short, or even empty, without being the last.
 */
export async function readRestatedTickets(
  sources: Sources,
  { knownAt, asOf = knownAt, client, limit, after }: RestatedTicketsAsked,
): Promise<RestatedTickets | Refusal> {
  const behind = await sources.instants.caughtUp();
  if (behind !== undefined) return behind;
  const ids = await toldLate(
    sources,
    { 'stretch.known': { $gt: knownAt }, 'stretch.from': { $lte: asOf }, ...(client && { client }) },
    limit,
    after,
  );
  const found = await Promise.all(ids.items.map((id) => restated(sources, id, { asOf, knownAt })));
  const items = found.flatMap((one) => (one === undefined || one.changes.length === 0 ? [] : [one]));
  const end = ids.items.at(-1);
  return { items, more: ids.more, ...(end === undefined ? {} : { end }) };
}

/** Ids of tickets with a stretch that matches a filter, each once. */
async function toldLate(sources: Sources, filter: object, limit: number, after: string | undefined): Promise<Page<string>> {
  const ids = new Set<string>();
  for (let last = after ?? ''; ;) {
    const wanted = { filter: { ...filter, ticketId: { $gt: last } }, sort: { ticketId: 1 }, limit } as const;
    const { items, more } = await readPage<TicketInstant>(sources, TICKET_INSTANTS, wanted);
    for (const { ticketId } of items) {
      if (ids.size === limit && !ids.has(ticketId)) return { items: [...ids], more: true };
      ids.add(ticketId);
      last = ticketId;
    }
    if (!more) return { items: [...ids], more: false };
  }
}

async function restated(
  { store }: Pick<Sources, 'store'>,
  ticketId: string,
  times: { readonly asOf: Instant; readonly knownAt: Instant },
): Promise<RestatedTicket | undefined> {
  return restatedTicket(ticketId, await readTicketEvents(store, ticketId), times);
}
