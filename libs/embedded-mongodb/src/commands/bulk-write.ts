import { Arr, Doc, Double, show, type Value } from '../bson/values.js';
import { isNumber, numberOf } from '../bson/order.js';
import { badValue, failedToParse, ServerError } from '../errors.js';
import type { Variables } from '../query/expressions/scope.js';
import { answerWithCursor, cursorBatch, listed } from './cursor-commands.js';
import { fieldsOf, letOf, paceOf, type Call, type Command, type Handler } from './call.js';
import type { Pace } from './cursors.js';
import { Fields, typeError } from './fields.js';
import { partsOfNamespace } from './namespaces.js';
import { hintOf } from './reading.js';
import { bypass } from './validation.js';
import { readDelete, readUpdate } from './writes.js';
import {
  checkBatch,
  deferred,
  guarded,
  insertStatement,
  runStatements,
  sumOf,
  type Outcome,
  type Statement,
  type Target,
} from './write-statements.js';

const INSERT_FIELDS = ['insert', 'document'];
const UPDATE_FIELDS = [
  'update',
  'filter',
  'updateMods',
  'constants',
  'multi',
  'upsert',
  'upsertSupplied',
  'arrayFilters',
  'hint',
  'collation',
  'sort',
  'sampleId',
];
const DELETE_FIELDS = ['delete', 'filter', 'multi', 'hint', 'collation', 'sampleId'];

type Kind = 'insert' | 'update' | 'delete';
type Operation = { readonly kind: Kind; readonly statement: Statement };

/** The names of a statement's fields in `update` and `delete`, by their names here. */
const RENAMED: Readonly<Record<string, string>> = { filter: 'q', updateMods: 'u', constants: 'c' };

const renamed = (op: Doc): Fields =>
  new Fields(
    'bulkWrite.ops',
    Doc.of(
      op.keys.map((key) => RENAMED[key] ?? key),
      op.values,
    ),
  );

const readOperation = (op: Doc, targets: readonly Target[], variables: Variables): Operation => {
  const kind = op.firstKey as Kind;
  if (!['insert', 'update', 'delete'].includes(kind))
    throw new ServerError(40415, `BSON field 'bulkWrite.ops.${kind}' is an unknown field.`);
  const fields = new Fields('bulkWrite.ops', op);
  const number = fields.need(op.values[0] ?? undefined, kind);
  if (!isNumber(number)) throw typeError(`bulkWrite.ops.${kind}`, number, 'int');
  const where = targets[numberOf(number)];
  if (!where) throw badValue(`BulkWrite ops entry ${show(number)} has an invalid nsInfo index.`);
  // A wrong type is an error of the whole command; nothing is done.
  for (const key of ['constants', 'collation']) fields.document(key);
  for (const key of ['multi', 'upsert']) fields.flag(key);
  fields.documents('arrayFilters');
  hintOf(fields);
  return { kind, statement: guarded(where, readStatement(kind, fields, where, variables)) };
};

const readStatement = (kind: Kind, fields: Fields, where: Target, variables: Variables): Statement => {
  switch (kind) {
    case 'insert':
      return insertStatement(where, fields.only(INSERT_FIELDS).need(fields.document('document'), 'document'));
    case 'update': {
      fields.only(UPDATE_FIELDS).need(fields.document('filter'), 'filter');
      const mods = fields.need(fields.doc.get('updateMods'), 'updateMods');
      if (!(mods instanceof Doc || mods instanceof Arr)) throw failedToParse('Update argument must be either an object or an array');
      return deferred(() => readUpdate(where, renamed(fields.doc), variables));
    }
    case 'delete':
      fields.only(DELETE_FIELDS).need(fields.document('filter'), 'filter');
      return deferred(() => readDelete(where, renamed(fields.doc), fields.boolean('multi'), variables));
  }
};

const readTargets = ({ node }: Call, pace: Pace, namespaces: readonly Doc[], bypassed: boolean): readonly Target[] =>
  namespaces.map((info) => {
    const fields = new Fields('bulkWrite.nsInfo', info).only(['ns', 'collectionUUID', 'encryptionInformation']);
    fields.refuse('encryptionInformation');
    const uuid = fields.uuid('collectionUUID');
    const namespace = fields.need(fields.string('ns'), 'ns');
    const [database, name] = partsOfNamespace(namespace);
    return { node, pace, database, name, bypassed, uuid };
  });

/** One operation's line in the result. */
const lineOf = ({ kind }: Operation, outcome: Outcome | ServerError, idx: number): Doc => {
  const done: Outcome = outcome instanceof ServerError ? { n: 0 } : outcome;
  const counts = {
    n: done.n + (done.upserted === undefined ? 0 : 1),
    nModified: kind === 'update' ? (done.modified ?? 0) : undefined,
  };
  const error = outcome instanceof ServerError ? outcome : outcome.error;
  if (!error)
    return Doc.from({
      ok: new Double(1),
      idx,
      ...counts,
      upserted: done.upserted === undefined ? undefined : Doc.from({ _id: done.upserted }),
    });
  const { keyPattern, keyValue, errInfo } = error.details as { keyPattern?: Value; keyValue?: Value; errInfo?: Value };
  return Doc.from({ ok: new Double(0), idx, code: error.code, errmsg: error.message, keyPattern, keyValue, errInfo, ...counts });
};

/** Writes to several collections, in several databases, in one command: since MongoDB 8. */
const bulkWrite: Handler = async (call) => {
  const fields = fieldsOf(call);
  const specs = fields.need(fields.documents('ops'), 'ops');
  checkBatch(specs.length);
  const pace = paceOf(call);
  const targets = readTargets(call, pace, fields.need(fields.documents('nsInfo'), 'nsInfo'), bypass(fields));
  const variables = letOf(fields);
  const operations = specs.map((op) => readOperation(op, targets, variables));
  const outcomes = await runStatements(
    call.node,
    pace,
    operations.map(({ statement }) => statement),
    fields.flag('ordered', true),
  );
  const of = (kind: Kind, count: (outcome: Outcome) => number): number =>
    sumOf(
      outcomes.filter((_, index) => operations[index]?.kind === kind),
      count,
    );
  const lines = outcomes.map((outcome, index) => lineOf(operations[index] as Operation, outcome, index));
  const errors = lines.filter((line) => line.has('code'));
  const shown = fields.flag('errorsOnly') ? errors : lines;
  const reply = await answerWithCursor(
    call,
    'admin.$cmd.bulkWrite',
    { close: () => undefined },
    listed(shown),
    cursorBatch(fields.document('cursor'), 'bulkWrite', Infinity),
    false,
  );
  const { cursor, ...rest } = { cursor: reply.get('cursor'), ok: reply.get('ok') };
  return Doc.from({
    cursor,
    nErrors: errors.length,
    nInserted: of('insert', ({ n }) => n),
    nMatched: of('update', ({ n }) => n),
    nModified: of('update', ({ modified = 0 }) => modified),
    nUpserted: of('update', ({ upserted }) => (upserted === undefined ? 0 : 1)),
    nDeleted: of('delete', ({ n }) => n),
    ...rest,
  });
};

export const bulkWriteCommands: Readonly<Record<string, Command>> = {
  bulkWrite: {
    fields: ['ops', 'nsInfo', 'ordered', 'errorsOnly', 'bypassDocumentValidation', 'let', 'cursor', 'stmtId', 'stmtIds'],
    adminOnly: true,
    run: bulkWrite,
  },
};
