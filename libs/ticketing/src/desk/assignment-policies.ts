import { type Policy, type Position, type Reaction, type RecordedEvent, streamId } from '#eventsourcing';
import { agent, type AgentEvents, type AgentState } from './agent.js';
import { assignmentRequest } from '../ticket/assignment-request.js';
import { termsOf } from '../contract/contract.js';
import { team, type TeamEvents, type TeamState } from './team.js';
import { ticket } from '../ticket/ticket.js';
import type { TicketEvents } from '../events/ticket-events.js';
import type { TicketState } from '../events/ticket.js';
import type { UnassignedBecause } from '../vocabulary.js';

/**
 * What the desk's policies ask of the code that knows rosters and workloads. The last one is about an agent, the others about a ticket; all
 * of them end in commands to tickets.
 */
export interface AssignmentTasks {
  /** Finds an agent for a ticket and sends AssignAutomatically. */
  FindAgent: Readonly<Record<never, never>>;
  /** Takes a ticket from its assignee with UnassignTicket, if they have left, or are absent and want their tickets released. */
  ReleaseIfAway: { readonly assignee: string };
  /** Takes the open tickets of an agent (in one team, if named) with UnassignTicket, if the reason still holds. */
  ReleaseTickets: {
    readonly because: Exclude<UnassignedBecause, 'requested'>;
    readonly reason: string;
    readonly team?: string;
    /** Position in the log where the reason arose; earlier assignments must be visible. */
    readonly since: Position;
  };
}

function releaseTickets(id: string, body: AssignmentTasks['ReleaseTickets']): readonly Reaction<AssignmentTasks>[] {
  return [{ category: agent.category, id, name: 'ReleaseTickets', body }];
}

function findAgent({ stream }: Pick<RecordedEvent<TicketEvents>, 'stream'>, state: TicketState): readonly Reaction<AssignmentTasks>[] {
  const asks = state !== null && assignmentRequest(state, termsOf(state)) !== undefined;
  return asks ? [{ category: ticket.category, id: streamId(stream), name: 'FindAgent', body: {} }] : [];
}

/** Assigns a ticket that nobody has, if the client's contract assigns automatically. */
export const automaticAssignment: Policy<TicketEvents, TicketState, AssignmentTasks> = {
  name: 'automatic-assignment',
  aggregate: ticket,
  concerns: ({ type, data }) => type !== 'TicketOpened' || data.contract?.terms.assignment === 'automatic',
  react: {
    TicketOpened: findAgent,
    TicketTriaged: findAgent,
    TicketAssigned: findAgent,
    TicketUnassigned: findAgent,
    TicketEscalated: findAgent,
    EscalationReturned: findAgent,
    TicketDeescalated: findAgent,
    TicketReopened: findAgent,
    SlaTermsRebased: findAgent,
  },
};

function releaseIfAway({ stream }: Pick<RecordedEvent<TicketEvents>, 'stream'>, state: TicketState): readonly Reaction<AssignmentTasks>[] {
  if (state?.assignee === undefined) return [];
  return [{ category: ticket.category, id: streamId(stream), name: 'ReleaseIfAway', body: { assignee: state.assignee.id } }];
}

type ToldOfTicket = Pick<RecordedEvent<TicketEvents>, 'stream' | 'metadata'>;

/** By the time an assignment or a start of work is recorded, the agent may have gone away. */
function releaseIfToldLate(event: ToldOfTicket, state: TicketState): readonly Reaction<AssignmentTasks>[] {
  const { effectiveAt, recordedAt } = event.metadata;
  return effectiveAt < recordedAt ? releaseIfAway(event, state) : [];
}

/**
 * A ticket that returns to its last holder, or whose assignment is recorded late, does not stay with someone who has gone away in the
 * meantime.
 */
export const ticketsThatComeBack: Policy<TicketEvents, TicketState, AssignmentTasks> = {
  name: 'tickets-that-come-back',
  aggregate: ticket,
  react: {
    TicketReopened: releaseIfAway,
    EscalationReturned: releaseIfAway,
    TicketAssigned: releaseIfToldLate,
    TicketTakenOver: releaseIfToldLate,
    WorkStarted: releaseIfToldLate,
    EscalationAccepted: releaseIfToldLate,
  },
};

/** Takes the open tickets of agents who leave, or are absent and want their tickets released. */
export const ticketsOfTheAway: Policy<AgentEvents, AgentState, AssignmentTasks> = {
  name: 'tickets-of-the-away',
  aggregate: agent,
  react: {
    AgentLeft: ({ data, position }) => releaseTickets(data.agent, { because: 'left', reason: 'Has left the desk', since: position }),
    // The reason for an absence is private to the agent: many people read tickets.
    AgentAbsenceBegun: ({ data: { agent, absence }, position }) =>
      absence.handBack
        ? releaseTickets(agent, {
            because: 'absent',
            reason: absence.until === undefined ? 'Is absent' : `Is absent until ${absence.until}`,
            since: position,
          })
        : [],
  },
};

/** Takes the open tickets of a team from agents who are no longer its members. */
export const ticketsOfFormerMembers: Policy<TeamEvents, TeamState, AssignmentTasks> = {
  name: 'tickets-of-former-members',
  aggregate: team,
  react: {
    TeamMemberRemoved: ({ data: { team, agent }, position }) =>
      releaseTickets(agent, { because: 'removed-from-team', reason: `Is no longer of the team ${team}`, team, since: position }),
  },
};
