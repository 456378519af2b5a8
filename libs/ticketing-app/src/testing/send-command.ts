import { randomUUID } from 'node:crypto';
import { type Actor, type Aggregate, type CommandsOf, type EventStore, isRefusal } from '#eventsourcing';
import { runSystemCommand } from '../run-command.js';

/**
 * Sends commands to any aggregate, in someone's name, without checking permissions. A refused command fails the test.
 * @param store called for each command: it is often opened only before all tests
 * @returns a function that sends a command and returns the id of its aggregate
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
