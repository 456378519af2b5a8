import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { startEmbeddedMongoDB, type EmbeddedMongoDBOptions } from '#embedded-mongodb';

export interface MongoDBCommandOptions {
  readonly dir: string;
  readonly port: number;
  readonly host: string;
  /** Files with the certificate chain and its private key, PEM. */
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** Why the node does not run; nothing of it is left. */
export class NotStarted extends Error {
  override readonly name = 'NotStarted';
}

/**
 * Runs the embedded MongoDB node alone, until the signal aborts.
 * @param env has the user's name and password, which a command line would show to everybody on the machine
 * @throws NotStarted
 */
export async function runMongoDB(
  options: MongoDBCommandOptions,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<void> {
  const directory = resolve(options.dir);
  const node = await startEmbeddedMongoDB({
    directory,
    port: options.port,
    host: options.host,
    ...tlsOf(options),
    ...credentialsOf(env),
  }).catch((error: Error) => {
    throw new NotStarted(error.message, { cause: error });
  });
  print(`MongoDB  ${node.url}\ndata     ${directory}\nCtrl-C stops it.\n`);
  if (!signal.aborted) await new Promise((stopped) => signal.addEventListener('abort', stopped, { once: true }));
  await node.close();
  print('Stopped.\n');
}

function tlsOf({ tlsCert, tlsKey }: MongoDBCommandOptions): Pick<EmbeddedMongoDBOptions, 'tls'> {
  if (tlsCert === undefined && tlsKey === undefined) return {};
  if (tlsCert === undefined || tlsKey === undefined) throw new NotStarted('--tls-cert and --tls-key belong together');
  return { tls: { cert: contentOf(tlsCert), key: contentOf(tlsKey) } };
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new NotStarted(`${path} cannot be read (${(error as Error).message})`);
  }
}

function credentialsOf({ MONGODB_USER: user, MONGODB_PASSWORD: password }: NodeJS.ProcessEnv): Pick<EmbeddedMongoDBOptions, 'credentials'> {
  if (!user && !password) return {};
  if (!user || !password) throw new NotStarted('MONGODB_USER and MONGODB_PASSWORD belong together');
  return { credentials: { user, password } };
}
