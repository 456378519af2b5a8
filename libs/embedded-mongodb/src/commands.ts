import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { authenticationCommands, checkAuthorized, needsAuthentication } from './authentication.js';
import { compareValues, equalValues, isNumber } from './bson-order.js';
import { Arr, Binary, bsonTypeName, Doc, Double, encode, MAX_DOCUMENT_BYTES, show, type Value } from './bson-values.js';
import {
  answerWithCursor,
  checkCollectionName,
  checkDatabase,
  collectionOf,
  cursorBatch,
  existing,
  Fields,
  fieldsOf,
  letOf,
  listed,
  MAX_BATCH,
  newCollection,
  now,
  noView,
  ok,
  paceOf,
  target,
  typeError,
  VERSION,
  withOk,
  type Call,
  type Command,
  type Handler,
  type Node,
} from './call.js';
import { cursorReply, DEFAULT_BATCH, drain, Pace } from './cursors.js';
import { collectionStatistics, diagnosticCommands } from './diagnostic-commands.js';
import { badValue, failedToParse, ServerError } from './errors.js';
import { compileExpression, isTrue, withVariables, type Variables } from './expressions.js';
import { compileFilter, numberOf, parseFilter, splitPath, visitPath, type Filter, type Predicate } from './filter.js';
import { idIndexSpec, indexCommands, modifyIndex } from './index-commands.js';
import { compilePipeline, type Pipeline, type PipelineContext } from './pipeline.js';
import { candidates, choosePlan, countByIndex, describePlan, PAUSE, runPlan, type Counters, type Hint, type Source } from './planner.js';
import { parseSort, sorted, type SortSpace } from './sorting.js';
import { duplicateKey, readIndex, readyIndexes, TEMPORARY_PREFIX, type Collection, type Reader, type Writer } from './store.js';
import { compileProjection } from './transformations.js';
import { applyUpdate, compileUpdate, isReplacement, toInsert, upserted, type Update } from './update.js';

/** Fields that every command may have. */
const genericFields = new Set([
  '$db',
  'lsid',
  '$readPreference',
  'comment',
  'maxTimeMS',
  'maxTimeMSOpOnly',
  'readConcern',
  'writeConcern',
  '$clusterTime',
  'apiVersion',
  'apiStrict',
  'apiDeprecationErrors',
  'txnNumber',
  'autocommit',
  'startTransaction',
  'clientOperationKey',
  '$configServerState',
  '$audit',
  '$client',
  'mayBypassWriteBlocking',
  'serialization_context',
]);

const knows = ({ fields }: Command, key: string): boolean => fields === 'any' || fields.includes(key) || genericFields.has(key);

const checkGeneric = (command: Doc): void => {
  if (command.has('txnNumber') || command.has('autocommit') || command.has('startTransaction'))
    throw new ServerError(20, 'Transaction numbers are only allowed on a replica set member or mongos');
  const session = command.get('lsid');
  if (session !== undefined && !(session instanceof Doc))
    throw new ServerError(14, `BSON field 'lsid' is the wrong type '${bsonTypeName(session)}', expected type 'object'`);
  const version = command.get('apiVersion');
  if (version !== undefined && version !== '1') throw new ServerError(322, `Invalid API version, must be '1'`);
  const concern = command.get('readConcern');
  if (concern !== undefined) {
    if (!(concern instanceof Doc))
      throw new ServerError(14, `BSON field 'readConcern' is the wrong type '${bsonTypeName(concern)}', expected type 'object'`);
    for (const key of concern.keys) {
      if (key === 'afterClusterTime' || key === 'atClusterTime') throw new ServerError(72, `readConcern ${key} requires a replica set`);
      if (key !== 'level' && key !== 'provenance') throw new ServerError(40415, `BSON field 'readConcern.${key}' is an unknown field.`);
    }
    const level = concern.get('level');
    if (level === 'linearizable') throw new ServerError(123, 'node needs to be a replica set member to use read concern');
    if (level === 'snapshot') throw new ServerError(123, 'node needs to be a replica set member to use readConcern level snapshot');
    if (level !== undefined && !['local', 'available', 'majority'].includes(level as string))
      throw badValue(`Enumeration value '${String(level)}' for field 'readConcern.level' is not a valid value.`);
  }
  const write = command.get('writeConcern');
  if (write !== undefined) {
    if (!(write instanceof Doc))
      throw new ServerError(14, `BSON field 'writeConcern' is the wrong type '${bsonTypeName(write)}', expected type 'object'`);
    for (const key of write.keys)
      if (!['w', 'j', 'wtimeout', 'fsync', 'provenance', 'wtimeoutMS'].includes(key))
        throw failedToParse(`unrecognized write concern field: ${key}`);
    const w = write.get('w');
    if (isNumber(w)) {
      if (numberOf(w) < 0 || numberOf(w) > 50) throw failedToParse('w has to be a non-negative number and not greater than 50');
      if (numberOf(w) > 1) throw badValue("cannot use 'w' > 1 when a host is not replicated");
    } else if (typeof w === 'string' && w !== 'majority')
      throw badValue(`cannot use non-majority 'w' mode ${JSON.stringify(w)} when a host is not a member of a replica set`);
  }
};

/** Wraps an error of the server's kind as an element of `writeErrors`. */
const writeError = (index: number, error: ServerError): Doc => {
  const { keyPattern, keyValue } = error.details as { keyPattern?: Value; keyValue?: Value };
  return Doc.from({ index, code: error.code, keyPattern, keyValue, errmsg: error.message });
};

/** The collection that a write goes to; it is made where it does not exist. */
const forWriting = (writer: Writer, database: string, name: string): Collection =>
  noView(collectionOf(writer, database, name)) ?? newCollection(writer, database, name);

/** Runs a source to its end without letting others in: what happens within a transaction. */
const rows = function* (source: Source): Generator<Doc, void, undefined> {
  for (const row of source) if (row !== PAUSE) yield row;
};

const matching = function* (reader: Reader, collection: Collection, filter: Filter, hint?: Hint): Generator<Doc, void, undefined> {
  const test = compileFilter(filter);
  for (const doc of rows(candidates(reader, collection, filter, hint))) if (test(doc)) yield doc;
};

/** A hint: the name of an index, or its keys. */
const hintOf = (fields: Fields): Hint => {
  const value = fields.doc.get('hint');
  if (value === undefined || typeof value === 'string' || value instanceof Doc) return value;
  throw failedToParse('Hint must be a string or an object');
};

const bypass = (fields: Fields): boolean => fields.boolean('bypassDocumentValidation');

/** The validator of a collection, compiled once. */
const validators = new WeakMap<Collection, Predicate | null>();

