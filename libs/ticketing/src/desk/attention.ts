import { type Aggregate, type CommandsOf, commandsOn, event, type EventsOf, type Instant } from '#eventsourcing';
import { present } from '../plain-json.js';

/** What the touch time of an agent is measured on. */
export interface Attention {
  readonly agent: string;
  /** Tickets, in the order in which they were told. */
  readonly on: readonly Turned[];
  /** Up to when the time of a ticket was counted that ended because of another one. */
  readonly countedUntil?: Instant;
  /** When the agent last left or became absent. */
  readonly away?: Pick<GoAway, 'at' | 'because'>;
}

/** A ticket that an agent works on. */
interface Turned {
  readonly ticketId: string;
  readonly since: Instant;
  /** The ticket's contract lets its agents work on several at once. */
  readonly shared?: true;
}

/** Nothing yet, or what an agent has worked on. */
export type AttentionState = Attention | null;

/** Why touch time ended: at its ticket, or because of something else. */
export const TURNED_AWAY_BECAUSE = ['stopped', 'other-ticket', 'left', 'absent'] as const;
export type TurnedAwayBecause = (typeof TURNED_AWAY_BECAUSE)[number];

export interface TurnTo {
  readonly agent: string;
  readonly ticketId: string;
  readonly since: Instant;
  readonly shared?: true;
}

export interface TurnAway {
  readonly agent: string;
  readonly ticketId: string;
  readonly at: Instant;
}

export interface GoAway {
  readonly agent: string;
  readonly at: Instant;
  readonly because: Extract<TurnedAwayBecause, 'left' | 'absent'>;
}

const events = {
  AgentTurnedTo: event<AttentionState, TurnTo>({
    evolve: (state, { agent, ...turned }) => ({ ...state, agent, on: [...(state?.on ?? []), turned] }),
  }),
  AgentTurnedAway: event<AttentionState, TurnAway & { readonly because: TurnedAwayBecause }>({
    evolve: (state, { agent, ticketId, at, because }) => {
      const countedUntil = because === 'other-ticket' && at > (state?.countedUntil ?? '') ? at : state?.countedUntil;
      const on = (state?.on ?? []).filter((one) => one.ticketId !== ticketId);
      return present({ ...state, agent, on, countedUntil });
    },
  }),
  AgentWentAway: event<AttentionState, GoAway>({
    evolve: (state, { agent, at, because }) => ({ ...state, agent, on: state?.on ?? [], away: { at, because } }),
  }),
};

const command = commandsOn<AttentionState, EventsOf<{ readonly events: typeof events }>>();

function turnedAway(agent: string, ticketId: string, at: Instant, because: TurnedAwayBecause) {
  return { type: 'AgentTurnedAway' as const, data: { agent, ticketId, at, because } };
}

/**
 * What an agent works on now, over all tickets: so that nobody's minutes are counted twice. Follows the tickets' touch time by a policy, in
 * whatever order it comes to know of them. One stream an agent: `attention-<id>`.
 */
export const attention = {
  category: 'attention',
  noun: 'attention',
  idName: 'agent',
  initial: null,
  client: () => '',
  events,
  commands: {
    /** Ends the time on what the agent turned to before, or that on this ticket where the agent has turned to another one since. */
    TurnTo: command({
      refuses: [],
      decide({ agent, ticketId, since, shared }: TurnTo, state) {
        const { on = [], away, countedUntil = '' } = state ?? {};
        if (on.some((one) => one.ticketId === ticketId)) return [];
        const rivals = on.filter((other) => !(shared && other.shared));
        const turnedTo = { type: 'AgentTurnedTo' as const, data: { agent, ticketId, since, ...(shared && { shared }) } };
        const [next] = rivals.flatMap((other) => (other.since > since ? other.since : [])).sort();
        const ends =
          away !== undefined && since <= away.at && (next === undefined || away.at <= next)
            ? turnedAway(agent, ticketId, away.at, away.because)
            : next === undefined
              ? undefined
              : // Between others that came to be known before it, the time is counted already.
                turnedAway(agent, ticketId, countedUntil > since ? since : next, 'other-ticket');
        const before = rivals.filter((other) => other.since <= since);
        return [
          ...before.map((other) => turnedAway(agent, other.ticketId, since, 'other-ticket')),
          turnedTo,
          ...(ends === undefined ? [] : [ends]),
        ];
      },
    }),
    TurnAway: command({
      refuses: [],
      decide({ agent, ticketId, at }: TurnAway, state) {
        return state?.on.some((one) => one.ticketId === ticketId) ? [turnedAway(agent, ticketId, at, 'stopped')] : [];
      },
    }),
    GoAway: command({
      refuses: [],
      decide({ agent, at, because }: GoAway, state) {
        const on = state?.on ?? [];
        // An absence that was told late: what the agent has begun since ends as it began.
        const ends = on.map(({ ticketId, since }) => turnedAway(agent, ticketId, since > at ? since : at, because));
        return [...ends, { type: 'AgentWentAway' as const, data: { agent, at, because } }];
      },
    }),
  },
} satisfies Aggregate<AttentionState>;

export type AttentionEvents = EventsOf<typeof attention>;
export type AttentionCommands = CommandsOf<typeof attention>;
