import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** Options common to the commands that run an embedded node alone. */
export interface NodeOptions {
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

interface Node {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts a node, prints how to reach it, and stops it when the signal aborts.
 * @throws NotStarted
 */
export async function runNode(
  what: string,
  dir: string,
  start: (directory: string) => Promise<Node>,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<void> {
  const directory = resolve(dir);
  const node = await start(directory).catch((error: Error) => {
    throw new NotStarted(error.message, { cause: error });
  });
  print(`${what}  ${node.url}\n${'data'.padEnd(what.length)}  ${directory}\nCtrl-C stops it.\n`);
  if (!signal.aborted) await new Promise((stopped) => signal.addEventListener('abort', stopped, { once: true }));
  await node.close();
  print('Stopped.\n');
}

/** @throws NotStarted */
export function tlsOf({ tlsCert, tlsKey }: NodeOptions): { readonly tls?: { readonly cert: string; readonly key: string } } {
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

/**
 * The user from the environment: a command line would show the password to everyone on the machine.
 * @throws NotStarted
 */
export function credentialsOf(
  env: NodeJS.ProcessEnv,
  prefix: string,
): { readonly credentials?: { readonly user: string; readonly password: string } } {
  const [user, password] = [env[`${prefix}_USER`], env[`${prefix}_PASSWORD`]];
  if (!user && !password) return {};
  if (!user || !password) throw new NotStarted(`${prefix}_USER and ${prefix}_PASSWORD belong together`);
  return { credentials: { user, password } };
}