/** @param before what an update changes: where it was not valid already, validationLevel moderate lets it stay so */
const validate = (collection: Collection, doc: Doc, bypassed: boolean, before?: Doc): void => {
  const { options } = collection;
  if (bypassed || !options.size) return;
  let test = validators.get(collection);
  if (test === undefined) {
    const validator = options.get('validator');
    const enforced =
      validator instanceof Doc &&
      validator.size > 0 &&
      options.get('validationLevel') !== 'off' &&
      options.get('validationAction') !== 'warn';
    test = enforced ? compileFilter(parseFilter(validator)) : null;
    validators.set(collection, test);
  }
  if (!test || test(doc) || (before && options.get('validationLevel') === 'moderate' && !test(before))) return;
  throw new ServerError(121, 'Document failed validation', {
    errInfo: Doc.from({ failingDocumentId: doc.get('_id'), details: Doc.from({ operatorName: 'validator' }) }),
  });
};

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

const checkBatch = (size: number): void => {
  if (size < 1 || size > MAX_BATCH)
    throw new ServerError(16, `Write batch sizes must be between 1 and ${MAX_BATCH}. Got ${size} operations.`);
};

type UpdateStatement = {
  readonly filter: Filter;
  readonly update: Update;
  readonly replacement: boolean;
  readonly multi: boolean;
  readonly upsert: boolean;
  readonly hint: Hint;
};

/** What a statement of an update may say. */
const UPDATE_FIELDS = ['q', 'u', 'c', 'upsert', 'multi', 'collation', 'arrayFilters', 'hint', 'sampleId', 'upsertSupplied'];

/** Updates that only differ in their values are compiled one by one, which is cheap: no text is parsed. */
const parseUpdate = (statement: Doc, name: string, variables: Variables): UpdateStatement => {
  const fields = new Fields(name, statement).only(UPDATE_FIELDS);
  fields.noCollation();
  const constants = fields.document('c');
  const bound: Record<string, Value | undefined> = { ...variables };
  constants?.keys.forEach((key, index) => (bound[key] = constants.values[index]));
  const spec = fields.need(statement.get('u'), 'u');
  const multi = fields.boolean('multi');
  const filter = parseFilter(fields.need(fields.document('q'), 'q'), bound);
  return {
    filter,
    update: compileUpdate(spec, { arrayFilters: fields.documents('arrayFilters') ?? [], multi, variables: bound }),
    replacement: isReplacement(spec),
    multi,
    upsert: fields.boolean('upsert'),
    hint: hintOf(fields),
  };
};

const runUpdate = (
  writer: Writer,
  database: string,
  name: string,
  { filter, update, replacement, multi, upsert, hint }: UpdateStatement,
  bypassed: boolean,
  now_: number,
  among?: Filter,
): { readonly matched: number; readonly modified: number; readonly upserted: Value | undefined; readonly error?: ServerError } => {
  let collection = noView(collectionOf(writer, database, name));
  let matched = 0;
  let modified = 0;
  const context = { inserting: false, filter, now: now_ };
  if (collection) {
    const found: Doc[] = [];
    const searched: Filter = among ? { op: 'and', of: [among, filter] } : filter;
    for (const doc of matching(writer, collection, searched, hint)) {
      found.push(doc);
      if (!multi) break;
    }
    for (const doc of found) {
      try {
        const after = applyUpdate(update, doc, context);
        matched++;
        if (after === doc) continue;
        validate(collection, after, bypassed, doc);
        writer.replace(collection, doc, after);
      } catch (error) {
        // What was changed before it stays changed, and is counted.
        if (error instanceof ServerError && among) return { matched, modified, upserted: undefined, error };
        throw error;
      }
      collection = existing(writer, database, name);
      modified++;
    }
  }
  if (matched || !upsert) return { matched, modified, upserted: undefined };
  const doc = upserted(update, replacement, { ...context, inserting: true });
  collection ??= newCollection(writer, database, name);
  validate(collection, doc, bypassed);
  writer.insert(collection, doc);
  return { matched: 0, modified: 0, upserted: doc.get('_id') };
};

/** Documents that one transaction changes at most where a single statement changes many. */
const PORTION = 1000;

/**
 * The _ids of what a statement for many documents is about, found without holding up others. Each is looked at again in
 * the transaction that changes it; what comes to match in between is left alone, as on the server.
 */
const affected = async (
  { store, space }: Node,
  database: string,
  name: string,
  filter: Filter,
  variables: Variables,
  hint: Hint,
  pace: Pace,
): Promise<readonly Value[]> => {
  const snapshot = store.snapshot();
  try {
    const collection = noView(collectionOf(snapshot, database, name));
    if (!collection) return [];
    const ids: Value[] = [];
    await drain(
      findSource({ reader: snapshot, database, space }, name, {
        filter,
        sort: [],
        skip: 0,
        limit: 0,
        projection: undefined,
        variables,
        hint,
      }),
      pace,
      (doc) => ids.push(doc.get('_id') as Value),
    );
    return ids;
  } finally {
    snapshot.close();
  }
};

/** Removes all documents that match, and yields the number of each transaction. */
export const removeMatching = async function* (
  node: Node,
  database: string,
  name: string,
  filter: Filter,
  hint: Hint,
  pace: Pace,
  variables: Variables = {},
): AsyncGenerator<number, void, undefined> {
  const test = compileFilter(filter);
  for (const ids of portions(await affected(node, database, name, filter, variables, hint, pace)))
    yield await node.store.write((writer) => {
      const collection = collectionOf(writer, database, name);
      if (!collection || collection.view) return 0;
      const found = [...matching(writer, collection, ids)].filter(test);
      for (const doc of found) writer.remove(collection, doc);
      return found.length;
    });
};

const portions = function* (ids: readonly Value[]): Generator<Filter, void, undefined> {
  for (let start = 0; start < ids.length; start += PORTION) yield { op: 'in', path: '_id', operands: ids.slice(start, start + PORTION) };
};

/** Codes of what ended the command itself: its time limit, its client's leaving, the end of the node. */
const interruptions = new Set([50, 91, 237]);

