import { type Policy, type Reaction, streamId } from '#eventsourcing';
import { termsOf } from '../contract/contract.js';
import type { TicketEvents } from '../events/ticket-events.js';
import type { TicketState } from '../events/ticket.js';
import { present } from '../plain-json.js';
import { type TicketCommands, ticket } from '../ticket/ticket.js';
import { agent, type AgentEvents, type AgentState } from './agent.js';
import { attention, type AttentionCommands, type AttentionEvents, type AttentionState } from './attention.js';

function ofAgent<Name extends keyof AttentionCommands>(name: Name, body: AttentionCommands[Name]): Reaction<AttentionCommands> {
  return { category: attention.category, id: body.agent, name, body } as Reaction<AttentionCommands>;
}

/** Ends the touch time of an agent on a ticket, as of when it ended in truth. */
function stopTouchTime(ticketId: string, id: string, at: string): Reaction<TicketCommands> {
  return { category: ticket.category, id: ticketId, name: 'StopTouchTime', body: { agent: { id }, effectiveAt: at } };
}

const ELSEWHERE = 'touch-time-elsewhere';

/** Tells what an agent works on, over all tickets. */
export const touchTimeOfAgents: Policy<TicketEvents, TicketState, AttentionCommands> = {
  name: 'touch-time-of-agents',
  aggregate: ticket,
  // What this led to is known already.
  concerns: ({ type, metadata }) => type !== 'TouchTimeStopped' || metadata.actor.id !== `policy:${ELSEWHERE}`,
  react: {
    TouchTimeStarted: ({ stream, data, metadata }, state) => {
      const shared = state !== null && termsOf(state).touchTime === 'several-tickets' ? (true as const) : undefined;
      return [ofAgent('TurnTo', present({ agent: data.agent.id, ticketId: streamId(stream), since: metadata.effectiveAt, shared }))];
    },
    TouchTimeStopped: ({ stream, data, metadata }) => [
      ofAgent('TurnAway', { agent: data.agent.id, ticketId: streamId(stream), at: metadata.effectiveAt }),
    ],
  },
};

/** Whoever leaves or becomes absent works on nothing. */
export const touchTimeOfTheAway: Policy<AgentEvents, AgentState, AttentionCommands> = {
  name: 'touch-time-of-the-away',
  aggregate: agent,
  react: {
    AgentLeft: ({ data, metadata }) => [ofAgent('GoAway', { agent: data.agent, at: metadata.effectiveAt, because: 'left' })],
    AgentAbsenceBegun: ({ data, metadata }) => [ofAgent('GoAway', { agent: data.agent, at: metadata.effectiveAt, because: 'absent' })],
  },
};

/** Ends the touch time on what an agent has turned away from: because of another ticket, or having left or become absent. */
export const touchTimeElsewhere: Policy<AttentionEvents, AttentionState, TicketCommands> = {
  name: ELSEWHERE,
  aggregate: attention,
  concerns: ({ type, data }) => type === 'AgentTurnedAway' && 'because' in data && data.because !== 'stopped',
  react: {
    AgentTurnedAway: ({ data: { agent, ticketId, at } }) => [stopTouchTime(ticketId, agent, at)],
  },
};

/** Whoever begins work on a ticket works on no other, although no touch time is measured on it yet. */
export const touchTimeOfWorkBegun: Policy<TicketEvents, TicketState, TicketCommands> = {
  name: 'touch-time-of-work-begun',
  aggregate: ticket,
  concerns: ({ data }) => 'turnedFrom' in data,
  react: {
    WorkStarted: ({ data: { agent, turnedFrom = [] }, metadata }) =>
      turnedFrom.map((ticketId) => stopTouchTime(ticketId, agent.id, metadata.effectiveAt)),
    EscalationAccepted: ({ data: { agent, turnedFrom = [] }, metadata }) =>
      turnedFrom.map((ticketId) => stopTouchTime(ticketId, agent.id, metadata.effectiveAt)),
  },
};
