import { isTrue, numberOf } from '../bson/order.js';
import { Arr, Doc, show, type Value } from '../bson/values.js';
import { failedToParse, ServerError } from '../errors.js';
import type { Variables } from '../query/expressions/scope.js';
import { parseFilter } from '../query/filter.js';
import { parseSort } from '../query/sort-order.js';
import { compileProjection } from '../query/transformations.js';
import { applyUpdate, compileUpdate, isReplacement, toInsert, upserted } from '../query/update.js';
import { fieldsOf, letOf, ok, paceOf, type Call, type Command, type Handler } from './call.js';
import { Fields } from './fields.js';
import { collectionOf, existing, newCollection, noView, target } from './namespaces.js';
import { findSource, hintOf, matching, rows } from './reading.js';
import { bypass, validate } from './validation.js';
import {
  affected,
  checkBatch,
  forWriting,
  parseUpdate,
  portions,
  removeMatching,
  runUpdate,
  single,
  UPDATE_FIELDS,
  writeError,
} from './write-statements.js';

const insert: Handler = async (call) => {
  const { node, database } = call;
  const name = target(call);
  const fields = fieldsOf(call);
  const documents = fields.need(fields.documents('documents'), 'documents');
  const ordered = call.command.get('ordered') !== false;
  const bypassed = bypass(fields);
  checkBatch(documents.length);
  return node.store.write((writer) => {
    const errors: Doc[] = [];
    let inserted = 0;
    forWriting(writer, database, name);
    for (const [index, doc] of documents.entries()) {
      try {
        const collection = existing(writer, database, name);
        const whole = toInsert(doc);
        validate(collection, whole, bypassed);
        writer.insert(collection, whole);
        inserted++;
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        errors.push(writeError(index, error));
        if (ordered) break;
      }
    }
    return ok({ n: inserted, writeErrors: errors.length ? Arr.of(errors) : undefined });
  });
};

/** One statement that updates all that match: found first, then changed in portions. */
const updateMany = async (call: Call, name: string, statement: Doc, variables: Variables, bypassed: boolean): Promise<Doc> => {
  let matched = 0;
  let modified = 0;
  let writeErrors: Value | undefined;
  try {
    const parsed = parseUpdate(statement, 'update.updates', variables);
    for (const ids of portions(await affected(call.node, call.database, name, parsed.filter, variables, parsed.hint, paceOf(call)))) {
      const result = await call.node.store.write((writer) =>
        runUpdate(writer, call.database, name, { ...parsed, hint: undefined }, bypassed, Date.now(), ids),
      );
      matched += result.matched;
      modified += result.modified;
      if (result.error) throw result.error;
    }
  } catch (error) {
    writeErrors = single(error);
  }
  return ok({ n: matched, nModified: modified, writeErrors });
};

const deleteMany = async (call: Call, name: string, part: Fields, variables: Variables): Promise<Doc> => {
  let removed = 0;
  let writeErrors: Value | undefined;
  try {
    part.noCollation();
    const filter = parseFilter(part.need(part.document('q'), 'q'), variables);
    for await (const count_ of removeMatching(call.node, call.database, name, filter, hintOf(part), paceOf(call), variables))
      removed += count_;
  } catch (error) {
    writeErrors = single(error);
  }
  return ok({ n: removed, writeErrors });
};

const update: Handler = async (call) => {
  const { node, database } = call;
  const name = target(call);
  const fields = fieldsOf(call);
  const statements = fields.need(fields.documents('updates'), 'updates');
  const ordered = call.command.get('ordered') !== false;
  const variables = letOf(fields);
  const bypassed = bypass(fields);
  checkBatch(statements.length);
  for (const statement of statements) {
    const part = new Fields('update.updates', statement).only(UPDATE_FIELDS);
    part.need(part.document('q'), 'q');
    part.need(statement.get('u'), 'u');
  }
  const [only] = statements as [Doc];
  if (statements.length === 1 && isTrue(only.get('multi')) && !isTrue(only.get('upsert')))
    return updateMany(call, name, only, variables, bypassed);
  return node.store.write((writer) => {
    const errors: Doc[] = [];
    const upserts: Doc[] = [];
    let matched = 0;
    let modified = 0;
    const at = Date.now();
    for (const [index, statement] of statements.entries()) {
      try {
        const result = runUpdate(writer, database, name, parseUpdate(statement, 'update.updates', variables), bypassed, at);
        matched += result.matched;
        modified += result.modified;
        if (result.upserted !== undefined) upserts.push(Doc.from({ index, _id: result.upserted }));
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        errors.push(writeError(index, error));
        if (ordered) break;
      }
    }
    return ok({
      n: matched + upserts.length,
      nModified: modified,
      upserted: upserts.length ? Arr.of(upserts) : undefined,
      writeErrors: errors.length ? Arr.of(errors) : undefined,
    });
  });
};

