import { type Aggregate, type CommandsOf, commandsOn, deterministicId, event, type EventsOf, type Instant } from '#eventsourcing';
import type { MajorIncidentRule } from '../contract/contract.js';
import { omitUndefined, without } from '../plain-json.js';
import { openedTogether } from '../problem/recurrence.js';
import { majorIncidentId } from './major-incident.js';

/** A service of a client. */
export interface Service {
  readonly client: string;
  readonly service: string;
}

interface Counted {
  readonly ticketId: string;
  readonly openedAt: Instant;
}

/** The incidents about a service, and the major incident that they belong to, if any. */
interface Outage extends Service {
  /** The latest ones, in the order in which they were counted. */
  readonly tickets: readonly Counted[];
  readonly majorIncident?: string;
}

export type OutageState = Outage | null;

export interface CountServiceTicket extends Service, Counted {
  readonly rule: MajorIncidentRule;
}

export interface DiscountServiceTicket {
  readonly ticketId: string;
}

export interface FollowMajorIncident extends Service {
  readonly majorIncident: string;
}

export interface LeaveMajorIncident {
  readonly majorIncident: string;
}

/** Id of the count for a service. */
export function outageId({ client, service }: Service): string {
  return deterministicId('outage', client, service);
}

/** The most that a contract can ask for within its window. */
const MOST_COUNTED = 1000;

const known = (state: OutageState, { client, service }: Service): Outage => state ?? { client, service, tickets: [] };

const events = {
  ServiceTicketCounted: event<OutageState, Service & Counted>({
    personal: null,
    evolve: (state, { ticketId, openedAt, ...service }) => {
      const before = known(state, service);
      return { ...before, tickets: [...before.tickets, { ticketId, openedAt }].slice(-MOST_COUNTED) };
    },
  }),
  ServiceTicketDiscounted: event<OutageState, DiscountServiceTicket>({
    personal: null,
    evolve: (state, { ticketId }) => state && { ...state, tickets: state.tickets.filter((one) => one.ticketId !== ticketId) },
  }),
  OutageDetected: event<
    OutageState,
    { readonly majorIncident: string; readonly tickets: readonly string[]; readonly within: number; readonly proposed?: true }
  >({ personal: null, evolve: (state, { majorIncident }) => state && { ...state, majorIncident } }),
  MajorIncidentFollowed: event<OutageState, FollowMajorIncident>({
    personal: null,
    evolve: (state, { majorIncident, ...service }) => ({ ...known(state, service), majorIncident }),
  }),
  // The counted ones have already made one.
  MajorIncidentLeft: event<OutageState, LeaveMajorIncident>({
    personal: null,
    evolve: (state) => state && { ...without(state, 'majorIncident'), tickets: [] },
  }),
};

const command = commandsOn<OutageState, EventsOf<{ readonly events: typeof events }>>();

/**
 * Counts the incidents about a service of a client: many at once are a major incident. Written only by policies. One stream per service:
 * `outage-<id>`.
 */
export const outage = {
  category: 'outage',
  noun: 'outage',
  idName: 'outage',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    CountServiceTicket: command({
      refuses: [],
      decide({ client, service, ticketId, openedAt, rule }: CountServiceTicket, state) {
        const { tickets, majorIncident } = known(state, { client, service });
        if (tickets.some((one) => one.ticketId === ticketId)) return [];
        const counted = { type: 'ServiceTicketCounted' as const, data: { client, service, ticketId, openedAt } };
        if (majorIncident !== undefined) return [counted];
        const together = openedTogether([...tickets, { ticketId, openedAt }], openedAt, rule.within).map((one) => one.ticketId);
        const [parent] = together;
        if (parent === undefined || together.length < rule.tickets) return [counted];
        const detected = omitUndefined({
          majorIncident: majorIncidentId(parent),
          tickets: together,
          within: rule.within,
          proposed: rule.then === 'declare' ? undefined : (true as const),
        });
        return [counted, { type: 'OutageDetected', data: detected }];
      },
    }),
    DiscountServiceTicket: command({
      refuses: [],
      decide({ ticketId }: DiscountServiceTicket, state) {
        const isCounted = state?.tickets.some((one) => one.ticketId === ticketId);
        return isCounted ? [{ type: 'ServiceTicketDiscounted', data: { ticketId } }] : [];
      },
    }),
    FollowMajorIncident: command({
      refuses: [],
      decide({ client, service, majorIncident }: FollowMajorIncident, state) {
        return state?.majorIncident === undefined ? [{ type: 'MajorIncidentFollowed', data: { client, service, majorIncident } }] : [];
      },
    }),
    LeaveMajorIncident: command({
      refuses: [],
      decide({ majorIncident }: LeaveMajorIncident, state) {
        return state?.majorIncident === majorIncident ? [{ type: 'MajorIncidentLeft', data: { majorIncident } }] : [];
      },
    }),
  },
} satisfies Aggregate<OutageState>;

export type OutageEvents = EventsOf<typeof outage>;
export type OutageCommands = CommandsOf<typeof outage>;