const single = (error: unknown): Value => {
  if (!(error instanceof ServerError) || interruptions.has(error.code)) throw error;
  return Arr.of([writeError(0, error)]);
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

type FindSpec = {
  readonly filter: Filter;
  readonly sort: ReturnType<typeof parseSort>;
  readonly skip: number;
  readonly limit: number;
  readonly projection: Doc | undefined;
  readonly variables: Variables;
  readonly hint?: Hint;
  /** Counts what is looked at, for `explain`. */
  readonly counters?: Counters;
};

/** What a query reads, and what it may use for that. */
type Scope = { readonly reader: Reader; readonly database: string; readonly space: SortSpace };

/** What the sorts of a command may use: `allowDiskUse` is the default, as on the server since version 6. */
const spaceOf = ({ node }: Call, fields: Fields): SortSpace =>
  fields.doc.has('allowDiskUse') && !fields.boolean('allowDiskUse') ? { ...node.space, scratch: undefined } : node.space;

/** The documents of a find, in its order, projected. */
const findSource = function* (
  scope: Scope,
  name: string,
  { filter, sort, skip, limit, projection, variables, hint, counters }: FindSpec,
): Source {
  const project = projection?.size ? compileProjection(projection, { filter, variables }) : undefined;
  const most = limit || Infinity;
  const { reader, database, space } = scope;
  const collection = collectionOf(reader, database, name);
  const plan = collection && !collection.view ? choosePlan(reader, collection, filter, sort, hint) : undefined;
  const source = collection && plan ? runPlan(reader, collection, plan, counters) : sourceOf(scope, name, filter, variables);
  // Where the bounds of an index say all that the filter does, whatever they hold matches.
  const test: Predicate = plan?.exact ? () => true : compileFilter(filter);
  const found = function* (): Source {
    for (const row of source) if (row === PAUSE || test(row)) yield row;
  };
  let passed = 0;
  for (const row of sort.length && !plan?.sorted ? sorted(found(), sort, space, most + skip) : found()) {
    if (row === PAUSE) yield row;
    else {
      if (passed++ >= skip) yield project ? project(row, variables) : row;
      if (passed >= skip + most) return;
    }
  }
};

const empty = function* (): Source {
  // Nothing: the collection does not exist.
};

const find: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  fields.noCollation();
  for (const key of ['returnKey', 'showRecordId', 'min', 'max'] as const)
    fields.refuse(key, (value) => value === false || (value instanceof Doc && !value.size));
  if (fields.boolean('tailable')) throw badValue('error processing query: tailable cursor requested on non capped collection');
  if (fields.boolean('awaitData')) throw failedToParse('Cannot set awaitData without tailable');
  for (const key of ['oplogReplay', 'noCursorTimeout', 'allowPartialResults']) fields.boolean(key);
  const space = spaceOf(call, fields);
  const variables = letOf(fields);
  const filter = parseFilter(fields.document('filter') ?? Doc.empty, variables);
  const sort = naturalOrder(fields.document('sort'));
  const projection = fields.document('projection');
  if (projection?.size) compileProjection(projection, { filter, variables });
  const spec: FindSpec = {
    filter,
    sort,
    skip: fields.count('skip') ?? 0,
    limit: fields.count('limit') ?? 0,
    projection,
    variables,
    hint: hintOf(fields),
  };
  const batchSize = fields.count('batchSize') ?? DEFAULT_BATCH;
  const single = fields.boolean('singleBatch');
  const snapshot = call.node.store.snapshot();
  try {
    const source = collectionOf(snapshot, call.database, name)
      ? findSource({ reader: snapshot, database: call.database, space }, name, spec)
      : empty();
    return await answerWithCursor(call, `${call.database}.${name}`, snapshot, source, batchSize, single, fields.boolean('noCursorTimeout'));
  } catch (error) {
    snapshot.close();
    throw error;
  }
};

/** `{ $natural: 1 }` is the order that documents are stored in, which is what no sort gives. */
const naturalOrder = (sort: Doc | undefined): ReturnType<typeof parseSort> => {
  if (sort?.has('$natural')) {
    if (sort.size > 1 || numberOf(sort.get('$natural')) !== 1) throw badValue('$natural sort can only be 1 and alone on this node');
    return [];
  }
  return parseSort(sort ?? Doc.empty);
};

/** The documents of a collection or a view that may match: a view's own pipeline runs first. */
const sourceOf = (scope: Scope, name: string, filter: Filter, variables: Variables, depth = 0): Source => {
  if (depth > 20) throw new ServerError(165, 'View depth too deep or view cycle detected');
  const collection = collectionOf(scope.reader, scope.database, name);
  if (!collection) return empty();
  if (!collection.view) return candidates(scope.reader, collection, filter);
  const pipeline = compilePipeline(Arr.of(collection.view.pipeline));
  return runPipeline(scope, collection.view.on, pipeline, variables, depth + 1);
};

const contextOf = (scope: Scope, variables: Variables, depth: number): PipelineContext => ({
  variables,
  from: (other, filter) => sourceOf(scope, other, filter, variables, depth),
  space: scope.space,
});

/** Runs a pipeline on a collection or view; what its first stages ask for is asked of the storage. */
const runPipeline = (
  scope: Scope,
  name: string,
  pipeline: Pipeline,
  variables: Variables,
  depth = 0,
  hint?: Hint,
  counters?: Counters,
): Source => {
  const context = contextOf(scope, variables, depth);
  const collection = collectionOf(scope.reader, scope.database, name);
  if (collection?.view) return pipeline.run(sourceOf(scope, name, { op: 'always', value: true }, variables, depth), context);
  if (!collection) return pipeline.run(empty(), context);
  const { match, sort, limit } = pipeline.head;
  const filter = parseFilter(
    match.length === 1 ? (match[0] as Doc) : Doc.from({ $and: match.length ? Arr.of(match) : undefined }),
    variables,
  );
  return pipeline.rest(
    findSource(scope, name, {
      filter,
      sort: parseSort(sort ?? Doc.empty),
      skip: 0,
      limit: limit ?? 0,
      projection: undefined,
      variables,
      hint,
      ...(counters && { counters }),
    }),
    context,
  );
};

