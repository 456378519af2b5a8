import type { EventStore, SendReaction } from '#eventsourcing';
import { agent, type AssignmentTasks, ticket, type TicketCommands } from '#ticketing';
import { runCommand } from '#ticketing-app';
import type { Assigner } from './assigner.js';

/** Runs the commands of policies as those of people are run; tasks of assignment are the assigner's. */
export function sendReactions(store: EventStore, assigner: Assigner): SendReaction<TicketCommands & AssignmentTasks> {
  return ({ category, id, name, body }, context) => {
    if (name === 'ReleaseTickets' && category === agent.category) return assigner.releaseTickets(id, body, context);
    if (category !== ticket.category || name === 'ReleaseTickets')
      throw new Error(`a policy has ${name} for ${category}, which nobody takes`);
    if (name === 'ReleaseIfAway') return assigner.releaseIfAway(id, body, context);
    if (name === 'FindAgent') return assigner.findAgent(id, context);
    return runCommand(store, { aggregate: ticket, id, name, body, context });
  };
}