const remove: Handler = async (call) => {
  const { node, database } = call;
  const name = target(call);
  const fields = fieldsOf(call);
  const statements = fields.need(fields.documents('deletes'), 'deletes');
  const ordered = call.command.get('ordered') !== false;
  const variables = letOf(fields);
  checkBatch(statements.length);
  for (const statement of statements) {
    const part = new Fields('delete.deletes', statement).only(['q', 'limit', 'collation', 'hint', 'sampleId']);
    part.need(part.document('q'), 'q');
    const limit = numberOf(part.need(statement.get('limit'), 'limit'));
    if (limit !== 0 && limit !== 1)
      throw failedToParse(`The limit field in delete objects must be 0 or 1. Got ${show(statement.get('limit'))}`);
  }
  const [only] = statements as [Doc];
  if (statements.length === 1 && numberOf(only.get('limit')) === 0)
    return deleteMany(call, name, new Fields('delete.deletes', only), variables);
  return node.store.write((writer) => {
    const errors: Doc[] = [];
    let removed = 0;
    for (const [index, statement] of statements.entries()) {
      try {
        const part = new Fields('delete.deletes', statement);
        part.noCollation();
        const filter = parseFilter(part.need(part.document('q'), 'q'), variables);
        const collection = noView(collectionOf(writer, database, name));
        if (!collection) continue;
        const found: Doc[] = [];
        for (const doc of matching(writer, collection, filter, hintOf(part))) {
          found.push(doc);
          if (numberOf(statement.get('limit')) === 1) break;
        }
        for (const doc of found) writer.remove(collection, doc);
        removed += found.length;
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        errors.push(writeError(index, error));
        if (ordered) break;
      }
    }
    return ok({ n: removed, writeErrors: errors.length ? Arr.of(errors) : undefined });
  });
};

const findAndModify: Handler = async (call) => {
  const { node, database } = call;
  const name = target(call);
  const fields = fieldsOf(call);
  fields.noCollation();
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
  const filter = parseFilter(fields.document('query') ?? Doc.empty, variables);
  const sort = parseSort(fields.document('sort') ?? Doc.empty);
  const projection = fields.document('fields');
  const project = projection?.size ? compileProjection(projection, { filter, variables }) : undefined;
  const update_ = removing ? undefined : compileUpdate(spec as Value, { arrayFilters: fields.documents('arrayFilters') ?? [], variables });
  const bypassed = bypass(fields);
  const hint = hintOf(fields);
  return node.store.write((writer) => {
    let collection = noView(collectionOf(writer, database, name));
    let doc: Doc | undefined;
    if (collection) {
      doc = rows(
        findSource({ reader: writer, database, space: node.space }, name, {
          filter,
          sort,
          skip: 0,
          limit: 1,
          projection: undefined,
          variables,
          hint,
        }),
      ).next().value as Doc | undefined;
    }
    const show_ = (value: Doc | undefined): Value => (value ? (project ? project(value, variables) : value) : null);
    if (!update_) {
      if (doc && collection) writer.remove(collection, doc);
      return ok({ lastErrorObject: Doc.from({ n: doc ? 1 : 0 }), value: show_(doc) });
    }
    const context = { inserting: false, filter, now: Date.now() };
    if (doc && collection) {
      const after = applyUpdate(update_, doc, context);
      if (after !== doc) {
        validate(collection, after, bypassed, doc);
        writer.replace(collection, doc, after);
      }
      return ok({ lastErrorObject: Doc.from({ n: 1, updatedExisting: true }), value: show_(wantsNew ? after : doc) });
    }
    if (!upsert) return ok({ lastErrorObject: Doc.from({ n: 0, updatedExisting: false }), value: null });
    const fresh = upserted(update_, isReplacement(spec as Value), { ...context, inserting: true });
    collection ??= newCollection(writer, database, name);
    validate(collection, fresh, bypassed);
    writer.insert(collection, fresh);
    return ok({
      lastErrorObject: Doc.from({ n: 1, updatedExisting: false, upserted: fresh.get('_id') }),
      value: wantsNew ? show_(fresh) : null,
    });
  });
};

export const writeCommands: Readonly<Record<string, Command>> = {
  insert: { fields: ['documents', 'ordered', 'bypassDocumentValidation'], run: insert },
  update: { fields: ['updates', 'ordered', 'bypassDocumentValidation', 'let'], run: update },
  delete: { fields: ['deletes', 'ordered', 'let'], run: remove },
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