const aggregate: Handler = async (call) => {
  const { node, database, command } = call;
  const fields = fieldsOf(call);
  fields.noCollation();
  const on = command.get('aggregate');
  const pipeline = fields.need(command.get('pipeline'), 'pipeline');
  const cursorSpec = fields.document('cursor');
  if (fields.boolean('explain')) return explainCommand(call, 'queryPlanner');
  if (!cursorSpec) throw failedToParse("The 'cursor' option is required, except for aggregate with the explain argument");
  const batchSize = cursorBatch(cursorSpec, 'aggregate');
  const variables = letOf(fields);
  if (!(pipeline instanceof Arr)) throw new ServerError(14, `'pipeline' option must be specified as an array`);
  const last = pipeline.values.at(-1);
  const lastName = last instanceof Doc ? last.keys[0] : undefined;
  const first = pipeline.values[0];
  const firstName = first instanceof Doc ? first.keys[0] : undefined;
  const target_ =
    lastName === '$merge' || lastName === '$out' ? parseTarget(lastName, (last as Doc).values[0] as Value, database) : undefined;
  if (pipeline.values.some((stage) => stage instanceof Doc && stage.firstKey === '$changeStream'))
    throw new ServerError(40573, 'The $changeStream stage is only supported on replica sets');
  if (firstName === '$documents' || isNumber(on)) {
    if (!isNumber(on)) throw new ServerError(73, `{aggregate: 1} is not valid for '$documents'; a collection must not be named`);
    if (firstName !== '$documents')
      throw new ServerError(73, `{aggregate: 1} is not valid for '${String(firstName)}'; a collection is required.`);
  }
  if (pipeline.values.some((stage, index) => index > 0 && stage instanceof Doc && stage.firstKey === '$collStats'))
    throw new ServerError(40602, '$collStats is only valid as the first stage in a pipeline');
  const name = isNumber(on) ? '$cmd.aggregate' : target(call);
  const statistics = firstName === '$collStats' ? collectionStatistics(call, name, (first as Doc).values[0] as Value) : undefined;
  const body = Arr.of(pipeline.values.slice(firstName === '$documents' || statistics ? 1 : 0, target_ ? -1 : undefined));
  const compiled = withVariables(Object.keys(variables), () => compilePipeline(body));
  const space = spaceOf(call, fields);
  const snapshot = node.store.snapshot();
  const scope: Scope = { reader: snapshot, database, space };
  try {
    let source: Source;
    if (firstName === '$documents') {
      const given = withVariables(Object.keys(variables), () => compileExpression((first as Doc).values[0] as Value))(Doc.empty, variables);
      if (!(given instanceof Arr) || !given.values.every((value) => value instanceof Doc))
        throw new ServerError(5858203, `an array is expected`);
      source = compiled.run(listed(given.values as readonly Doc[]), contextOf(scope, variables, 0));
    } else if (statistics) source = compiled.run(listed([statistics]), contextOf(scope, variables, 0));
    else source = runPipeline(scope, name, compiled, variables, 0, hintOf(fields));
    if (!target_) return await answerWithCursor(call, `${database}.${name}`, snapshot, source, batchSize, false);
    await target_(node, source, paceOf(call), bypass(fields));
    snapshot.close();
    return withOk(cursorReply(0n, `${database}.${name}`, 'firstBatch', []));
  } catch (error) {
    snapshot.close();
    throw error;
  }
};

type Target = (node: Node, source: Source, pace: Pace, bypassed: boolean) => Promise<void>;

/**
 * What `$out` does: a new collection is filled beside the old one, with its options and indexes, and takes its name at
 * once. Readers see the old one or the new one; if the pipeline fails, the old one stays.
 */
const replaceCollection = async (
  node: Node,
  database: string,
  name: string,
  source: Source,
  pace: Pace,
  bypassed: boolean,
): Promise<void> => {
  const temporary = `${TEMPORARY_PREFIX}${randomUUID()}`;
  const replaced = await node.store.write((writer) => {
    const old = noView(collectionOf(writer, database, name));
    const fresh = newCollection(writer, database, temporary, old?.options);
    const indexes = (old ? readyIndexes(old) : []).map((index) => readIndex(writer.nextNumber(), index.spec));
    if (indexes.length) writer.saveCollection({ ...fresh, indexes });
    return old;
  });
  try {
    await inBatches(source, pace, (docs) =>
      node.store.write((writer) => {
        for (const doc of docs) {
          const collection = existing(writer, database, temporary);
          const whole = toInsert(doc);
          validate(collection, whole, bypassed);
          writer.insert(collection, whole);
        }
      }),
    );
    await node.store.write((writer) => {
      const old = noView(collectionOf(writer, database, name));
      if (old?.number !== replaced?.number)
        throw new ServerError(28769, `collection options of target collection ${database}.${name} changed while processing $out`);
      if (
        old &&
        readyIndexes(old)
          .map(({ number }) => number)
          .join() !==
          readyIndexes(replaced as Collection)
            .map(({ number }) => number)
            .join()
      )
        throw new ServerError(28770, `indexes of target collection ${database}.${name} changed while processing $out`);
      if (old) writer.dropCollection(old);
      writer.saveCollection({ ...existing(writer, database, temporary), name });
    });
  } catch (error) {
    await node.store.write((writer) => {
      const left = collectionOf(writer, database, temporary);
      if (left) writer.dropCollection(left);
    });
    throw error;
  }
};

/** Runs a source to its end, a thousand documents at a time. */
const inBatches = async (source: Source, pace: Pace, store: (docs: readonly Doc[]) => Promise<void>): Promise<void> => {
  let batch: Doc[] = [];
  for (const row of source) {
    if (row === PAUSE) {
      await pace.pause();
      continue;
    }
    batch.push(row);
    if (batch.length < 1000) continue;
    await store(batch);
    batch = [];
  }
  if (batch.length) await store(batch);
};

