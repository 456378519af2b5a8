import { startEmbeddedEventStoreDB } from '@tierline/embedded-eventstoredb';
import { credentialsOf, runNode, tlsOf, type NodeOptions } from './node-options.js';

export interface EventStoreOptions extends NodeOptions {
  readonly systemStreams: boolean;
}

/**
 * Runs the embedded EventStoreDB node alone, until the signal aborts.
 * @param env EVENTSTORE_USER and EVENTSTORE_PASSWORD
 * @throws NotStarted
 */
export async function runEventStore(
  options: EventStoreOptions,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<void> {
  const { dir, port, host, systemStreams } = options;
  const security = { ...tlsOf(options), ...credentialsOf(env, 'EVENTSTORE') };
  await runNode(
    'EventStoreDB',
    dir,
    (directory) => startEmbeddedEventStoreDB({ directory, port, host, systemStreams, ...security }),
    signal,
    print,
  );
}
