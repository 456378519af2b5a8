import { checkFieldPath, splitPath } from '../bson/paths.js';
import { Arr, bsonTypeName, Doc, show, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import { PAUSE, type Source } from '../execution/source.js';
import { currentCollation, sameCollation, withCollation } from '../query/collation.js';
import { checkVariableName } from '../query/expressions/compile.js';
import { compileExpression, withVariables } from '../query/expressions/expressions.js';
import type { Variables } from '../query/expressions/scope.js';
import type { Filter } from '../query/filter.js';
import { applyUpdate, compileUpdate, toInsert, type Update } from '../query/update.js';
import { duplicateKey, readIndex, readyIndexes, temporaryName, type Collection } from '../storage/store.js';
import type { Node } from './call.js';
import { Pace } from './cursors.js';
import { Fields } from './fields.js';
import { checkCollectionName, checkDatabase, collectionOf, existing, newCollection, noView } from './namespaces.js';
import { matching } from './reading.js';
import { refuseTimeSeries } from './time-series.js';
import { validate } from './validation.js';
import { forWriting } from './write-statements.js';

export type Target = (node: Node, source: Source, pace: Pace, bypassed: boolean) => Promise<void>;

/**
 * Implements `$out`: a new collection with the options and indexes of the old one is filled beside it, and then takes its name atomically.
 * Readers see the old one or the new one; if the pipeline fails, the old one stays.
 */
export const replaceCollection = async (
  node: Node,
  database: string,
  name: string,
  source: Source,
  pace: Pace,
  bypassed: boolean,
): Promise<void> => {
  const temporary = temporaryName();
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

/** Documents that `$merge` and `$out` store in one transaction. */
const BATCH = 50;

/** Runs a source to its end, in groups of documents. */
export const inBatches = async (source: Source, pace: Pace, store: (docs: readonly Doc[]) => Promise<void>): Promise<void> => {
  let batch: Doc[] = [];
  for (let step = pace.run(() => source.next()); !step.done; step = pace.run(() => source.next())) {
    const row = step.value;
    if (row === PAUSE) {
      await pace.pause();
      continue;
    }
    batch.push(row);
    if (batch.length < BATCH) continue;
    await store(batch);
    batch = [];
  }
  if (batch.length) await store(batch);
};

/** Where `$out` and `$merge` write their documents. */
/** @param variables those of the command, available to `let` and `whenMatched` */
export const parseTarget = (stage: string, spec: Value, database: string, variables: Variables): Target => {
  if (stage === '$merge' && spec instanceof Doc && !spec.has('into'))
    throw new ServerError(40414, `BSON field '$merge.into' is missing but a required field`);
  const into = stage === '$out' ? spec : spec instanceof Doc ? spec.get('into') : spec;
  let name: Value | undefined = into;
  let otherDatabase = database;
  if (into instanceof Doc) {
    const fields = new Fields(stage, into).only(stage === '$out' ? ['db', 'coll', 'timeseries'] : ['db', 'coll']);
    name = fields.string('coll');
    if (stage === '$merge' && name === undefined)
      throw new ServerError(5786801, "$merge 'into' field must specify a 'coll' that is not empty, null or undefined");
    const given = fields.string('db');
    if (stage === '$out') {
      fields.need(given, 'db');
      fields.need(name, 'coll');
      refuseTimeSeries(fields, false);
    }
    otherDatabase = given === undefined || (stage === '$merge' && !given) ? database : given;
  }
  if (typeof name !== 'string')
    throw new ServerError(
      stage === '$out' ? 16990 : 51178,
      `${stage} only supports a string or object argument, but found ${bsonTypeName(into)}`,
    );
  if (stage === '$merge' && !name && spec instanceof Doc) throw new ServerError(5786800, "$merge 'into' field cannot be an empty string");
  if (stage === '$out' && (name.includes('$') || Buffer.byteLength(`${otherDatabase}.${name}`) > 255)) {
    checkDatabase(otherDatabase);
    throw new ServerError(20, `Cannot $out to '${otherDatabase}.${name}': no collection may have this name`);
  }
  const collectionName = checkCollectionName(otherDatabase, name);
  if (collectionName.startsWith('system.'))
    throw new ServerError(stage === '$out' ? 17385 : 31319, `Can't ${stage} to special collection: ${name}`);
  if (['admin', 'config', 'local'].includes(otherDatabase))
    throw new ServerError(stage === '$out' ? 31321 : 31320, `Cannot ${stage} to internal database: ${otherDatabase}`);
  if (stage === '$out')
    return (node, source, pace, bypassed) => replaceCollection(node, otherDatabase, collectionName, source, pace, bypassed);
  const fields = new Fields('$merge', spec instanceof Doc ? spec : Doc.empty).only(['into', 'on', 'let', 'whenMatched', 'whenNotMatched']);
  const given = fields.doc.get('on');
  const on =
    given === undefined ? ['_id'] : typeof given === 'string' ? [given] : given instanceof Arr ? (given.values as string[]) : undefined;
  if (!on) throw new ServerError(51186, `$merge 'on' field must be either a string or an array of strings`);
  if (!on.length) throw new ServerError(51187, "If explicitly specifying $merge 'on', must include at least one field");
  if (on.some((path) => typeof path !== 'string')) throw new ServerError(51134, "$merge 'on' array elements must be strings");
  on.forEach(checkFieldPath);
  if (new Set(on).size !== on.length) throw new ServerError(31465, "Found a duplicate field in $merge's 'on'");
  const whenMatched = fields.doc.has('whenMatched') ? (fields.doc.get('whenMatched') as Value) : 'merge';
  if (typeof whenMatched !== 'string' && !(whenMatched instanceof Arr))
    throw new ServerError(51191, `$merge 'whenMatched' field must be either a string or an array, but found ${bsonTypeName(whenMatched)}`);
  const whenNotMatched = fields.string('whenNotMatched') ?? 'insert';
  if (!(whenMatched instanceof Arr) && !['replace', 'keepExisting', 'merge', 'fail'].includes(whenMatched))
    throw badValue(`Enumeration value '${show(whenMatched)}' for field 'whenMatched' is not a valid value.`);
  if (!['insert', 'discard', 'fail'].includes(whenNotMatched))
    throw badValue(`Enumeration value '${whenNotMatched}' for field '$merge.whenNotMatched' is not a valid value.`);
  const lets = fields.document('let');
  if (lets && !(whenMatched instanceof Arr))
    throw new ServerError(51199, `Cannot use 'let' variables with 'whenMatched: ${show(whenMatched)}' mode`);
  if (lets?.has('new')) throw new ServerError(51273, "'let' may not define a value for the reserved 'new' variable");
  const mode = whenMatched instanceof Arr ? 'pipeline' : whenMatched;
  if ((mode === 'fail' && whenNotMatched !== 'insert') || (mode === 'keepExisting' && whenNotMatched !== 'insert'))
    throw new ServerError(
      51181,
      `Combination of $merge modes 'whenMatched: ${mode}' and 'whenNotMatched: ${whenNotMatched}' is not supported`,
    );
  lets?.keys.forEach(checkVariableName);
  const letNames = lets ? lets.keys : ['new'];
  const outer = Object.keys(variables);
  const letValues = withVariables(outer, () => (lets ? lets.values : ['$$ROOT']).map((value) => compileExpression(value)));
  const names = [...outer, ...letNames];
  const collation = currentCollation();
  const pipelineUpdate =
    whenMatched instanceof Arr
      ? (bound: Variables) => withCollation(collation, () => withVariables(names, () => compileUpdate(whenMatched, { variables: bound })))
      : undefined;
  if (pipelineUpdate) withVariables(names, () => compileUpdate(whenMatched as Value, {}));
  const byId = on.length === 1 && on[0] === '_id';
  /** @throws ServerError 51183 if no index guarantees that at most one document has these values */
  const checkUnique = (collection: Collection | undefined): void => {
    const unique =
      (byId && sameCollation(collation, collection?.collation)) ||
      (collection ? readyIndexes(collection) : []).some(
        (index) =>
          index.unique &&
          !index.partial &&
          sameCollation(collation, index.collation) &&
          index.fields.length === on.length &&
          index.fields.every(({ path }) => on.includes(path)),
      );
    if (!unique) throw new ServerError(51183, 'Cannot find index to verify that join fields will be unique');
  };
  return async (node, source, pace, bypassed) => {
    const before = node.store.snapshot();
    try {
      checkUnique(noView(collectionOf(before, otherDatabase, collectionName)));
    } finally {
      before.close();
    }
    const store = (docs: readonly Doc[]): Promise<void> =>
      node.store.write((writer) => {
        checkUnique(forWriting(writer, otherDatabase, collectionName));
        /** An existing document does not prevent the others from being inserted. */
        let duplicate: ServerError | undefined;
        for (const doc of docs) {
          const collection = existing(writer, otherDatabase, collectionName);
          const whole = byId ? toInsert(doc) : doc;
          const parts: Filter[] = on.map((path) => {
            const operand = splitPath(path).reduce<Value | undefined>(
              (value, part) => (value instanceof Doc ? value.get(part) : undefined),
              whole,
            );
            if (operand === undefined || operand === null || operand instanceof Arr)
              throw new ServerError(51132, `$merge write error: 'on' field cannot be missing, null, undefined or an array`);
            return { op: 'compare', path, relation: 'eq', operand, collation };
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
          if (whenMatched === 'fail') {
            duplicate ??= duplicateKey(collection, '_id_', ['_id'], Doc.from({ _id: 1 }), [old.get('_id') as Value]);
            continue;
          }
          if (whenMatched === 'keepExisting') continue;
          const bound: Record<string, Value | undefined> = { ...variables };
          letNames.forEach(
            (key, index) =>
              (bound[key] = (letValues[index] as (typeof letValues)[number])(whole, {
                ...variables,
                ROOT: whole,
                CURRENT: whole,
              })),
          );
          const update_: Update = pipelineUpdate
            ? pipelineUpdate(bound)
            : whenMatched === 'replace'
              ? () => (whole.has('_id') ? whole : Doc.of(['_id', ...whole.keys], [old.get('_id') as Value, ...whole.values]))
              : (doc_) => whole.keys.reduce((merged, key, index) => merged.with(key, whole.values[index] as Value), doc_);
          const after = applyUpdate(update_, old, { inserting: false, filter, now: Date.now() });
          if (after === old) continue;
          validate(collection, after, bypassed, old);
          writer.replace(collection, old, after);
        }
        if (duplicate) throw duplicate;
      });
    await inBatches(source, pace, store);
  };
};
