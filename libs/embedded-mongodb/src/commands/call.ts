import { hostname } from 'node:os';
import { Arr, DateTime, Doc, Double, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';
import type { SortSpace } from '../execution/sorting.js';
import { checkVariableName } from '../query/expressions/compile.js';
import { compileExpression, withVariables } from '../query/expressions/expressions.js';
import type { Variables } from '../query/expressions/scope.js';
import type { Store } from '../storage/store.js';
import type { Connection, Verifier } from './credentials.js';
import { Pace, type Cursors } from './cursors.js';
import type { Running } from './running.js';
import { Fields } from './fields.js';

/** The version whose behaviour this node follows. */
export const VERSION = '8.0.0';
/** The most statements or documents in one write command, as on the server. */
export const MAX_BATCH = 100_000;

/** What commands work with: one for the whole node. */
export type Node = {
  readonly store: Store;
  readonly directory: string;
  readonly cursors: Cursors;
  readonly running: Running;
  readonly startedAt: number;
  readonly counters: Map<string, number>;
  readonly ttlMonitorSleepSecs: number;
  /** What a sort may use. */
  readonly space: SortSpace;
  /** The users; if there are none, everyone is served. */
  readonly verifiers: readonly Verifier[];
  /** The port on which it is served. */
  port(): number;
  connections(): { readonly current: number; readonly total: number };
};

/** The name and port that identify a node. */
export const hostOf = (node: Pick<Node, 'port'>): string => `${hostname()}:${node.port()}`;

/** One command on one connection. */
export type Call = {
  readonly node: Node;
  readonly database: string;
  readonly command: Doc;
  readonly connection: Connection;
  /** Whether no one waits for the response any more: the client has gone, or the command was killed. */
  readonly gone: () => boolean;
};

export type Handler = (call: Call) => Doc | Promise<Doc>;
export type Command = {
  /** The fields that it accepts in addition to those of every command; `any` if their names vary. */ readonly fields:
    readonly string[] | 'any';
  /** Whether it is refused in every other database. */ readonly adminOnly?: true;
  readonly run: Handler;
};
export const ok = (fields: Readonly<Record<string, Value | undefined>> = {}): Doc => Doc.from({ ...fields, ok: new Double(1) });
export const withOk = (doc: Doc): Doc => doc.with('ok', new Double(1));

export const fieldsOf = (call: Call): Fields => new Fields(call.command.keys[0] as string, call.command);

export const paceOf = (call: Call): Pace =>
  new Pace(new Fields(call.command.keys[0] as string, call.command).count('maxTimeMS'), call.gone);

export const now = (): DateTime => new DateTime(BigInt(Date.now()));

/** @throws ServerError if the value of a variable depends on a document or on the time */
const checkConstant = (value: Value, name: string): void => {
  if (value instanceof Arr) for (const element of value.values) checkConstant(element, name);
  else if (value instanceof Doc) {
    if (value.firstKey !== '$literal') for (const inner of value.values) checkConstant(inner, name);
  } else if (typeof value === 'string' && value.startsWith('$')) {
    if (value.startsWith('$$NOW')) throw new ServerError(51144, `Builtin variable '$$NOW' is not available in the definition of '${name}'`);
    if (!value.startsWith('$$') || /^\$\$(ROOT|CURRENT)\b/.test(value))
      throw new ServerError(4890500, `Command let Expression tried to access a field, but this is not allowed: ${name}`);
  }
};

/** The variables of a command's `let`. */
export const letOf = (fields: Fields): Variables => {
  const variables: Record<string, Value | undefined> = { NOW: now() };
  const given = fields.document('let');
  const before: string[] = [];
  given?.keys.forEach((key, index) => {
    if (['NOW', 'CLUSTER_TIME', 'JS_SCOPE', 'IS_MR', 'USER_ROLES'].includes(key))
      throw new ServerError(4738901, `Attempt to set internal constant: ${key}`);
    checkVariableName(key);
    const value = given.values[index] as Value;
    checkConstant(value, key);
    const evaluate = withVariables(before, () => compileExpression(value));
    variables[key] = evaluate(Doc.empty, { ...variables, ROOT: Doc.empty, CURRENT: Doc.empty });
    before.push(key);
  });
  return variables;
};