/** Where `$out` and `$merge` put their documents. */
const parseTarget = (stage: string, spec: Value, database: string): Target => {
  const into = stage === '$out' ? spec : spec instanceof Doc ? spec.get('into') : spec;
  let name: Value | undefined = into;
  let otherDatabase = database;
  if (into instanceof Doc) {
    const fields = new Fields(stage, into).only(['db', 'coll']);
    name = fields.string('coll');
    otherDatabase = fields.string('db') ?? database;
  }
  if (typeof name !== 'string')
    throw new ServerError(
      stage === '$out' ? 16990 : 51178,
      `${stage} only supports a string or object argument, but found ${bsonTypeName(into)}`,
    );
  const collectionName = checkCollectionName(otherDatabase, name);
  if (collectionName.startsWith('system.')) throw new ServerError(17385, `Can't ${stage} to special collection: ${name}`);
  if (stage === '$out')
    return (node, source, pace, bypassed) => replaceCollection(node, otherDatabase, collectionName, source, pace, bypassed);
  const fields = new Fields('$merge', spec instanceof Doc ? spec : Doc.empty).only(['into', 'on', 'let', 'whenMatched', 'whenNotMatched']);
  const given = fields.doc.get('on');
  const on = given === undefined ? ['_id'] : typeof given === 'string' ? [given] : given instanceof Arr ? (given.values as string[]) : [];
  if (!on.length || on.some((path) => typeof path !== 'string'))
    throw new ServerError(51186, `$merge 'on' field must be either a string or an array of strings`);
  const whenMatched = fields.doc.get('whenMatched') ?? 'merge';
  const whenNotMatched = fields.string('whenNotMatched') ?? 'insert';
  if (!(whenMatched instanceof Arr) && !['replace', 'keepExisting', 'merge', 'fail'].includes(whenMatched as string))
    throw badValue(`Enumeration value '${show(whenMatched)}' for field 'whenMatched' is not a valid value.`);
  if (!['insert', 'discard', 'fail'].includes(whenNotMatched))
    throw badValue(`Enumeration value '${whenNotMatched}' for field '$merge.whenNotMatched' is not a valid value.`);
  const lets = fields.document('let');
  if (lets && !(whenMatched instanceof Arr))
    throw new ServerError(51199, `Cannot use 'let' variables with 'whenMatched: ${show(whenMatched)}' mode`);
  const letNames = lets ? lets.keys : ['new'];
  const letValues = (lets ? lets.values : ['$$ROOT']).map((value) => compileExpression(value));
  const pipelineUpdate =
    whenMatched instanceof Arr
      ? withVariables(letNames, () => (variables: Variables) => compileUpdate(whenMatched, { variables }))
      : undefined;
  if (pipelineUpdate) withVariables(letNames, () => compileUpdate(whenMatched as Value, {}));
  return async (node, source, pace, bypassed) => {
    const store = (docs: readonly Doc[]): Promise<void> =>
      node.store.write((writer) => {
        forWriting(writer, otherDatabase, collectionName);
        for (const doc of docs) {
          const collection = existing(writer, otherDatabase, collectionName);
          if (
            (on.length !== 1 || on[0] !== '_id') &&
            !readyIndexes(collection).some(
              (index) =>
                index.unique && !index.partial && index.fields.length === on.length && index.fields.every(({ path }) => on.includes(path)),
            )
          )
            throw new ServerError(51183, 'Cannot find index to verify that join fields will be unique');
          const whole = on.length === 1 && on[0] === '_id' ? toInsert(doc) : doc;
          const parts: Filter[] = on.map((path) => {
            const operand = splitPath(path).reduce<Value | undefined>(
              (value, part) => (value instanceof Doc ? value.get(part) : undefined),
              whole,
            );
            if (operand === undefined || operand === null || operand instanceof Arr)
              throw new ServerError(51132, `$merge write error: 'on' field cannot be missing, null, undefined or an array`);
            return { op: 'compare', path, relation: 'eq', operand };
          });
          const filter: Filter = { op: 'and', of: parts };
          const old = matching(writer, collection, filter).next().value as Doc | undefined;
          if (!old) {
            if (whenNotMatched === 'fail')
              throw new ServerError(
                13113,
                `$merge could not find a matching document in the target collection for at least one document in the source collection`,
              );
            if (whenNotMatched === 'discard') continue;
            const fresh = toInsert(whole);
            validate(collection, fresh, bypassed);
            writer.insert(collection, fresh);
            continue;
          }
          if (whenMatched === 'fail') throw duplicateKey(collection, '_id_', ['_id'], Doc.from({ _id: 1 }), [old.get('_id') as Value]);
          if (whenMatched === 'keepExisting') continue;
          const bound: Record<string, Value | undefined> = { NOW: now() };
          letNames.forEach(
            (key, index) => (bound[key] = (letValues[index] as (typeof letValues)[number])(whole, { ROOT: whole, CURRENT: whole })),
          );
          const update_: Update = pipelineUpdate
            ? withVariables(letNames, () => pipelineUpdate(bound))
            : whenMatched === 'replace'
              ? () => (whole.has('_id') ? whole : Doc.of(['_id', ...whole.keys], [old.get('_id') as Value, ...whole.values]))
              : (doc_) => whole.keys.reduce((merged, key, index) => merged.with(key, whole.values[index] as Value), doc_);
          const after = applyUpdate(update_, old, { inserting: false, filter, now: Date.now() });
          if (after === old) continue;
          validate(collection, after, bypassed, old);
          writer.replace(collection, old, after);
        }
      });
    await inBatches(source, pace, store);
  };
};

/** Runs a read, or the search of a write, and tells how its documents were found. */
const explain: Handler = async (call) => {
  const inner = call.command.get('explain');
  if (!(inner instanceof Doc) || !inner.size) throw typeError('explain.explain', inner, 'object');
  const verbosity = fieldsOf(call).string('verbosity') ?? 'allPlansExecution';
  if (!['queryPlanner', 'executionStats', 'allPlansExecution'].includes(verbosity))
    throw failedToParse(`verbosity string must be one of {'queryPlanner', 'executionStats', 'allPlansExecution'}`);
  return explainCommand({ ...call, command: inner }, verbosity);
};

const explainCommand = async (call: Call, verbosity: string): Promise<Doc> => {
  const { command, database, node } = call;
  const kind = command.keys[0] as string;
  const name = target(call);
  const fields = fieldsOf(call);
  const known = commands[aliases[kind] ?? kind];
  command.keys.forEach((key, index) => {
    if (index > 0 && known && !knows(known, key)) throw new ServerError(40415, `BSON field '${kind}.${key}' is an unknown field.`);
  });
  const variables = letOf(fields);
  const counters: Counters = { keys: 0, documents: 0 };
  const statement = (key: string): Fields => new Fields(key, fields.need(fields.documents(key), key)[0] ?? Doc.empty);
  let query = Doc.empty;
  let sort: Doc | undefined;
  let hint = hintOf(fields);
  let pipeline: Pipeline | undefined;
  let limit = 0;
  let skip = 0;
  switch (kind) {
    case 'find':
      query = fields.document('filter') ?? Doc.empty;
      sort = fields.document('sort');
      limit = fields.count('limit') ?? 0;
      skip = fields.count('skip') ?? 0;
      break;
    case 'count':
    case 'distinct':
      query = fields.document('query') ?? Doc.empty;
      break;
    case 'findAndModify':
      query = fields.document('query') ?? Doc.empty;
      sort = fields.document('sort');
      limit = 1;
      break;
    case 'update':
    case 'delete': {
      const part = statement(kind === 'update' ? 'updates' : 'deletes');
      query = part.document('q') ?? Doc.empty;
      hint = hintOf(part);
      break;
    }
    case 'aggregate': {
      pipeline = withVariables(Object.keys(variables), () => compilePipeline(fields.need(command.get('pipeline'), 'pipeline')));
      const { head } = pipeline;
      query = head.match.length === 1 ? (head.match[0] as Doc) : head.match.length ? Doc.from({ $and: Arr.of(head.match) }) : Doc.empty;
      sort = head.sort;
      limit = head.limit ?? 0;
      break;
    }
    default:
      throw new ServerError(59, `Explain failed due to unknown command: ${kind}`);
  }
  const filter = parseFilter(query, variables);
  const order = naturalOrder(sort);
  const snapshot = node.store.snapshot();
  const scope: Scope = { reader: snapshot, database, space: spaceOf(call, fields) };
  try {
    const collection = noView(collectionOf(snapshot, database, name));
    const plan = collection && choosePlan(snapshot, collection, filter, order, hint);
    const planner = Doc.from({
      namespace: `${database}.${name}`,
      parsedQuery: query,
      indexFilterSet: false,
      winningPlan: plan ? describePlan(plan, order.length > 0 && !plan.sorted) : Doc.from({ stage: 'EOF' }),
      rejectedPlans: Arr.empty,
    });
    const base = {
      explainVersion: '1',
      queryPlanner: planner,
      command,
      serverInfo: Doc.from({ host: hostname(), port: 0, version: VERSION, gitVersion: 'embedded' }),
    };
    if (verbosity === 'queryPlanner') return ok(base);
    const began = performance.now();
    let returned = 0;
    const counted = kind === 'count' && plan ? countByIndex(snapshot, plan) : undefined;
    if (counted !== undefined) {
      returned = 0;
      counters.keys = counted;
    } else {
      const source = pipeline
        ? runPipeline(scope, name, pipeline, variables, 0, hint, counters)
        : collection
          ? findSource(scope, name, { filter, sort: order, skip, limit, projection: undefined, variables, hint, counters })
          : empty();
      await drain(source, paceOf(call), () => void returned++);
    }
    return ok({
      ...base,
      executionStats: Doc.from({
        executionSuccess: true,
        nReturned: returned,
        executionTimeMillis: Math.round(performance.now() - began),
        totalKeysExamined: counters.keys,
        totalDocsExamined: counters.documents,
      }),
    });
  } finally {
    snapshot.close();
  }
};

