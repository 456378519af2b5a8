import { startEmbeddedMongoDB } from '@tierline/embedded-mongodb';
import { credentialsOf, runNode, tlsOf, type NodeOptions } from './node-options.js';

/**
 * Runs the embedded MongoDB node alone, until the signal aborts.
 * @param env MONGODB_USER and MONGODB_PASSWORD
 * @throws NotStarted
 */
export async function runMongoDB(
  options: NodeOptions,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<void> {
  const { dir, port, host } = options;
  const security = { ...tlsOf(options), ...credentialsOf(env, 'MONGODB') };
  await runNode('MongoDB', dir, (directory) => startEmbeddedMongoDB({ directory, port, host, ...security }), signal, print);
}
