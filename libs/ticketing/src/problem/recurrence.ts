import {
  type Aggregate,
  type CommandsOf,
  commandsOn,
  deterministicId,
  epochMillis,
  event,
  type EventsOf,
  type Instant,
} from '#eventsourcing';
import { DAY, type Recurrence } from '../contract/contract.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { omitUndefined } from '../plain-json.js';

/** What tickets must have in common to be one recurring fault. */
export interface Fingerprint {
  readonly client: string;
  readonly service?: string;
  readonly component?: string;
  readonly category: string;
}

/** The fingerprint of a ticket or problem; undefined without a category: too little is known then. */
export function fingerprintOf({
  client,
  service,
  component,
  category,
}: Partial<Fingerprint> & Pick<Fingerprint, 'client'>): Fingerprint | undefined {
  return category === undefined ? undefined : omitUndefined({ client, service, component, category });
}

/** Id of the recurrence with a fingerprint. */
export function recurrenceId({ client, service, component, category }: Fingerprint): string {
  return deterministicId('recurrence', JSON.stringify([client, service ?? null, component ?? null, category]));
}

type EarlierFix = TicketEvents['TicketRecurred'];

interface Counted {
  readonly ticketId: string;
  readonly openedAt: Instant;
}

/** Tickets with one fingerprint: which came in, what fixed them, and the problem behind them. */
export interface RecurringFault extends Fingerprint {
  /** The latest ones, in the order in which they were counted. */
  readonly tickets: readonly Counted[];
  /** The latest fix of each tier. */
  readonly fixes: readonly EarlierFix[];
  readonly problemId?: string;
}

export type RecurrenceState = RecurringFault | null;

export interface CountTicket extends Counted {
  readonly fingerprint: Fingerprint;
  readonly terms: Recurrence;
}

export interface DiscountTicket {
  readonly ticketId: string;
}

export interface RememberFix {
  readonly fingerprint: Fingerprint;
  readonly fix: EarlierFix;
}

export interface FollowProblem {
  readonly fingerprint: Fingerprint;
  readonly problemId: string;
}

/** Older ones are ignored: this is the most that a contract can ask for within its window. */
const MOST_COUNTED = 100;

/** How long after a fix a similar ticket counts as its recurrence, in milliseconds; default. */
export const RECURS_WITHIN = 90 * DAY;

const known = (state: RecurrenceState, fingerprint: Fingerprint): RecurringFault => state ?? { ...fingerprint, tickets: [], fixes: [] };

const events = {
  TicketCounted: event<RecurrenceState, Counted & { readonly fingerprint: Fingerprint; readonly recursFrom?: EarlierFix }>({
    personal: null,
    evolve: (state, { fingerprint, ticketId, openedAt }) => {
      const before = known(state, fingerprint);
      return { ...before, tickets: [...before.tickets, { ticketId, openedAt }].slice(-MOST_COUNTED) };
    },
  }),
  TicketDiscounted: event<RecurrenceState, DiscountTicket>({
    personal: null,
    evolve: (state, { ticketId }) => state && { ...state, tickets: state.tickets.filter((one) => one.ticketId !== ticketId) },
  }),
  FixRemembered: event<RecurrenceState, RememberFix>({
    personal: null,
    evolve: (state, { fingerprint, fix }) => {
      const before = known(state, fingerprint);
      return { ...before, fixes: [...before.fixes.filter(({ tier }) => tier !== fix.tier), fix] };
    },
  }),
  RecurrenceDetected: event<
    RecurrenceState,
    { readonly problemId: string; readonly tickets: readonly string[]; readonly within: number; readonly title: string }
  >({ personal: null, evolve: (state, { problemId }) => state && { ...state, problemId } }),
  ProblemFollowed: event<RecurrenceState, FollowProblem>({
    personal: null,
    evolve: (state, { fingerprint, problemId }) => ({ ...known(state, fingerprint), problemId }),
  }),
};

