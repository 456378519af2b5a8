import { Arr, Doc, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';
import { candidates, noCounters, type Counters, type Hint } from '../execution/planner.js';
import { PAUSE } from '../execution/source.js';
import { INTERRUPTED, withinTurn } from '../query/budget.js';
import type { Collation } from '../query/collation.js';
import type { Variables } from '../query/expressions/scope.js';
import { compileFilter, type Filter } from '../query/filter.js';
import type { KeyField } from '../query/keys.js';
import { applyUpdate, toInsert, upserted, type Update } from '../query/update.js';
import type { Collection, Writer } from '../storage/store.js';
import { MAX_BATCH, type Node } from './call.js';
import { drain, type Pace } from './cursors.js';
import { checkCollectionUuid, collectionOf, existing, newCollection, noView } from './namespaces.js';
import { findSource, matching, scopeOf } from './reading.js';
import { validate } from './validation.js';

/** The result of one statement of a write. */
export type Outcome = {
  /** Documents inserted, matched or removed. */
  readonly n: number;
  readonly modified?: number;
  /** The _id of the document created by an upsert. */
  readonly upserted?: Value | undefined;
  /** What ended a statement for many documents early; its changes so far stay. */
  readonly error?: ServerError;
};

/** One statement of a write. */
export type Statement = {
  /** Runs it in a transaction, or returns SEARCH_FIRST if that would block others. */
  readonly run: (writer: Writer) => Outcome | typeof SEARCH_FIRST;
  /** Runs it if the transaction did not: searches first, and yields meanwhile. */
  readonly search?: () => Promise<Outcome>;
};

/** A statement has read too many documents in searching for matches. */
export const SEARCH_FIRST = Symbol('search first');

/** Milliseconds of work that one command puts into one transaction; the rest goes into the next one. */
const SLICE_MS = 20;

/** Codes of errors that end the command itself: its time limit, its client's disconnecting, the node's stopping. */
const interruptions = new Set([50, 91, 11601]);

/** A statement that is parsed when its turn comes: a parse error is an error of that statement. */
export const deferred = (read: () => Statement): Statement => {
  let statement: Statement | undefined;
  return {
    run: (writer) => (statement ??= read()).run(writer),
    search: async () => {
      const { search } = (statement ??= read());
      if (!search) throw new Error('a statement that needs no search');
      return search();
    },
  };
};

const refusalOf = (error: unknown): ServerError => {
  if (!(error instanceof ServerError) || interruptions.has(error.code)) throw error;
  return error;
};

const failed = (outcome: Outcome | ServerError): boolean => outcome instanceof ServerError || outcome.error !== undefined;

/**
 * Runs statements one after the other: in one transaction if they are fast, otherwise in several, between which others run.
 *
 * @returns the result of each; ordered ones end with the first failure
 */
export const runStatements = async (
  node: Node,
  pace: Pace,
  statements: readonly Statement[],
  ordered: boolean,
): Promise<readonly (Outcome | ServerError)[]> => {
  const outcomes: (Outcome | ServerError)[] = [];
  const done = (): boolean => outcomes.length === statements.length || (ordered && outcomes.some(failed));
  while (!done()) {
    pace.check();
    const rest = await node.store.write((writer) => pace.run(() => runSlice(writer, statements, outcomes.length, ordered)));
    outcomes.push(...rest.outcomes);
    if (!rest.searching || done()) continue;
    const { search } = statements[outcomes.length] as Statement;
    outcomes.push(await (search as NonNullable<typeof search>)().catch(refusalOf));
  }
  return outcomes;
};

/** Runs statements in a transaction until its time is up, one fails, or one has to search first. */
const runSlice = (
  writer: Writer,
  statements: readonly Statement[],
  from: number,
  ordered: boolean,
): { readonly outcomes: readonly (Outcome | ServerError)[]; readonly searching: boolean } => {
  const outcomes: (Outcome | ServerError)[] = [];
  const end = performance.now() + SLICE_MS;
  for (let at = from; at < statements.length; at++) {
    let outcome: Outcome | ServerError | typeof SEARCH_FIRST;
    try {
      outcome = (statements[at] as Statement).run(writer);
    } catch (error) {
      outcome = refusalOf(error);
    }
    if (outcome === SEARCH_FIRST) return { outcomes, searching: true };
    outcomes.push(outcome);
    if ((ordered && failed(outcome)) || performance.now() > end) break;
  }
  return { outcomes, searching: false };
};

/** Errors as elements of `writeErrors`, with additional fields. */
export const writeErrors = (outcomes: readonly (Outcome | ServerError)[]): Value | undefined => {
  const errors = outcomes.flatMap((outcome, index) => {
    const error = outcome instanceof ServerError ? outcome : outcome.error;
    if (!error) return [];
    const { keyPattern, keyValue, errInfo } = error.details as { keyPattern?: Value; keyValue?: Value; errInfo?: Value };
    return [Doc.from({ index, code: error.code, keyPattern, keyValue, errInfo, errmsg: error.message })];
  });
  return errors.length ? Arr.of(errors) : undefined;
};

export const sumOf = (outcomes: readonly (Outcome | ServerError)[], count: (outcome: Outcome) => number): number =>
  outcomes.reduce((sum, outcome) => (outcome instanceof ServerError ? sum : sum + count(outcome)), 0);

/** The collection of a write; created if it does not exist. */
export const forWriting = (writer: Writer, database: string, name: string): Collection =>
  noView(collectionOf(writer, database, name)) ?? newCollection(writer, database, name);

export const checkBatch = (size: number): void => {
  if (size < 1 || size > MAX_BATCH)
    throw new ServerError(16, `Write batch sizes must be between 1 and ${MAX_BATCH}. Got ${size} operations.`);
};

/** Where a statement writes. */
export type Target = {
  readonly node: Node;
  readonly pace: Pace;
  readonly database: string;
  readonly name: string;
  readonly bypassed: boolean;
  /** The UUID by which the client refers to the collection. */
  readonly uuid?: Buffer | undefined;
};

/** Prevents a statement from writing to a collection other than the one that the client means. */
export const guarded = ({ database, name, uuid }: Target, statement: Statement): Statement =>
  uuid
    ? {
        ...statement,
        run: (writer) => {
          checkCollectionUuid(writer, database, name, uuid);
          return statement.run(writer);
        },
      }
    : statement;

export const insertStatement = ({ database, name, bypassed }: Target, doc: Doc): Statement => ({
  run: (writer) => {
    const collection = forWriting(writer, database, name);
    const whole = toInsert(doc);
    validate(collection, whole, bypassed);
    writer.insert(collection, whole);
    return { n: 1 };
  },
});

/** The targets of a statement: all matching documents, or the first one. */
export type Selection = {
  readonly filter: Filter;
  readonly multi: boolean;
  readonly hint: Hint;
  readonly sort: readonly KeyField[];
  readonly variables: Variables;
  readonly collation: Collation | undefined;
};

/** What to do with the documents of a selection, or if there are none. */
type Action = {
  /** Changes one document; returns whether that changed anything. */
  readonly change: (writer: Writer, collection: Collection, doc: Doc) => boolean;
  readonly upsert?: (writer: Writer, collection: Collection | undefined) => Value;
};

/** How often a found document may change before it is read again in a transaction. */
const ATTEMPTS = 100;

/** A statement that changes the documents it finds. */
export const changing = (target: Target, selection: Selection, action: Action): Statement & { search(): Promise<Outcome> } => ({
  run: (writer) => {
    const found = foundQuickly(writer, target, selection);
    return found === SEARCH_FIRST ? found : changeAll(writer, target, found, action, action.upsert);
  },
  search: async () => {
    for (let attempt = 1; ; attempt++) {
      const ids = await idsOf(target, selection);
      const outcome = await changeByIds(target, selection, ids, action);
      if (outcome.n || outcome.error) return outcome;
      if (!ids.length && action.upsert)
        return target.node.store.write((writer) =>
          target.pace.run(() => {
            // Another command may have created it meanwhile.
            const found = foundQuickly(writer, target, selection, noCounters());
            return changeAll(writer, target, found === SEARCH_FIRST ? [] : found, action, action.upsert);
          }),
        );
      // A document changed by others meanwhile may no longer match, and another one may.
      if (!ids.length || selection.multi || attempt === ATTEMPTS) return outcome;
    }
  },
});

const plus = (total: Outcome, more: Outcome): Outcome => ({
  ...more,
  n: total.n + more.n,
  modified: (total.modified ?? 0) + (more.modified ?? 0),
});

/** Changes the found documents, in as many transactions as needed; each must still match. */
const changeByIds = async (target: Target, { filter }: Selection, ids: readonly Value[], action: Action): Promise<Outcome> => {
  const test = compileFilter(filter);
  let total: Outcome = { n: 0, modified: 0 };
  for (let from = 0; from < ids.length && !total.error;) {
    target.pace.check();
    const part = await target.node.store.write((writer) => {
      const end = performance.now() + SLICE_MS;
      let done: Outcome = { n: 0, modified: 0 };
      let at = from;
      for (; at < ids.length && !done.error && performance.now() < end; at++) {
        const collection = noView(collectionOf(writer, target.database, target.name));
        const byId: Filter = { op: 'compare', path: '_id', relation: 'eq', operand: ids[at] as Value };
        const doc = collection && matching(writer, collection, byId, noCounters()).next().value;
        if (!doc || !test(doc)) continue;
        try {
          done = plus(done, changeAll(writer, target, [doc], action));
        } catch (error) {
          done = { ...done, error: refusalOf(error) };
        }
      }
      return { done, at };
    });
    total = plus(total, part.done);
    from = part.at;
  }
  return total;
};

/** The documents of a selection, if finding them takes reading only a few. */
const foundQuickly = (
  writer: Writer,
  { node, database, name }: Target,
  { filter, multi, hint, sort, variables, collation }: Selection,
  counters?: Counters,
): readonly Doc[] | typeof SEARCH_FIRST => {
  const found: Doc[] = [];
  const collection = noView(collectionOf(writer, database, name));
  if (!collection) return found;
  if (sort.length) {
    const first = { filter, sort, skip: 0, limit: 1, projection: undefined, variables, hint, ...(counters && { counters }) };
    const scope = scopeOf({ node, database }, writer, collation);
    for (const row of findSource(scope, name, first)) {
      if (row === PAUSE) return SEARCH_FIRST;
      found.push(row);
    }
    return found;
  }
  const test = compileFilter(filter);
  for (const row of candidates(writer, collection, filter, hint, counters)) {
    if (row === PAUSE) return SEARCH_FIRST;
    const matches = withinTurn(() => test(row));
    if (matches === INTERRUPTED) return SEARCH_FIRST;
    if (!matches) continue;
    found.push(row);
    if (!multi) break;
  }
  return found;
};

/**
 * The _ids of all matches, or of the first one: by the same query as `foundQuickly`, or by the node's own. Documents that match only later
 * are left alone, as on the server.
 */
const idsOf = async (
  { node, pace, database, name }: Target,
  { filter, multi, hint, sort, variables, collation }: Selection,
): Promise<readonly Value[]> => {
  const snapshot = node.store.snapshot();
  try {
    if (!noView(collectionOf(snapshot, database, name))) return [];
    const ids: Value[] = [];
    const limit = multi ? 0 : 1;
    await drain(
      findSource(scopeOf({ node, database }, snapshot, collation), name, {
        filter,
        sort,
        skip: 0,
        limit,
        projection: undefined,
        variables,
        hint,
        counters: noCounters(),
      }),
      pace,
      (doc) => ids.push(doc.get('_id') as Value),
    );
    return ids;
  } finally {
    snapshot.close();
  }
};

const changeAll = (
  writer: Writer,
  { database, name }: Target,
  found: readonly Doc[],
  { change }: Action,
  upsert?: Action['upsert'],
): Outcome => {
  let modified = 0;
  let n = 0;
  for (const doc of found) {
    try {
      if (change(writer, existing(writer, database, name), doc)) modified++;
      n++;
    } catch (error) {
      if (found.length === 1) throw error;
      return { n, modified, error: refusalOf(error) };
    }
  }
  if (n || !upsert) return { n, modified };
  return { n: 0, modified: 0, upserted: upsert(writer, noView(collectionOf(writer, database, name))) };
};

export const updateStatement = (
  target: Target,
  selection: Selection,
  { update, replacement, upsert }: { readonly update: Update; readonly replacement: boolean; readonly upsert: boolean },
): Statement => {
  const { database, name, bypassed } = target;
  const context = { filter: selection.filter, now: Date.now() };
  return changing(target, selection, {
    change: (writer, collection, doc) => {
      const after = applyUpdate(update, doc, { ...context, inserting: false });
      if (after === doc) return false;
      validate(collection, after, bypassed, doc);
      writer.replace(collection, doc, after);
      return true;
    },
    ...(upsert && {
      upsert: (writer, collection) => {
        const doc = upserted(update, replacement, { ...context, inserting: true });
        const made = collection ?? newCollection(writer, database, name);
        validate(made, doc, bypassed);
        writer.insert(made, doc);
        return doc.get('_id') as Value;
      },
    }),
  });
};

export const deleteStatement = (target: Target, selection: Selection): Statement & { search(): Promise<Outcome> } =>
  changing(target, selection, {
    change: (writer, collection, doc) => {
      writer.remove(collection, doc);
      return true;
    },
  });