const getMore: Handler = async (call) => {
  const { command, node, database } = call;
  const id = command.get('getMore');
  if (typeof id !== 'bigint') throw typeError('getMore.getMore', id, 'long');
  const fields = fieldsOf(call);
  const name = fields.need(fields.string('collection'), 'collection');
  const count = fields.count('batchSize');
  const cursor = node.cursors.find(id);
  if (!cursor) throw new ServerError(43, `cursor id ${id} not found`);
  const namespace = `${database}.${name}`;
  if (cursor.namespace !== namespace)
    throw new ServerError(
      13,
      `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace ${cursor.namespace}`,
    );
  if (cursor.busy) throw new ServerError(12051, `cursor id ${id} is already in use`);
  cursor.busy = true;
  try {
    const { batch, more } = await cursor.next(count || Infinity, new Pace(cursor.times.maxTimeMS, call.gone));
    if (!more) node.cursors.forget(id);
    else if (!node.cursors.find(id)) cursor.close();
    return withOk(cursorReply(more ? id : 0n, namespace, 'nextBatch', batch));
  } catch (error) {
    node.cursors.forget(id);
    throw error;
  } finally {
    cursor.busy = false;
    cursor.lastUsed = Date.now();
  }
};

const killCursors: Handler = (call) => {
  target(call);
  const fields = fieldsOf(call);
  const ids = fields.need(fields.array('cursors'), 'cursors');
  const killed: Value[] = [];
  const missing: Value[] = [];
  for (const id of ids) {
    if (typeof id !== 'bigint') throw typeError('killCursors.cursors', id, 'long');
    (call.node.cursors.kill(id) ? killed : missing).push(id);
  }
  return ok({ cursorsKilled: Arr.of(killed), cursorsNotFound: Arr.of(missing), cursorsAlive: Arr.empty, cursorsUnknown: Arr.empty });
};

const count: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  fields.noCollation();
  const filter = parseFilter(fields.document('query') ?? Doc.empty, { NOW: now() });
  const limit = Math.abs(numberOf(call.command.get('limit') ?? 0)) || Infinity;
  const skip = fields.count('skip') ?? 0;
  const snapshot = call.node.store.snapshot();
  try {
    const collection = collectionOf(snapshot, call.database, name);
    let total = 0;
    if (collection) {
      const plan = collection.view ? undefined : choosePlan(snapshot, collection, filter, [], hintOf(fields));
      const known = plan && countByIndex(snapshot, plan);
      if (known !== undefined) total = known;
      else if (!collection.view && filter.op === 'always' && filter.value)
        total = call.node.store.statistics(snapshot, collection).documents;
      else {
        const test = compileFilter(filter);
        const source = plan
          ? runPlan(snapshot, collection, plan)
          : sourceOf({ reader: snapshot, database: call.database, space: call.node.space }, name, filter, { NOW: now() });
        await drain(source, paceOf(call), (doc) => {
          if (test(doc)) total++;
        });
      }
    }
    return ok({ n: Math.min(limit, Math.max(0, total - skip)) });
  } finally {
    snapshot.close();
  }
};

const distinct: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  fields.noCollation();
  const path = fields.need(fields.string('key'), 'key');
  const filter = parseFilter(fields.document('query') ?? Doc.empty, { NOW: now() });
  const parts = splitPath(path);
  const snapshot = call.node.store.snapshot();
  try {
    const collection = collectionOf(snapshot, call.database, name);
    let found: Value[] = [];
    let bytes = 0;
    const settle = (): void => {
      found = found.toSorted(compareValues).filter((value, index, sorted) => index === 0 || !equalValues(value, sorted[index - 1]));
    };
    if (collection) {
      const test = compileFilter(filter);
      let next = 1000;
      await drain(
        findSource({ reader: snapshot, database: call.database, space: call.node.space }, name, {
          filter,
          sort: [],
          skip: 0,
          limit: 0,
          projection: undefined,
          variables: { NOW: now() },
          hint: hintOf(fields),
        }),
        paceOf(call),
        (doc) => {
          if (!test(doc)) return;
          visitPath(doc, parts, 0, false, (value) => {
            if (value instanceof Arr) found.push(...value.values);
            else if (value !== undefined) found.push(value);
            return false;
          });
          if (found.length > next) {
            settle();
            next = found.length * 2 + 1000;
          }
        },
      );
      settle();
    }
    for (const value of found) bytes += encode(Doc.of(['v'], [value])).length;
    if (bytes > MAX_DOCUMENT_BYTES) throw new ServerError(17217, 'distinct too big, 16mb cap');
    return ok({ values: Arr.of(found) });
  } finally {
    snapshot.close();
  }
};

const createOptions = ['validator', 'validationLevel', 'validationAction'];

