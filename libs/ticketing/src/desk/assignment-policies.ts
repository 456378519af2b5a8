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
 * What the desk's policies ask of whoever knows the roster and the workloads. The last is about an agent, the others are about a ticket; all
 * end in commands of tickets.
 */
export interface AssignmentTasks {
  /** Finds an agent for a ticket, and sends AssignAutomatically. */
  FindAgent: Readonly<Record<never, never>>;
  /** Takes a ticket from its assignee with UnassignTicket, if that one has left, or is absent and wants it so. */
  ReleaseIfAway: { readonly assignee: string };
  /** Takes the open tickets of an agent (of one team, if it is named) with UnassignTicket, if it is still so. */
  ReleaseTickets: {
    readonly because: Exclude<UnassignedBecause, 'requested'>;
    readonly reason: string;
    readonly team?: string;
    /** Where in the log it became so: what was assigned before is to be seen. */
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

/** A ticket that nobody has, of a client whose contract assigns automatically, is given to somebody. */
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

/** Who was given a ticket, or began to work on it, may have gone away by the time it is told. */
function releaseIfToldLate(event: ToldOfTicket, state: TicketState): readonly Reaction<AssignmentTasks>[] {
  const { effectiveAt, recordedAt } = event.metadata;
  return effectiveAt < recordedAt ? releaseIfAway(event, state) : [];
}

/** A ticket that comes back to who had it, or is told late to have been given to somebody, does not stay with who has gone away meanwhile. */
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

/** Who leaves, or is absent and wants it so, has no open tickets. */
export const ticketsOfTheAway: Policy<AgentEvents, AgentState, AssignmentTasks> = {
  name: 'tickets-of-the-away',
  aggregate: agent,
  react: {
    AgentLeft: ({ data, position }) => releaseTickets(data.agent, { because: 'left', reason: 'Has left the desk', since: position }),
    // The reason of an absence is the agent's own business: tickets are read by many.
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

/** Who is of a team no longer has no open tickets of it. */
export const ticketsOfFormerMembers: Policy<TeamEvents, TeamState, AssignmentTasks> = {
  name: 'tickets-of-former-members',
  aggregate: team,
  react: {
    TeamMemberRemoved: ({ data: { team, agent }, position }) =>
      releaseTickets(agent, { because: 'removed-from-team', reason: `Is no longer of the team ${team}`, team, since: position }),
  },
};
