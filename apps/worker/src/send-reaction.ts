import type { EventStore, SendReaction } from '#eventsourcing';
import { ticket, type TicketCommands } from '#ticketing';
import { runTicketCommand } from '#ticketing-nest';

/** Runs the commands of policies as those of people are run. */
export function sendReactions(store: EventStore): SendReaction<TicketCommands> {
  return ({ category, id, name, body }, context) => {
    if (category !== ticket.category) throw new Error(`a policy has a command for ${category}, which nobody takes`);
    return runTicketCommand(store, { ticketId: id, name, body, context: { ...context, repeatable: true } });
  };
}