const create: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  fields.noCollation();
  for (const key of [
    'capped',
    'timeseries',
    'expireAfterSeconds',
    'clusteredIndex',
    'changeStreamPreAndPostImages',
    'encryptedFields',
    'size',
    'max',
    'storageEngine',
    'indexOptionDefaults',
    'temp',
  ])
    fields.refuse(key);
  fields.refuse('autoIndexId', (value) => value === true);
  const keys = createOptions.filter((key) => call.command.has(key));
  const options = Doc.of(
    keys,
    keys.map((key) => call.command.get(key) as Value),
  );
  checkValidation(options);
  const viewOn = fields.string('viewOn');
  const pipeline = fields.documents('pipeline');
  if (pipeline && viewOn === undefined) throw new ServerError(72, `'pipeline' requires 'viewOn' to also be specified`);
  if (pipeline) compilePipeline(Arr.of(pipeline));
  return call.node.store.write((writer) => {
    const known = collectionOf(writer, call.database, name);
    if (known) {
      if (encode(known.options).equals(encode(options)) && !known.view && viewOn === undefined) return ok();
      throw new ServerError(48, `Collection ${call.database}.${name} already exists.`);
    }
    newCollection(writer, call.database, name, options, viewOn === undefined ? undefined : { on: viewOn, pipeline: pipeline ?? [] });
    return ok();
  });
};

const checkValidation = (options: Doc): void => {
  const validator = options.get('validator');
  if (validator !== undefined && !(validator instanceof Doc)) throw typeError('create.validator', validator, 'object');
  if (validator instanceof Doc) compileFilter(parseFilter(validator));
  const level = options.get('validationLevel');
  if (level !== undefined && !['off', 'strict', 'moderate'].includes(level as string))
    throw badValue(`Enumeration value '${show(level)}' for field 'create.validationLevel' is not a valid value.`);
  const action = options.get('validationAction');
  if (action !== undefined && !['error', 'warn'].includes(action as string))
    throw badValue(`Enumeration value '${show(action)}' for field 'create.validationAction' is not a valid value.`);
};

const collMod: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  for (const key of ['changeStreamPreAndPostImages', 'timeseries', 'cappedSize', 'cappedMax', 'dryRun']) fields.refuse(key);
  if (call.command.has('expireAfterSeconds'))
    throw new ServerError(72, `'expireAfterSeconds' is only supported on time-series collections and clustered collections`);
  const change = fields.document('index');
  const viewOn = fields.string('viewOn');
  const pipeline = fields.documents('pipeline');
  return call.node.store.write((writer) => {
    const collection = existing(writer, call.database, name);
    if (collection.view) {
      if (change || createOptions.some((key) => call.command.has(key)))
        throw new ServerError(72, change ? 'cannot modify an index on a view' : 'cannot modify validation options on a view');
      if ((viewOn === undefined) !== (pipeline === undefined))
        throw new ServerError(72, `Must specify both 'viewOn' and 'pipeline' when modifying a view`);
      if (viewOn !== undefined && pipeline) {
        compilePipeline(Arr.of(pipeline));
        writer.saveCollection({ ...collection, view: { on: viewOn, pipeline } });
      }
      return ok();
    }
    if (viewOn !== undefined || pipeline)
      throw new ServerError(72, `'${viewOn === undefined ? 'pipeline' : 'viewOn'}' option only supported on a view`);
    let { options } = collection;
    for (const key of createOptions) {
      const value = call.command.get(key);
      if (value !== undefined) options = options.with(key, value);
    }
    checkValidation(options);
    const modified = change && modifyIndex(collection, change);
    if (options !== collection.options || modified)
      writer.saveCollection({
        ...collection,
        options,
        indexes: modified
          ? collection.indexes.map((index) => (index.number === modified.index.number ? modified.index : index))
          : collection.indexes,
      });
    return ok(modified?.reply);
  });
};

const drop: Handler = async (call) => {
  const name = target(call);
  return call.node.store.write((writer) => {
    const collection = collectionOf(writer, call.database, name);
    // The server has answered a drop of nothing with success since version 7.
    if (!collection) return ok();
    writer.dropCollection(collection);
    return ok({ nIndexesWas: collection.view ? undefined : readyIndexes(collection).length + 1, ns: `${call.database}.${name}` });
  });
};

const dropDatabase: Handler = async ({ node, database }) => {
  checkDatabase(database);
  return node.store.write((writer) => {
    const collections = [...writer.catalog.collections.values()].filter((collection) => collection.database === database);
    for (const collection of collections) writer.dropCollection(collection);
    return ok({ dropped: collections.length ? database : undefined });
  });
};

const renameCollection: Handler = async (call) => {
  const from = call.command.get('renameCollection');
  const to = call.command.get('to');
  if (call.database !== 'admin') throw new ServerError(13, 'renameCollection may only be run against the admin database.');
  if (typeof from !== 'string' || typeof to !== 'string')
    throw typeError('renameCollection.to', typeof from === 'string' ? to : from, 'string');
  const dropTarget = fieldsOf(call).boolean('dropTarget');
  const split = (namespace: string): readonly [string, string] => {
    const dot = namespace.indexOf('.');
    const parts = [namespace.slice(0, Math.max(0, dot)), dot < 0 ? '' : namespace.slice(dot + 1)] as const;
    checkCollectionName(...parts);
    return parts;
  };
  const [fromDatabase, fromName] = split(from);
  const [toDatabase, toName] = split(to);
  if (toName.startsWith('system.')) throw new ServerError(73, `Invalid system namespace: ${to}`);
  return call.node.store.write((writer) => {
    const source = collectionOf(writer, fromDatabase, fromName);
    if (!source) throw new ServerError(26, `Source collection ${from} does not exist`);
    noView(source);
    if (from === to) throw new ServerError(20, "Can't rename a collection to itself");
    const there = collectionOf(writer, toDatabase, toName);
    if (there && !dropTarget) throw new ServerError(48, 'target namespace exists');
    if (there) writer.dropCollection(there);
    writer.saveCollection({ ...source, database: toDatabase, name: toName });
    return ok();
  });
};

const listCollections: Handler = async (call) => {
  const { database, node } = call;
  checkDatabase(database);
  const fields = fieldsOf(call);
  const filter = compileFilter(parseFilter(fields.document('filter') ?? Doc.empty));
  const nameOnly = fields.boolean('nameOnly');
  const snapshot = node.store.snapshot();
  try {
    const found = [...snapshot.catalog.collections.values()]
      .filter((collection) => collection.database === database)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((collection) =>
        collection.view
          ? Doc.from({
              name: collection.name,
              type: 'view',
              options: Doc.from({ viewOn: collection.view.on, pipeline: Arr.of(collection.view.pipeline) }),
              info: Doc.from({ readOnly: true }),
            })
          : Doc.from({
              name: collection.name,
              type: 'collection',
              options: collection.options,
              info: Doc.from({ readOnly: false, uuid: new Binary(4, collection.uuid) }),
              idIndex: idIndexSpec,
            }),
      )
      .filter(filter)
      .map((doc) => (nameOnly ? Doc.from({ name: doc.get('name'), type: doc.get('type') }) : doc));
    return await answerWithCursor(
      call,
      `${database}.$cmd.listCollections`,
      snapshot,
      listed(found),
      cursorBatch(fields.document('cursor'), 'listCollections'),
      false,
    );
  } catch (error) {
    snapshot.close();
    throw error;
  }
};

