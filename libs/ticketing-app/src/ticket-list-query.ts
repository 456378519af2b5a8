import { type Instant, type Position, refuse, type Refusal } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import {
  type Channel,
  type Forbidden,
  type Priority,
  SHOWN_TO_DESK,
  ticketList,
  type TicketKind,
  type TicketListEntry,
  type TicketStatus,
  ticketViews,
  type Tier,
  wordsAskedFor,
} from '#ticketing';
import { type Changes, type ChangesAsked, readChanged } from './changed-documents.js';
import { type Page, readTickets, type Sources, waitForPosition } from './read-models.js';

/** Filters for tickets, combined with AND; of several words in one filter any one matches. Periods include `From` and exclude `To`. */
export interface TicketListFilter {
  readonly client?: string | undefined;
  readonly status?: readonly TicketStatus[] | undefined;
  readonly tier?: readonly Tier[] | undefined;
  readonly priority?: readonly Priority[] | undefined;
  readonly kind?: readonly TicketKind[] | undefined;
  readonly channel?: readonly Channel[] | undefined;
  readonly team?: string | undefined;
  /** Id of the assignee. */
  readonly assignee?: string | undefined;
  readonly assigned?: boolean | undefined;
  readonly reporter?: string | undefined;
  /** Including everything below it. */
  readonly category?: string | undefined;
  readonly service?: string | undefined;
  readonly component?: string | undefined;
  readonly majorIncident?: boolean | undefined;
  readonly securityIncident?: boolean | undefined;
  readonly proposed?: boolean | undefined;
  readonly openedFrom?: Instant | undefined;
  readonly openedTo?: Instant | undefined;
  /** Resolved in that period, even if reopened since. */
  readonly resolvedFrom?: Instant | undefined;
  readonly resolvedTo?: Instant | undefined;
  /** Closed in that period, even if reopened since. */
  readonly closedFrom?: Instant | undefined;
  readonly closedTo?: Instant | undefined;
  readonly updatedFrom?: Instant | undefined;
  readonly updatedTo?: Instant | undefined;
  /** Words that must all have been said about it; a word ending with `*` matches all words with that beginning. */
  readonly q?: string | undefined;
}

type SortKeys = readonly (readonly [keyof TicketListEntry | '_id', 1 | -1])[];

/** The sort orders of tickets. Each ends with the id, so that no two tickets share a place. */
export const TICKET_ORDERS = {
  '-openedAt': [
    ['openedAt', -1],
    ['_id', -1],
  ],
  openedAt: [
    ['openedAt', 1],
    ['_id', 1],
  ],
  '-updatedAt': [
    ['updatedAt', -1],
    ['_id', -1],
  ],
  updatedAt: [
    ['updatedAt', 1],
    ['_id', 1],
  ],
  priority: [
    ['rank', 1],
    ['openedAt', 1],
    ['_id', 1],
  ],
} as const satisfies Readonly<Record<string, SortKeys>>;
export type TicketOrder = keyof typeof TICKET_ORDERS;

/** Where a page ended: the values of the sort keys. */
export type ListPlace = readonly (string | number)[];

/** Fields used only for searching. */
const HIDDEN = ['words', 'categories', 'resolvedTimes', 'closedTimes'] as const satisfies readonly (keyof TicketListEntry)[];
type ShownToDesk = (typeof SHOWN_TO_DESK)[number];
type Listed = Omit<TicketListEntry, (typeof HIDDEN)[number] | ShownToDesk> & Partial<Pick<TicketListEntry, ShownToDesk>>;

/** A ticket in a list; for requesters, without what only the desk is shown. */
export type ListedTicket = ViewDocument<Listed>;

/** The fields of the list that an asker is not shown. */
export function hiddenFrom({ scope }: Pick<Sources, 'scope'>): readonly string[] {
  return scope.reporter === undefined ? HIDDEN : [...HIDDEN, ...SHOWN_TO_DESK];
}

/** Filters that would tell requesters what they are not shown: words are also those of notes and hand-offs. */
const FILTERS_OF_DESK = [...SHOWN_TO_DESK, 'assigned', 'q'] as const;

/** Why an asker may not filter a list like this, or count its tickets by a field. */
export function filterRefusal({ scope }: Pick<Sources, 'scope'>, filter: TicketListFilter, by?: string): Forbidden | undefined {
  if (scope.reporter === undefined) return undefined;
  const name = FILTERS_OF_DESK.find((one) => filter[one] !== undefined || one === by);
  return name && refuse('forbidden', `Only the desk may ask for tickets by \`${name}\``);
}

/** The place of a ticket in an order. */
export function placeIn(order: TicketOrder, ticket: ListedTicket): ListPlace {
  return TICKET_ORDERS[order].map(([field]) => ticket[field]);
}

