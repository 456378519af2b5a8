import { epochMillis, type Instant, instantFrom, type Policy, type Reaction, streamId } from '#eventsourcing';
import { termsOf } from '../contract/contract.js';
import type { TicketEvents } from '../events/ticket-events.js';
import type { TicketState } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import { type TicketCommands, ticket } from '../ticket/ticket.js';
import { agent, type AgentEvents, type AgentState } from './agent.js';
import { attention, type AttentionCommands, type AttentionEvents, type AttentionState } from './attention.js';

function ofAgent<Name extends keyof AttentionCommands>(name: Name, body: AttentionCommands[Name]): Reaction<AttentionCommands> {
  return { category: attention.category, id: body.agent, name, body } as Reaction<AttentionCommands>;
}

/** Ends the touch time of an agent on a ticket, as of when it really ended. */
function stopTouchTime(ticketId: string, id: string, at: Instant): Reaction<TicketCommands> {
  return { category: ticket.category, id: ticketId, name: 'StopTouchTime', body: { agent: { id }, effectiveAt: at } };
}

function deductTouchTime(ticketId: string, body: TicketCommands['DeductTouchTime']): Reaction<TicketCommands> {
  return { category: ticket.category, id: ticketId, name: 'DeductTouchTime', body };
}

/** Tracks what an agent works on, over all tickets. */
export const touchTimeOfAgents: Policy<TicketEvents, TicketState, AttentionCommands> = {
  name: 'touch-time-of-agents',
  aggregate: ticket,
  react: {
    TouchTimeStarted: ({ stream, data, metadata }, state) => [
      ofAgent(
        'TurnTo',
        omitUndefined({ agent: data.agent.id, ticketId: streamId(stream), since: metadata.effectiveAt, shared: isShared(state) }),
      ),
    ],
    TouchTimeStopped: ({ stream, data: { agent, tier, startedAt, seconds } }, state) => [
      ofAgent(
        'TurnAway',
        omitUndefined({
          agent: agent.id,
          ticketId: streamId(stream),
          tier,
          from: startedAt,
          to: instantFrom(epochMillis(startedAt) + seconds * 1000),
          shared: isShared(state),
        }),
      ),
    ],
    TouchTimeDeducted: ({ stream, data: { agent, startedAt, endedAt } }) =>
      endedAt === undefined ? [] : [ofAgent('EndEarlier', { agent: agent.id, ticketId: streamId(stream), from: startedAt, to: endedAt })],
  },
};

/** Whether the contract lets agents work on other tickets at the same time. */
function isShared(ticket: TicketState): true | undefined {
  return ticket !== null && termsOf(ticket).touchTime === 'several-tickets' ? true : undefined;
}

/** Agents who leave or become absent stop working. */
export const touchTimeOfTheAway: Policy<AgentEvents, AgentState, AttentionCommands> = {
  name: 'touch-time-of-the-away',
  aggregate: agent,
  react: {
    AgentLeft: ({ data, metadata }) => [ofAgent('GoAway', { agent: data.agent, at: metadata.effectiveAt, because: 'left' })],
    AgentAbsenceBegun: ({ data, metadata }) => [ofAgent('GoAway', { agent: data.agent, at: metadata.effectiveAt, because: 'absent' })],
  },
};

/** Ends touch time when an agent has turned to another ticket, left or become absent; deducts what was counted twice. */
export const touchTimeElsewhere: Policy<AttentionEvents, AttentionState, TicketCommands> = {
  name: 'touch-time-elsewhere',
  aggregate: attention,
  concerns: ({ data }) => 'because' in data && (data.because !== 'stopped' || 'twice' in data),
  react: {
    AgentTurnedAway: ({ data: { agent, ticketId, at, because, stretch, twice } }) => {
      if (because !== 'stopped') return [stopTouchTime(ticketId, agent, at)];
      return stretch === undefined || twice === undefined
        ? []
        : [deductTouchTime(ticketId, { agent: { id: agent }, startedAt: stretch.from, effectiveAt: at, ...twice })];
    },
  },
};

/** An agent who begins work on a ticket stops work on all others, although no touch time is measured on the new one yet. */
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
