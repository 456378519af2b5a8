import { isRefusal, type Position, type Refusal, type StateFace, streamName } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import {
  boardLine,
  NEVER_DUE,
  type QueueEntry,
  queueEntrySchema,
  slaBoard,
  type SlaBoardEntry,
  ticket,
  type TicketInstant,
  ticketList,
  ticketListLineSchema,
  ticketSla,
  type TicketSla,
  ticketViews,
} from '#ticketing';
import { evaluatedAt, isPast, readPast, type When } from './past.js';
import { countBy, type Counted, type Page, readPage, type Sources, waitForPosition } from './read-models.js';
import { boardCriteria, type SlaBoardAsked, type SlaBoardPage } from './sla-board-query.js';
import { TICKET_INSTANTS } from './ticket-instants.js';
import {
  filterRefusal,
  hiddenFrom,
  type ListedTicket,
  type ListPlace,
  ofWords,
  TICKET_ORDERS,
  ticketListCriteria,
  type TicketListAskedFor,
  type TicketListFilter,
  type TicketOrder,
} from './ticket-list-query.js';
import { queueCriteria, type QueuedTicket, type TierQueueAsked } from './ticket-queries.js';

/** The ticket list at another time. */
export async function readPastTickets(
  sources: Sources,
  { filter, order, limit, after, when }: TicketListAskedFor & { readonly when: When },
): Promise<Page<ListedTicket> | Refusal> {
  const refused = filterRefusal(sources, filter);
  if (refused !== undefined) return refused;
  const criteria = () => pastCriteria(sources, when, filter, order, after);
  const page = await readInstants(sources, when, { filter: criteria, sort: Object.fromEntries(TICKET_ORDERS[order]), limit });
  const { entries } = ticketListLineSchema;
  const hidden = hiddenFrom(sources);
  return isRefusal(page) ? page : { ...page, items: page.items.map((item) => shown<ListedTicket>(item, entries, hidden)) };
}

export interface CountsAsked {
  readonly by: CountedBy;
  readonly filter: TicketListFilter;
  readonly when: When;
  /** A position in the log that current counts must include. */
  readonly atLeast?: Position | undefined;
}

/** What tickets are counted by → its field. */
const COUNTED_BY = {
  status: 'status',
  tier: 'tier',
  priority: 'priority',
  kind: 'kind',
  channel: 'channel',
  client: 'client',
  team: 'team',
  assignee: 'assignee.id',
  service: 'service',
  category: 'category',
} as const;
export type CountedBy = keyof typeof COUNTED_BY;
export const countedBy = Object.keys(COUNTED_BY) as CountedBy[];

/** How many tickets match a filter, now or at another time, by one of their fields. */
export async function readTicketCounts(
  sources: Sources,
  { by, filter, when, atLeast }: CountsAsked,
): Promise<readonly Counted[] | Refusal> {
  const refused = filterRefusal(sources, filter, by);
  if (refused !== undefined) return refused;
  const past = isPast(when);
  const behind = past ? await sources.instants.caughtUp() : await waitForPosition(sources, ticketViews, atLeast);
  if (behind !== undefined) return behind;
  return past
    ? countBy(sources, TICKET_INSTANTS, COUNTED_BY[by], atThatTime(when, await pastCriteria(sources, when, filter, 'openedAt')))
    : countBy(sources, ticketList.name, COUNTED_BY[by], ticketListCriteria(filter, 'openedAt'));
}

/** The filter, with words replaced by the tickets about which all of them had been said: words are in no stretch of a ticket. */
async function pastCriteria(
  sources: Sources,
  { asOf = NEVER_DUE, knownAt = NEVER_DUE }: When,
  { q, ...filter }: TicketListFilter,
  order: TicketOrder,
  after?: ListPlace,
): Promise<object> {
  const criteria = ticketListCriteria(filter, order, after);
  if (q === undefined) return criteria;
  const said = await Promise.all(ofWords(q).map((words) => sources.instants.saying(words, { asOf, knownAt })));
  const [first = new Set<string>(), ...others] = said;
  return { $and: [criteria, { _id: { $in: [...first].filter((id) => others.every((ids) => ids.has(id))) } }] };
}