const command = commandsOn<RecurrenceState, EventsOf<{ readonly events: typeof events }>>();

/**
 * Tickets of one client with the same service, component and category. Written only by policies: as tickets come in, are fixed, or turn out
 * to be something else. One stream per fingerprint: `recurrence-<id>`.
 */
export const recurrence = {
  category: 'recurrence',
  noun: 'recurrence',
  idName: 'recurrence',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    CountTicket: command({
      refuses: [],
      decide({ fingerprint, ticketId, openedAt, terms }: CountTicket, state, { commandId }) {
        const { tickets, fixes, problemId } = known(state, fingerprint);
        if (tickets.some((one) => one.ticketId === ticketId)) return [];
        const recursFrom = latestFixBefore(openedAt, fixes, terms);
        const counted = { type: 'TicketCounted' as const, data: omitUndefined({ fingerprint, ticketId, openedAt, recursFrom }) };
        if (problemId !== undefined) return [counted];
        const together = openedTogether([...tickets, { ticketId, openedAt }], openedAt, terms.within);
        if (together.length < terms.tickets) return [counted];
        const detected = {
          problemId: deterministicId('problem', commandId),
          tickets: together.map((one) => one.ticketId),
          within: terms.within,
          title: titleOf(fingerprint),
        };
        return [counted, { type: 'RecurrenceDetected', data: detected }];
      },
    }),
    DiscountTicket: command({
      refuses: [],
      decide({ ticketId }: DiscountTicket, state) {
        const isCounted = state?.tickets.some((one) => one.ticketId === ticketId);
        return isCounted ? [{ type: 'TicketDiscounted', data: { ticketId } }] : [];
      },
    }),
    RememberFix: command({
      refuses: [],
      decide({ fingerprint, fix }: RememberFix, state) {
        const later = state?.fixes.find(({ tier }) => tier === fix.tier);
        return later !== undefined && later.fixedAt >= fix.fixedAt ? [] : [{ type: 'FixRemembered', data: { fingerprint, fix } }];
      },
    }),
    FollowProblem: command({
      refuses: [],
      decide({ fingerprint, problemId }: FollowProblem, state) {
        return state?.problemId === undefined ? [{ type: 'ProblemFollowed', data: { fingerprint, problemId } }] : [];
      },
    }),
  },
} satisfies Aggregate<RecurrenceState>;

export type RecurrenceEvents = EventsOf<typeof recurrence>;
export type RecurrenceCommands = CommandsOf<typeof recurrence>;

/**
 * The largest set of tickets, including this one, that were opened within so many milliseconds of one another: facts may be recorded in any
 * order.
 */
export function openedTogether(tickets: readonly Counted[], openedAt: Instant, within: number): readonly Counted[] {
  const sorted = [...tickets].sort((one, other) => (one.openedAt < other.openedAt ? -1 : 1));
  const at = epochMillis(openedAt);
  const windows = sorted.flatMap((first) => {
    const from = epochMillis(first.openedAt);
    if (from > at || from + within < at) return [];
    return [sorted.filter((one) => epochMillis(one.openedAt) >= from && epochMillis(one.openedAt) <= from + within)];
  });
  return windows.reduce((most, window) => (window.length > most.length ? window : most), []);
}

function latestFixBefore(openedAt: Instant, fixes: readonly EarlierFix[], { recursWithin = RECURS_WITHIN }: Recurrence) {
  const since = epochMillis(openedAt) - recursWithin;
  const before = fixes.filter(({ fixedAt }) => fixedAt < openedAt && epochMillis(fixedAt) >= since);
  return before.reduce<EarlierFix | undefined>((latest, fix) => (latest && latest.fixedAt > fix.fixedAt ? latest : fix), undefined);
}

function titleOf({ service, component, category }: Fingerprint): string {
  const what = [service, component].filter((part) => part !== undefined).join(', ');
  return `Recurring: ${category}${what === '' ? '' : ` (${what})`}`.slice(0, 200);
}
