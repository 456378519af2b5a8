import type { Doc } from '../bson/values.js';

/** A command that is under way. */
export type Operation = {
  readonly id: number;
  /** The number of the connection that it came from. */
  readonly connection: number;
  readonly database: string;
  readonly command: Doc;
  /** When it began, as `performance.now()` has it. */
  readonly since: number;
  readonly killed: boolean;
};

/** The commands of all connections that are under way. */
export class Running {
  #last = 0;
  readonly #operations = new Map<number, { -readonly [Field in keyof Operation]: Operation[Field] }>();

  begin(connection: number, database: string, command: Doc): Operation {
    const operation = { id: ++this.#last, connection, database, command, since: performance.now(), killed: false };
    this.#operations.set(operation.id, operation);
    return operation;
  }

  end({ id }: Operation): void {
    this.#operations.delete(id);
  }

  list(): readonly Operation[] {
    return [...this.#operations.values()];
  }

  /** Has it end at its next pause, if it still runs. */
  kill(id: number): void {
    const operation = this.#operations.get(id);
    if (operation) operation.killed = true;
  }
}
