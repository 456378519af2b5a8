import { Binary, Doc } from '../bson/values.js';
import type { Connection } from './credentials.js';

/** The session of a command, as a string. */
export const sessionOf = (command: Doc): string => {
  const session = command.get('lsid');
  const id = session instanceof Doc ? session.get('id') : undefined;
  return id instanceof Binary ? id.bytes.toString('hex') : '';
};

/** A running command. */
export type Operation = {
  /** An unsigned 32-bit number, as on the server. */
  readonly id: number;
  /** The number of the connection that it came from. */
  readonly connection: number;
  readonly user: string | undefined;
  readonly database: string;
  readonly command: Doc;
  /** When it began, by `performance.now()`. */
  readonly since: number;
  readonly killed: boolean;
};

export type Usage = { readonly time: number; readonly count: number };

/** The kinds of commands that `top` distinguishes. */
const KINDS: Readonly<Record<string, string>> = {
  find: 'queries',
  getMore: 'getmore',
  insert: 'insert',
  update: 'update',
  delete: 'remove',
};
const MOST_NAMESPACES = 10_000;

/** The running commands of all connections. */
export class Running {
  #last = 0;
  readonly #usage = new Map<string, Map<string, Usage>>();
  readonly #operations = new Map<number, { -readonly [Field in keyof Operation]: Operation[Field] }>();

  begin({ id: connection, user }: Connection, database: string, command: Doc): Operation {
    this.#last = (this.#last + 1) >>> 0;
    const operation = { id: this.#last, connection, user: user?.user, database, command, since: performance.now(), killed: false };
    this.#operations.set(operation.id, operation);
    return operation;
  }

  end(operation: Operation): void {
    this.#operations.delete(operation.id);
    this.#count(operation);
  }

  list(): readonly Operation[] {
    return [...this.#operations.values()];
  }

  /** How often and how long, in microseconds, commands of each kind have used each namespace. */
  usage(): ReadonlyMap<string, ReadonlyMap<string, Usage>> {
    return this.#usage;
  }

  #count({ database, command, since }: Operation): void {
    const name = command.firstKey;
    const target = name === 'getMore' ? command.get('collection') : command.values[0];
    if (typeof target !== 'string') return;
    const namespace = `${database}.${target}`;
    const kinds = this.#usage.get(namespace) ?? new Map<string, Usage>();
    this.#usage.set(namespace, kinds);
    const kind = KINDS[name] ?? 'commands';
    const { time, count } = kinds.get(kind) ?? { time: 0, count: 0 };
    kinds.set(kind, { time: time + Math.round((performance.now() - since) * 1000), count: count + 1 });
    if (this.#usage.size > MOST_NAMESPACES) this.#usage.delete(this.#usage.keys().next().value as string);
  }

  /** Makes it end when it next yields, if it is still running. */
  kill(id: number): void {
    const operation = this.#operations.get(id);
    if (operation) operation.killed = true;
  }

  killSessions(isMeant: (session: string, user: string | undefined) => boolean): void {
    for (const operation of this.#operations.values()) {
      const session = sessionOf(operation.command);
      if (session && isMeant(session, operation.user)) operation.killed = true;
    }
  }
}
