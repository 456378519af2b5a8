import type { EventStore, Reaction, SendReaction } from '#eventsourcing';
import { agent, type AssignmentTasks, attention, type AttentionCommands, ticket, type TicketCommands } from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
import type { Assigner } from './assigner.js';

type Commands = TicketCommands & AttentionCommands & AssignmentTasks;

/** Runs the commands of policies as those of people are run; tasks of assignment are the assigner's. */
export function sendReactions(store: EventStore, assigner: Assigner): SendReaction<Commands> {
  return (reaction, context) => {
    const { category, id } = reaction;
    if (isOfAttention(reaction)) {
      const { name, body } = reaction;
      return runSystemCommand(store, { aggregate: attention, id, name, body, context });
    }
    const { name, body } = reaction;
    if (name === 'ReleaseTickets' && category === agent.category) return assigner.releaseTickets(id, body, context);
    if (category !== ticket.category || name === 'ReleaseTickets')
      throw new Error(`a policy has ${name} for ${category}, which nobody takes`);
    if (name === 'ReleaseIfAway') return assigner.releaseIfAway(id, body, context);
    if (name === 'FindAgent') return assigner.findAgent(id, context);
    return runSystemCommand(store, { aggregate: ticket, id, name, body, context });
  };
}

function isOfAttention(reaction: Reaction<Commands>): reaction is Extract<Reaction<Commands>, { readonly name: keyof AttentionCommands }> {
  return reaction.category === attention.category && Object.hasOwn(attention.commands, reaction.name);
}
