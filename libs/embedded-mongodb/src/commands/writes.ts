import { isNumber, isTrue, numberOf } from '../bson/order.js';
import { Arr, Doc, show, type Value } from '../bson/values.js';
import { failedToParse, ServerError } from '../errors.js';
import { withCollation } from '../query/collation.js';
import type { Variables } from '../query/expressions/scope.js';
import { parseFilter } from '../query/filter.js';
import { parseSort } from '../query/sort-order.js';
import { compileProjection } from '../query/transformations.js';
import { applyUpdate, compileUpdate, isReplacement, upserted } from '../query/update.js';
import { fieldsOf, letOf, ok, paceOf, type Call, type Command, type Handler } from './call.js';
import { Fields } from './fields.js';
import { collationFor, newCollection, target } from './namespaces.js';
import { hintOf } from './reading.js';
import { bypass, validate } from './validation.js';
import {
  changing,
  checkBatch,
  deferred,
  deleteStatement,
  guarded,
  insertStatement,
  runStatements,
  sumOf,
  updateStatement,
  writeErrors,
  type Outcome,
  type Statement,
  type Target,
} from './write-statements.js';

/** Whether a client wants no response to its write, as requested by `w: 0`. */
const isUnacknowledged = ({ command }: Call): boolean => {
  const concern = command.get('writeConcern');
  if (!(concern instanceof Doc)) return false;
  const w = concern.get('w');
  return isNumber(w) && numberOf(w) === 0 && !isTrue(concern.get('j')) && !isTrue(concern.get('fsync'));
};

/** Where a command writes. */
const targetOf = (call: Call, name: string, fields: Fields): Target => ({
  node: call.node,
  pace: paceOf(call),
  database: call.database,
  name,
  bypassed: bypass(fields),
  uuid: fields.uuid('collectionUUID'),
});

const insert: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  const documents = fields.need(fields.documents('documents'), 'documents');
  checkBatch(documents.length);
  const where = targetOf(call, name, fields);
  const statements = documents.map((doc) => guarded(where, insertStatement(where, doc)));
  const outcomes = await runStatements(call.node, where.pace, statements, fields.boolean('ordered', true));
  return isUnacknowledged(call) ? ok({ n: 0 }) : ok({ n: sumOf(outcomes, ({ n }) => n), writeErrors: writeErrors(outcomes) });
};

/** What a statement of an update may contain. */
const UPDATE_FIELDS = ['q', 'u', 'c', 'upsert', 'multi', 'collation', 'arrayFilters', 'hint', 'sort', 'sampleId', 'upsertSupplied'];
const DELETE_FIELDS = ['q', 'limit', 'collation', 'hint', 'sampleId'];

/** Parses a statement of an update. Updates that differ only in their values are compiled one by one, which is cheap: no text is parsed. */
export const readUpdate = (where: Target, fields: Fields, variables: Variables): Statement => {
  const collation = collationFor(where, where.name, fields);
  const constants = fields.document('c');
  const bound: Record<string, Value | undefined> = { ...variables };
  constants?.keys.forEach((key, index) => (bound[key] = constants.values[index]));
  const spec = fields.need(fields.doc.get('u'), 'u');
  if (constants && !(spec instanceof Arr)) throw new ServerError(51198, 'Constant values may only be specified for pipeline updates');
  const multi = fields.boolean('multi');
  const sort = fields.document('sort');
  if (sort && multi) throw failedToParse('Cannot specify sort with multi=true');
  return withCollation(collation, () =>
    updateStatement(
      where,
      {
        filter: parseFilter(fields.need(fields.document('q'), 'q'), bound),
        multi,
        hint: hintOf(fields),
        sort: sort ? parseSort(sort) : [],
        variables: bound,
        collation,
      },
      {
        update: compileUpdate(spec, { arrayFilters: fields.documents('arrayFilters') ?? [], multi, variables: bound }),
        replacement: isReplacement(spec),
        upsert: fields.boolean('upsert'),
      },
    ),
  );
};

export const readDelete = (where: Target, fields: Fields, multi: boolean, variables: Variables): Statement => {
  const collation = collationFor(where, where.name, fields);
  const filter = withCollation(collation, () => parseFilter(fields.need(fields.document('q'), 'q'), variables));
  return deleteStatement(where, { filter, multi, hint: hintOf(fields), sort: [], variables, collation });
};

const update: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  const specs = fields.need(fields.documents('updates'), 'updates');
  checkBatch(specs.length);
  const variables = letOf(fields);
  const where = targetOf(call, name, fields);
  const statements = specs.map((spec) => {
    const part = new Fields('update.updates', spec).only(UPDATE_FIELDS);
    part.need(part.document('q'), 'q');
    part.need(spec.get('u'), 'u');
    return guarded(
      where,
      deferred(() => readUpdate(where, part, variables)),
    );
  });
  const outcomes = await runStatements(call.node, where.pace, statements, fields.boolean('ordered', true));
  if (isUnacknowledged(call)) return ok({ n: 0, nModified: 0 });
  const upserts = outcomes.flatMap((outcome, index) =>
    outcome instanceof ServerError || outcome.upserted === undefined ? [] : [Doc.from({ index, _id: outcome.upserted })],
  );
  return ok({
    n: sumOf(outcomes, ({ n }) => n) + upserts.length,
    nModified: sumOf(outcomes, ({ modified = 0 }) => modified),
    upserted: upserts.length ? Arr.of(upserts) : undefined,
    writeErrors: writeErrors(outcomes),
  });
};