/** The queue of a tier at another time. */
export async function readPastQueue(
  sources: Sources,
  { limit, when, ...asked }: TierQueueAsked & { readonly when: When },
): Promise<Page<QueuedTicket> | Refusal> {
  const page = await readInstants(sources, when, { ...queueCriteria(asked), limit });
  return isRefusal(page)
    ? page
    : { ...page, items: page.items.map((item) => shown<ViewDocument<QueueEntry>>(item, queueEntrySchema.entries)) };
}

/** The SLA board at another time, with the clocks at that time. */
export async function readPastBoard(
  sources: Sources,
  { key, filter: wanted, limit, after, when }: SlaBoardAsked & { readonly when: When },
): Promise<SlaBoardPage | Refusal> {
  const now = evaluatedAt(when);
  const page = await readInstants(sources, when, { ...boardCriteria(wanted, key, now, after), limit });
  if (isRefusal(page)) return page;
  const lines = await Promise.all(
    page.items.map(async ({ ticketId }) => {
      const past = await readPast(sources, ticketViews, streamName(ticket, ticketId), when);
      const [entry, sla] = [slaBoard, ticketSla].map((face: StateFace<never>) => past && face.document(past.state as never)) as [
        SlaBoardEntry | null | undefined,
        TicketSla | null | undefined,
      ];
      const line = entry && sla && boardLine(entry, sla, key, now);
      return past && line ? [{ _id: ticketId, ...line, revision: past.revision, position: past.position }] : [];
    }),
  );
  const last = page.items.at(-1);
  const due = last?.places[key]?.due;
  return { items: lines.flat(), more: page.more, evaluatedAt: now, ...(last && due ? { end: { due, id: last.ticketId } } : {}) };
}

interface Wanted {
  /** Or a function that gives it, called once the past is known up to the end of the log. */
  readonly filter: object | (() => Promise<object>);
  readonly sort: Readonly<Record<string, 1 | -1>>;
  readonly limit: number;
}

/** The tickets of another time that match a filter for current ones. */
async function readInstants(sources: Sources, when: When, { filter, sort, limit }: Wanted): Promise<Page<TicketInstant> | Refusal> {
  const behind = await sources.instants.caughtUp();
  if (behind !== undefined) return behind;
  const criteria = typeof filter === 'function' ? await filter() : filter;
  return readPage<TicketInstant>(sources, TICKET_INSTANTS, { filter: atThatTime(when, criteria), sort: byTicket(sort), limit });
}

/** A filter for current documents, for those of another time. */
function atThatTime({ asOf = NEVER_DUE, knownAt = NEVER_DUE }: When, filter: object): object {
  const by = { from: { $lte: asOf }, known: { $lte: knownAt } };
  return { $and: [byTicket(filter), { 'stretch.from': by.from, 'stretch.known': by.known, cuts: { $not: { $elemMatch: by } } }] };
}

/** Conditions on documents with ticket ids as their ids, for documents with the id in `ticketId`. */
function byTicket<Said>(said: Said): Said {
  if (Array.isArray(said)) return said.map(byTicket) as Said;
  if (typeof said !== 'object' || said === null) return said;
  return Object.fromEntries(
    Object.entries(said).map(([field, value]) => [field === '_id' ? 'ticketId' : field, byTicket<unknown>(value)]),
  ) as Said;
}

/** A document as in the live view. */
function shown<Doc extends ViewDocument<object>>(
  instant: TicketInstant,
  entries: Readonly<Record<string, unknown>>,
  hidden: readonly string[] = [],
): Doc {
  const fields = Object.entries(instant).filter(([field]) => Object.hasOwn(entries, field) && !hidden.includes(field));
  return { _id: instant.ticketId, ...Object.fromEntries(fields), revision: instant.revision, position: instant.position } as Doc;
}
