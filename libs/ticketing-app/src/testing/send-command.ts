import { randomUUID } from 'node:crypto';
import { type Actor, type Aggregate, type CommandsOf, type EventStore, isRefusal } from '#eventsourcing';
import { runSystemCommand } from '../run-command.js';

/**
 * Sends commands of any aggregate, in somebody's name, without asking whether they may. One that is refused fails the test.
 * @param store asked for at each command: it is often opened before all tests
 * @returns a function that sends one, and answers the id of what it was sent to
 */
export function commandsTo(store: () => EventStore, actor: Actor = { id: 'ada', kind: 'agent' }) {
  return async function send<Of extends Aggregate, Name extends keyof CommandsOf<Of>>(
    aggregate: Of,
    id: string | undefined,
    name: Name,
    body: CommandsOf<Of>[Name],
  ): Promise<string> {
    const commandId = randomUUID();
    const context = { commandId, actor, correlationId: commandId, causationId: commandId };
    const done = await runSystemCommand(store(), { aggregate, id, name, body, context });
    if (isRefusal(done)) throw new Error(JSON.stringify(done));
    return done.id;
  };
}
