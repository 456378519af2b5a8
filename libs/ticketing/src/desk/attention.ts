import { type Aggregate, type CommandsOf, commandsOn, epochMillis, event, type EventsOf, type Instant } from '#eventsourcing';
import { omitUndefined } from '../plain-json.js';
import type { Tier } from '../vocabulary.js';

/** What an agent's touch time is currently measured on. */
export interface Attention {
  readonly agent: string;
  /** Tickets, in the order in which they were recorded. */
  readonly on: readonly Turned[];
  /** The latest stretches that tickets have counted, in the order in which they were recorded. */
  readonly counted?: readonly Counted[];
  /** When the agent last left or became absent. */
  readonly away?: Pick<GoAway, 'at' | 'because'>;
}

/** A ticket that an agent is working on. */
interface Turned {
  readonly ticketId: string;
  readonly since: Instant;
  /** The ticket's contract lets agents work on several tickets at once. */
  readonly shared?: true;
}

/** Touch time on a ticket, from start to stop. */
interface Stretch extends Pick<Turned, 'shared'> {
  readonly from: Instant;
  readonly to: Instant;
}

/** One that a ticket has counted. */
interface Counted extends Stretch {
  readonly ticketId: string;
}

/** More than an agent has in a week. A stretch recorded later than that may be counted twice. */
const MOST_COUNTED = 200;

/** Nothing yet, or an agent's work. */
export type AttentionState = Attention | null;

/** Why touch time ended: stopped on its ticket, or for another reason. */
export const TURNED_AWAY_BECAUSE = ['stopped', 'other-ticket', 'left', 'absent'] as const;
export type TurnedAwayBecause = (typeof TURNED_AWAY_BECAUSE)[number];

export interface TurnTo {
  readonly agent: string;
  readonly ticketId: string;
  readonly since: Instant;
  readonly shared?: true;
}

/** A stretch of touch time that a ticket has counted. */
export interface TurnAway extends Stretch {
  readonly agent: string;
  readonly ticketId: string;
  readonly tier: Tier;
}

/** Its ticket has counted that stretch for longer than it lasted in truth. */
export interface EndEarlier extends Pick<Stretch, 'from' | 'to'> {
  readonly agent: string;
  readonly ticketId: string;
}

interface TurnedAway {
  readonly agent: string;
  readonly ticketId: string;
  readonly at: Instant;
  readonly because: TurnedAwayBecause;
  /** The stretch that the ticket counted, once stopped there. */
  readonly stretch?: Stretch;
  /** Until when the ticket had counted the stretch, which turned out to have ended before. */
  readonly insteadOf?: Instant;
  /** Seconds of the stretch that were already counted, elsewhere or on the same ticket. */
  readonly twice?: { readonly tier: Tier; readonly seconds: number };
}

export interface GoAway {
  readonly agent: string;
  readonly at: Instant;
  readonly because: Extract<TurnedAwayBecause, 'left' | 'absent'>;
}

const events = {
  AgentTurnedTo: event<AttentionState, TurnTo>({
    personal: null,
    evolve: (state, { agent, ...turned }) => ({ ...state, agent, on: [...(state?.on ?? []), turned] }),
  }),
  AgentTurnedAway: event<AttentionState, TurnedAway>({
    personal: null,
    evolve: (state, { agent, ticketId, stretch, insteadOf }) => {
      // A stretch that was recorded late ends before the one that is running there.
      const on = (state?.on ?? []).filter((one) => one.ticketId !== ticketId || (stretch !== undefined && one.since > stretch.from));
      const known = state?.counted ?? [];
      const kept = known.filter((one) => one.ticketId !== ticketId || one.from !== stretch?.from || one.to !== insteadOf);
      const counted = stretch === undefined ? state?.counted : [...kept, { ...stretch, ticketId }].slice(-MOST_COUNTED);
      return omitUndefined({ ...state, agent, on, counted });
    },
  }),
  AgentWentAway: event<AttentionState, GoAway>({
    personal: null,
    evolve: (state, { agent, at, because }) => ({ ...state, agent, on: state?.on ?? [], away: { at, because } }),
  }),
};

const command = commandsOn<AttentionState, EventsOf<{ readonly events: typeof events }>>();

