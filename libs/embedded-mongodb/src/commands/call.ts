import { DateTime, Doc, Double, type Value } from '../bson/values.js';
import { failedToParse } from '../errors.js';
import type { SortSpace } from '../execution/sorting.js';
import { compileExpression } from '../query/expressions/expressions.js';
import type { Variables } from '../query/expressions/scope.js';
import type { Store } from '../storage/store.js';
import type { Connection, Verifier } from './credentials.js';
import { Pace, type Cursors } from './cursors.js';
import type { Running } from './running.js';
import { Fields } from './fields.js';

/** The version whose behaviour this node follows. */
export const VERSION = '8.0.0';
/** Statements or documents in one write command, as on the server. */
export const MAX_BATCH = 100_000;

/** What the commands work with: one for the whole node. */
export type Node = {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly running: Running;
  readonly startedAt: number;
  readonly counters: Map<string, number>;
  readonly ttlMonitorSleepSecs: number;
  /** What a sort may use. */
  readonly space: SortSpace;
  /** Who may sign in; where there is none, everybody is served. */
  readonly verifiers: readonly Verifier[];
  connections(): { readonly current: number; readonly total: number };
};

/** One command of one connection. */
export type Call = {
  readonly node: Node;
  readonly database: string;
  readonly command: Doc;
  readonly connection: Connection;
  /** Whether nobody waits for the answer any more: the client has gone, or the command was killed. */
  readonly gone: () => boolean;
};

export type Handler = (call: Call) => Doc | Promise<Doc>;
export type Command = {
  /** The fields that it knows, besides those of every command; `any` where it asks by names that differ. */ readonly fields:
    readonly string[] | 'any';
  readonly run: Handler;
};
export const ok = (fields: Readonly<Record<string, Value | undefined>> = {}): Doc => Doc.from({ ...fields, ok: new Double(1) });
export const withOk = (doc: Doc): Doc => doc.with('ok', new Double(1));

export const fieldsOf = (call: Call): Fields => new Fields(call.command.keys[0] as string, call.command);

export const paceOf = (call: Call): Pace =>
  new Pace(new Fields(call.command.keys[0] as string, call.command).count('maxTimeMS'), call.gone);

export const now = (): DateTime => new DateTime(BigInt(Date.now()));

/** The variables of a command's `let`. */
export const letOf = (fields: Fields): Variables => {
  const variables: Record<string, Value | undefined> = { NOW: now() };
  const given = fields.document('let');
  given?.keys.forEach((key, index) => {
    if (!/^[a-z]\w*$/.test(key)) throw failedToParse(`'${key}' starts with an invalid character for a user variable name`);
    variables[key] = compileExpression(given.values[index] as Value)(Doc.empty, { ...variables, ROOT: Doc.empty, CURRENT: Doc.empty });
  });
  return variables;
};