export interface TicketListAskedFor {
  readonly filter: TicketListFilter;
  readonly order: TicketOrder;
  readonly limit: number;
  readonly after?: ListPlace | undefined;
  /** A position in the log that the list must include. */
  readonly atLeast?: Position | undefined;
}

/** The tickets that match a filter, in an order, a page at a time. */
export async function readTicketList(
  sources: Sources,
  { filter, order, limit, after, atLeast }: TicketListAskedFor,
): Promise<Page<ListedTicket> | Refusal> {
  const refused = filterRefusal(sources, filter) ?? (await waitForPosition(sources, ticketViews, atLeast));
  if (refused !== undefined) return refused;
  return readTickets<Listed>(sources, ticketList, {
    filter: ticketListCriteria(filter, order, after),
    sort: Object.fromEntries(TICKET_ORDERS[order]),
    limit,
    hidden: hiddenFrom(sources),
  });
}

/** The tickets that match a filter and have changed since a position. */
export async function readChangedTickets(
  sources: Sources,
  { filter, ...asked }: ChangesAsked & { readonly filter: TicketListFilter },
): Promise<Changes<ListedTicket> | Refusal> {
  const changed = { view: ticketList.name, filter: ticketListCriteria(filter, 'openedAt'), hidden: hiddenFrom(sources) };
  return filterRefusal(sources, filter) ?? readChanged<ListedTicket>(sources, changed, asked);
}

/** Parameter → field that must be equal. */
const EQUAL = {
  client: 'client',
  team: 'team',
  assignee: 'assignee.id',
  reporter: 'reporter.id',
  category: 'categories',
  service: 'service',
  component: 'component',
  majorIncident: 'majorIncident',
  securityIncident: 'securityIncident',
  proposed: 'proposed',
} as const;
const ONE_OF = ['status', 'tier', 'priority', 'kind', 'channel'] as const;
const PERIODS = ['opened', 'updated'] as const;
/** May happen to a ticket more than once: one time within the period is enough. */
const TIMES = ['resolved', 'closed'] as const;

/** The filter in MongoDB's query language, with the start of the page. */
export function ticketListCriteria(filter: TicketListFilter, order: TicketOrder, after?: ListPlace): object {
  const conditions: object[] = [];
  for (const [name, field] of Object.entries(EQUAL) as [keyof typeof EQUAL, string][])
    if (filter[name] !== undefined) conditions.push({ [field]: filter[name] });
  for (const name of ONE_OF) {
    const words = filter[name];
    if (words !== undefined) conditions.push({ [name]: words.length === 1 ? words[0] : { $in: words } });
  }
  for (const name of PERIODS) {
    const [from, to] = [filter[`${name}From`], filter[`${name}To`]];
    if (from !== undefined) conditions.push({ [`${name}At`]: { $gte: from } });
    if (to !== undefined) conditions.push({ [`${name}At`]: { $lt: to } });
  }
  for (const name of TIMES) {
    const [from, to] = [filter[`${name}From`], filter[`${name}To`]];
    const period = { ...(from !== undefined && { $gte: from }), ...(to !== undefined && { $lt: to }) };
    if (Object.keys(period).length > 0) conditions.push({ [`${name}Times`]: { $elemMatch: period } });
  }
  if (filter.assigned !== undefined) conditions.push({ assignee: { $exists: filter.assigned } });
  if (filter.q !== undefined) conditions.push(...ofWords(filter.q));
  if (after !== undefined) conditions.push(...beyond(TICKET_ORDERS[order], after));
  return conditions.length === 0 ? {} : { $and: conditions };
}

/** A condition for each word. Words contain only letters, marks and digits, so they need no escaping in a pattern. */
export function ofWords(query: string): readonly object[] {
  return query.split(/\s+/).flatMap((asked) => {
    const words = wordsAskedFor(asked);
    const open = asked.endsWith('*') ? words.length - 1 : -1;
    return words.map((word, index) => ({ words: index === open ? { $regex: `^${word}` } : word }));
  });
}

/** Beyond a place: the first value bounds the index, the alternatives decide. */
function beyond(keys: SortKeys, place: ListPlace): readonly object[] {
  const [[first, direction]] = keys as [SortKeys[number]];
  return [
    { [first]: { [direction > 0 ? '$gte' : '$lte']: place[0] } },
    {
      $or: keys.map(([field, way], index) => ({
        ...Object.fromEntries(keys.slice(0, index).map(([same], at) => [same, place[at]])),
        [field]: { [way > 0 ? '$gt' : '$lt']: place[index] },
      })),
    },
  ];
}
