import { isRefusal, type Position, type Refusal, type StateFace, streamName } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import {
  clocksAt,
  omitUndefined,
  ticket,
  type TicketFold,
  type QueueEntry,
  type QueueState,
  ticketDetails,
  ticketSla,
  ticketViews,
  tierQueue,
  type TicketDetails,
  type TicketSla,
  type TicketSlaNow,
  type Tier,
} from '#ticketing';
import { type ChangesAsked, type ComingAndGoing, readChanged } from './changed-documents.js';
import { evaluatedAt, isPast, noTicket, pastDocument, readPast, type When } from './past.js';
import { type Page, readTickets, readVisible, type Sources, waitForPosition } from './read-models.js';

/** A query about one ticket. */
interface OfTicket {
  readonly ticketId: string;
  /** Revision that the answer must include. */
  readonly atLeast?: number | undefined;
}

/** A document of a ticket, now or at another time. */
async function readFace<Doc extends object>(
  sources: Sources,
  face: StateFace<TicketFold | null>,
  { ticketId, atLeast, ...when }: OfTicket & When,
): Promise<ViewDocument<Doc> | Refusal> {
  if (!isPast(when)) return readVisible<Doc>(sources, { group: ticketViews, face }, { id: ticketId, ticketId, atLeast });
  const past = await readPast(sources, ticketViews, streamName(ticket, ticketId), when);
  return (past && pastDocument<Doc, TicketFold | null>(face, ticketId, past)) ?? noTicket(when);
}

/** Everything known of a ticket, now or at another time. */
export function readTicketDetails(sources: Sources, asked: OfTicket & When): Promise<ViewDocument<TicketDetails> | Refusal> {
  return readFace<TicketDetails>(sources, ticketDetails, asked);
}

/** A ticket's clocks, now or at another time: one that is overdue by then is breached, even if no event says so yet. */
export async function readTicketSla(sources: Sources, asked: OfTicket & When): Promise<TicketSlaNow | Refusal> {
  const sla = await readFace<TicketSla>(sources, ticketSla, asked);
  if (isRefusal(sla)) return sla;
  const at = evaluatedAt(asked);
  return { ...sla, clocks: clocksAt(sla, at), evaluatedAt: at };
}

export interface QueueFilter {
  readonly client?: string | undefined;
  readonly team?: string | undefined;
  readonly state?: QueueState | undefined;
}

/** Where a page of a queue ended: the values of the sort keys. */
export interface QueuePlace {
  readonly rank: number;
  readonly since: string;
  readonly id: string;
}

/** An entry of a queue as it is read. */
export type QueuedTicket = ViewDocument<QueueEntry>;

export interface TierQueueAsked {
  readonly tier: Tier;
  readonly filter: QueueFilter;
  readonly limit: number;
  readonly after?: QueuePlace | undefined;
  /** A position in the log that the queue must include. */
  readonly atLeast?: Position | undefined;
}

/** What is waiting and being worked on at a tier, most pressing first. */
export async function readTierQueue(
  sources: Sources,
  { tier, filter, limit, after, atLeast }: TierQueueAsked,
): Promise<Page<QueuedTicket> | Refusal> {
  const behind = await waitForPosition(sources, ticketViews, atLeast);
  if (behind !== undefined) return behind;
  return readTickets<QueueEntry>(sources, tierQueue, { ...queueCriteria({ tier, filter, after }), limit });
}

/** The queue of a tier, with the start of the page, in MongoDB's query language. */
export function queueCriteria({ tier, filter, after }: Pick<TierQueueAsked, 'tier' | 'filter' | 'after'>) {
  const beyond =
    after === undefined
      ? {}
      : {
          $or: [
            { rank: { $gt: after.rank } },
            { rank: after.rank, since: { $gt: after.since } },
            { rank: after.rank, since: after.since, _id: { $gt: after.id } },
          ],
        };
  return { filter: { tier, queued: true, ...omitUndefined(filter), ...beyond }, sort: { rank: 1, since: 1, _id: 1 } } as const;
}

/** What has changed in a queue since a position: tickets that are in it now, and those that are not, or no longer. */
export async function readChangedQueue(
  sources: Sources,
  { tier, filter: { client, team, state }, ...asked }: Pick<TierQueueAsked, 'tier' | 'filter'> & ChangesAsked,
): Promise<ComingAndGoing<QueuedTicket> | Refusal> {
  const ofClient = client === undefined ? {} : { client };
  const changes = await readChanged<QueuedTicket>(sources, { view: tierQueue.name, filter: ofClient }, asked);
  if (isRefusal(changes)) return changes;
  const isHere = (entry: QueuedTicket) =>
    entry.queued && entry.tier === tier && (team === undefined || entry.team === team) && (state === undefined || entry.state === state);
  const gone = changes.items.flatMap((entry) => (isHere(entry) ? [] : [entry._id]));
  return { ...changes, items: changes.items.filter(isHere), gone };
}
