import type { EventStore, SendReaction } from '#eventsourcing';
import { ticket, type TicketCommands } from '#ticketing';
import { RunTicketCommand, RunTicketCommandHandler } from '#ticketing-nest';

/** Runs the commands of policies as those of people are run: through the one handler of all commands. */
export function sendReactions(store: EventStore): SendReaction<TicketCommands> {
  const handler = new RunTicketCommandHandler(store);
  return ({ category, id, name, body }, context) => {
    if (category !== ticket.category) throw new Error(`a policy has a command for ${category}, which nobody takes`);
    return handler.execute(new RunTicketCommand(id, name, body, { ...context, repeatable: true }));
  };
}