const listDatabases: Handler = (call) => {
  if (call.database !== 'admin') throw new ServerError(13, 'listDatabases may only be run against the admin database.');
  const fields = fieldsOf(call);
  const filter = compileFilter(parseFilter(fields.document('filter') ?? Doc.empty));
  const snapshot = call.node.store.snapshot();
  try {
    const sizes = new Map<string, number>();
    for (const collection of snapshot.catalog.collections.values())
      sizes.set(collection.database, (sizes.get(collection.database) ?? 0) + call.node.store.statistics(snapshot, collection).bytes);
    const found = [...sizes]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, bytes]) => Doc.from({ name, sizeOnDisk: BigInt(bytes), empty: false }));
    const databases = found.filter(filter);
    if (fields.boolean('nameOnly')) return ok({ databases: Arr.of(databases.map((doc) => Doc.from({ name: doc.get('name') }))) });
    const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
    return ok({ databases: Arr.of(databases), totalSize: BigInt(total), totalSizeMb: BigInt(Math.floor(total / 1024 / 1024)) });
  } finally {
    snapshot.close();
  }
};

const commands: Readonly<Record<string, Command>> = {
  ...authenticationCommands,
  ...diagnosticCommands,
  ...indexCommands,
  listCommands: { fields: [], run: (call) => listCommands(call) },
  find: {
    fields: [
      'filter',
      'sort',
      'projection',
      'hint',
      'skip',
      'limit',
      'batchSize',
      'singleBatch',
      'max',
      'min',
      'returnKey',
      'showRecordId',
      'tailable',
      'oplogReplay',
      'noCursorTimeout',
      'awaitData',
      'allowPartialResults',
      'collation',
      'allowDiskUse',
      'let',
    ],
    run: find,
  },
  explain: { fields: ['verbosity'], run: explain },
  getMore: { fields: ['collection', 'batchSize', 'term', 'lastKnownCommittedOpTime'], run: getMore },
  killCursors: { fields: ['cursors'], run: killCursors },
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
  aggregate: {
    fields: ['pipeline', 'cursor', 'explain', 'allowDiskUse', 'bypassDocumentValidation', 'collation', 'hint', 'let'],
    run: aggregate,
  },
  count: { fields: ['query', 'limit', 'skip', 'hint', 'collation', 'fields'], run: count },
  distinct: { fields: ['key', 'query', 'collation', 'hint'], run: distinct },
  create: {
    fields: [
      'capped',
      'timeseries',
      'expireAfterSeconds',
      'clusteredIndex',
      'changeStreamPreAndPostImages',
      'size',
      'max',
      'storageEngine',
      'validator',
      'validationLevel',
      'validationAction',
      'indexOptionDefaults',
      'viewOn',
      'pipeline',
      'collation',
      'encryptedFields',
      'autoIndexId',
      'temp',
    ],
    run: create,
  },
  collMod: {
    fields: [
      ...createOptions,
      'index',
      'viewOn',
      'pipeline',
      'expireAfterSeconds',
      'changeStreamPreAndPostImages',
      'timeseries',
      'cappedSize',
      'cappedMax',
      'dryRun',
    ],
    run: collMod,
  },
  drop: { fields: [], run: drop },
  dropDatabase: { fields: [], run: dropDatabase },
  renameCollection: { fields: ['to', 'dropTarget', 'stayTemp'], run: renameCollection },
  listCollections: { fields: ['filter', 'nameOnly', 'authorizedCollections', 'cursor'], run: listCollections },
  listDatabases: { fields: ['filter', 'nameOnly', 'authorizedDatabases'], run: listDatabases },
};

const listCommands: Handler = () =>
  ok({
    commands: Doc.from(
      Object.fromEntries(
        Object.keys(commands)
          .sort()
          .map((name) => [name, Doc.from({ requiresAuth: needsAuthentication(name) })]),
      ),
    ),
  });

/** Other spellings of commands. */
const aliases: Readonly<Record<string, string>> = {
  isMaster: 'hello',
  ismaster: 'hello',
  buildinfo: 'buildInfo',
  findandmodify: 'findAndModify',
  collstats: 'collStats',
  dbstats: 'dbStats',
  deleteIndexes: 'dropIndexes',
};

const counterOf: Readonly<Record<string, string>> = {
  find: 'query',
  getMore: 'getmore',
  insert: 'insert',
  update: 'update',
  delete: 'delete',
};

const failure = (error: ServerError): Doc => {
  const details = Object.entries(error.details) as [string, Value][];
  return Doc.of(
    ['ok', 'errmsg', 'code', 'codeName', ...details.map(([key]) => key)],
    [new Double(0), error.message, error.code, error.codeName, ...details.map(([, value]) => value)],
  );
};

/**
 * Runs a command and answers it; errors are answers too.
 *
 * An error that is not the server's kind is a fault of this node: it is answered as 1 InternalError and does no harm
 * to other commands.
 */
export const runCommand = async (call: Call): Promise<Doc> => {
  const name = call.command.keys[0];
  try {
    if (name === undefined) throw new ServerError(59, "no such command: ''");
    const known = aliases[name] ?? name;
    const command = Object.hasOwn(commands, known) ? commands[known] : undefined;
    if (!command) throw new ServerError(59, `no such command: '${name}'`);
    checkAuthorized(call.node.verifier, call.connection, known);
    call.node.counters.set(counterOf[known] ?? 'command', (call.node.counters.get(counterOf[known] ?? 'command') ?? 0) + 1);
    call.command.keys.forEach((key, index) => {
      if (index > 0 && !knows(command, key)) throw new ServerError(40415, `BSON field '${name}.${key}' is an unknown field.`);
    });
    checkGeneric(call.command);
    return await command.run(call);
  } catch (error) {
    if (error instanceof ServerError) return failure(error);
    if (error instanceof RangeError && /call stack/i.test(error.message))
      return failure(new ServerError(15, 'the command nests too deeply'));
    return failure(new ServerError(1, `an unexpected error: ${error instanceof Error ? error.message : String(error)}`));
  }
};

export { failure };