function turnedAwayEvent(agent: string, ticketId: string, at: Instant, because: TurnedAwayBecause) {
  return { type: 'AgentTurnedAway' as const, data: { agent, ticketId, at, because } };
}

/** Seconds of a stretch that others cover; each second counts once. */
function secondsCovered({ from, to }: Stretch, others: readonly Stretch[]): number {
  let millis = 0;
  let until = epochMillis(from);
  const end = epochMillis(to);
  for (const other of others.toSorted((a, b) => epochMillis(a.from) - epochMillis(b.from))) {
    const begin = Math.max(until, epochMillis(other.from));
    until = Math.max(until, Math.min(end, epochMillis(other.to)));
    millis += Math.max(0, until - begin);
  }
  return Math.round(millis / 1000);
}

/**
 * What an agent works on now, over all tickets, so that no minute is counted twice. A policy feeds it with the tickets' touch time, in
 * whatever order events arrive. One stream per agent: `attention-<id>`.
 */
export const attention = {
  category: 'attention',
  noun: 'attention',
  idName: 'agent',
  initial: null,
  client: () => '',
  events,
  commands: {
    /** Ends the time on the agent's previous ticket, or on this one if the agent has turned to another since. */
    TurnTo: command({
      refuses: [],
      decide({ agent, ticketId, since, shared }: TurnTo, state) {
        const { on = [], away } = state ?? {};
        if (on.some((one) => one.ticketId === ticketId)) return [];
        const rivals = on.filter((other) => !(shared && other.shared));
        const turnedTo = { type: 'AgentTurnedTo' as const, data: { agent, ticketId, since, ...(shared && { shared }) } };
        const [next] = rivals.flatMap((other) => (other.since > since ? other.since : [])).sort();
        const ends =
          away !== undefined && since <= away.at && (next === undefined || away.at <= next)
            ? turnedAwayEvent(agent, ticketId, away.at, away.because)
            : next === undefined
              ? undefined
              : turnedAwayEvent(agent, ticketId, next, 'other-ticket');
        const before = rivals.filter((other) => other.since <= since);
        return [
          ...before.map((other) => turnedAwayEvent(agent, other.ticketId, since, 'other-ticket')),
          turnedTo,
          ...(ends === undefined ? [] : [ends]),
        ];
      },
    }),
    /** Records the stretch that a ticket has counted, and reports how much of it was already counted. */
    TurnAway: command({
      refuses: [],
      decide({ agent, ticketId, tier, ...stretch }: TurnAway, state) {
        const { on = [], counted = [] } = state ?? {};
        if (stretch.from >= stretch.to && !on.some((one) => one.ticketId === ticketId)) return [];
        const seconds = secondsCovered(
          stretch,
          counted.filter((other) => !(stretch.shared && other.shared)),
        );
        const twice = seconds > 0 ? { tier, seconds } : undefined;
        const data = omitUndefined({ agent, ticketId, at: stretch.to, because: 'stopped' as const, stretch, twice });
        return [{ type: 'AgentTurnedAway' as const, data }];
      },
    }),
    /** Takes down that a stretch which a ticket has counted had ended before: what comes after it can be counted elsewhere. */
    EndEarlier: command({
      refuses: [],
      decide({ agent, ticketId, from, to }: EndEarlier, state) {
        const counted = state?.counted?.find((one) => one.ticketId === ticketId && one.from === from);
        if (counted === undefined || counted.to <= to) return [];
        const stretch = omitUndefined({ from, to, shared: counted.shared });
        return [
          {
            type: 'AgentTurnedAway' as const,
            data: { agent, ticketId, at: to, because: 'stopped' as const, stretch, insteadOf: counted.to },
          },
        ];
      },
    }),
    GoAway: command({
      refuses: [],
      decide({ agent, at, because }: GoAway, state) {
        const on = state?.on ?? [];
        // For an absence that was recorded late, stretches that began afterwards end as they began.
        const ends = on.map(({ ticketId, since }) => turnedAwayEvent(agent, ticketId, since > at ? since : at, because));
        return [...ends, { type: 'AgentWentAway' as const, data: { agent, at, because } }];
      },
    }),
  },
} satisfies Aggregate<AttentionState>;

export type AttentionEvents = EventsOf<typeof attention>;
export type AttentionCommands = CommandsOf<typeof attention>;