const remove: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  const specs = fields.need(fields.documents('deletes'), 'deletes');
  checkBatch(specs.length);
  const variables = letOf(fields);
  const where = targetOf(call, name, fields);
  const statements = specs.map((spec) => {
    const part = new Fields('delete.deletes', spec).only(DELETE_FIELDS);
    part.need(part.document('q'), 'q');
    const limit = numberOf(part.need(spec.get('limit'), 'limit'));
    if (limit !== 0 && limit !== 1) throw failedToParse(`The limit field in delete objects must be 0 or 1. Got ${show(spec.get('limit'))}`);
    return guarded(
      where,
      deferred(() => readDelete(where, part, limit === 0, variables)),
    );
  });
  const outcomes = await runStatements(call.node, where.pace, statements, fields.boolean('ordered', true));
  return isUnacknowledged(call) ? ok({ n: 0 }) : ok({ n: sumOf(outcomes, ({ n }) => n), writeErrors: writeErrors(outcomes) });
};

const findAndModify: Handler = async (call) => {
  const { node, database } = call;
  const name = target(call);
  const fields = fieldsOf(call);
  const collation = collationFor(call, name, fields);
  const removing = fields.boolean('remove');
  const spec = call.command.get('update');
  const upsert = fields.boolean('upsert');
  const wantsNew = fields.boolean('new');
  if (removing && spec !== undefined) throw failedToParse('Cannot specify both an update and remove=true');
  if (removing && upsert) throw failedToParse('Cannot specify both upsert=true and remove=true ');
  if (removing && wantsNew)
    throw failedToParse("Cannot specify both new=true and remove=true; 'remove' always returns the deleted document");
  if (!removing && spec === undefined) throw failedToParse('Either an update or remove=true must be specified');
  const variables = letOf(fields);
  const { filter, sort, project, update_ } = withCollation(collation, () => {
    const query = parseFilter(fields.document('query') ?? Doc.empty, variables);
    const projection = fields.document('fields');
    return {
      filter: query,
      sort: parseSort(fields.document('sort') ?? Doc.empty),
      project: projection?.size ? compileProjection(projection, { filter: query, variables }) : undefined,
      update_: removing ? undefined : compileUpdate(spec as Value, { arrayFilters: fields.documents('arrayFilters') ?? [], variables }),
    };
  });
  const bypassed = bypass(fields);
  const hint = hintOf(fields);
  const context = { filter, now: Date.now() };
  const seen: { before?: Doc; after?: Doc | undefined; fresh?: Doc } = {};
  const pace = paceOf(call);
  const statement = changing(
    { node, pace, database, name, bypassed },
    { filter, multi: false, hint, sort, variables, collation },
    {
      change: (writer, collection, doc) => {
        const after = update_ && applyUpdate(update_, doc, { ...context, inserting: false });
        Object.assign(seen, { before: doc, after });
        if (!after) writer.remove(collection, doc);
        else if (after !== doc) {
          validate(collection, after, bypassed, doc);
          writer.replace(collection, doc, after);
        }
        return after !== doc;
      },
      ...(update_ &&
        upsert && {
          upsert: (writer, collection) => {
            const fresh = upserted(update_, isReplacement(spec as Value), { ...context, inserting: true });
            const made = collection ?? newCollection(writer, database, name);
            validate(made, fresh, bypassed);
            writer.insert(made, fresh);
            seen.fresh = fresh;
            return fresh.get('_id') as Value;
          },
        }),
    },
  );
  const [outcome] = await runStatements(node, pace, [statement], true);
  const error = outcome instanceof ServerError ? outcome : outcome?.error;
  if (error) throw error;
  // Documents that had changed before their turn do not count.
  const { n = 0 } = outcome as Outcome;
  const shown = (doc: Doc | undefined): Value => (doc ? (project ? project(doc, variables) : doc) : null);
  if (!update_) return ok({ lastErrorObject: Doc.from({ n }), value: shown(n ? seen.before : undefined) });
  if (n) return ok({ lastErrorObject: Doc.from({ n, updatedExisting: true }), value: shown(wantsNew ? seen.after : seen.before) });
  if (!seen.fresh) return ok({ lastErrorObject: Doc.from({ n: 0, updatedExisting: false }), value: null });
  return ok({
    lastErrorObject: Doc.from({ n: 1, updatedExisting: false, upserted: seen.fresh.get('_id') }),
    value: wantsNew ? shown(seen.fresh) : null,
  });
};

export const writeCommands: Readonly<Record<string, Command>> = {
  insert: { fields: ['documents', 'ordered', 'bypassDocumentValidation', 'collectionUUID'], run: insert },
  update: { fields: ['updates', 'ordered', 'bypassDocumentValidation', 'let', 'collectionUUID'], run: update },
  delete: { fields: ['deletes', 'ordered', 'let', 'collectionUUID'], run: remove },
  findAndModify: {
    fields: [
      'query',
      'sort',
      'remove',
      'update',
      'new',
      'fields',
      'upsert',
      'bypassDocumentValidation',
      'collation',
      'arrayFilters',
      'hint',
      'let',
    ],
    run: findAndModify,
  },
};
