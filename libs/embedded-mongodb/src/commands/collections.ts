import { Arr, Binary, Doc, encode, encodedLength, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import { compilePipeline } from '../execution/pipeline.js';
import { withoutTime } from '../query/expressions/expressions.js';
import { compileFilter, parseFilter } from '../query/filter.js';
import { statisticsOf, type Collection, type Reader } from '../storage/store.js';
import { fieldsOf, ok, type Command, type Handler } from './call.js';
import { answerWithCursor, cursorBatch, listed } from './cursor-commands.js';
import { DEFAULT_BATCH } from './cursors.js';
import { typeError, type Fields } from './fields.js';
import { checkIdIndex, modifyIndex } from './indexes.js';
import {
  checkDatabase,
  checkViewCollation,
  collectionOf,
  existing,
  idIndexOf,
  indexSpecs,
  newCollection,
  noView,
  partsOfNamespace,
  target,
} from './namespaces.js';
import { refuseTimeSeries } from './time-series.js';
import { checkValidation, createOptions } from './validation.js';

const create: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  const collation = fields.collation();
  for (const key of ['capped', 'temp']) fields.boolean(key);
  if (fields.doc.has('viewOn'))
    for (const key of ['timeseries', 'idIndex', 'storageEngine'])
      if ((fields.doc.get(key) ?? null) !== null) throw new ServerError(72, `option not supported on a view: ${key}`);
  const idIndex = fields.document('idIndex');
  for (const key of ['timeseries', 'clusteredIndex'])
    if (idIndex && fields.doc.has(key)) throw new ServerError(72, `The '${key}' option is not supported with the 'idIndex' option`);
  refuseTimeSeries(fields, true);
  for (const key of [
    'capped',
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
  if (idIndex) checkIdIndex(idIndex, collation ?? undefined);
  const keys = createOptions.filter((key) => call.command.has(key));
  const settings = Doc.of(
    keys,
    keys.map((key) => call.command.get(key) as Value),
  );
  const options = collation ? settings.with('collation', collation.spec) : settings;
  checkValidation(options);
  if (settings.has('validator')) checkMayValidate(call.database, name);
  const viewOn = fields.string('viewOn');
  const pipeline = pipelineIn(fields);
  if (viewOn === '') throw badValue(`'viewOn' cannot be empty`);
  if (viewOn !== undefined && keys.length) throw new ServerError(72, `option not supported on a view: ${keys[0] as string}`);
  if (pipeline && viewOn === undefined) throw new ServerError(72, `'pipeline' requires 'viewOn' to also be specified`);
  if (pipeline) checkViewPipeline(pipeline);
  return call.node.store.write((writer) => {
    const known = collectionOf(writer, call.database, name);
    const base = viewOn === undefined ? undefined : collectionOf(writer, call.database, viewOn);
    if (base?.view) checkViewCollation(base, collation ?? undefined);
    if (known) {
      if (encode(known.options).equals(encode(options)) && !known.view && viewOn === undefined) return ok();
      throw new ServerError(48, `Collection ${call.database}.${name} already exists.`);
    }
    const view = viewOn === undefined ? undefined : { on: viewOn, pipeline: pipeline ?? [] };
    if (view) checkViewGraph(writer, call.database, name, view);
    newCollection(writer, call.database, name, options, view);
    return ok();
  });
};

type View = NonNullable<Collection['view']>;

/** The stages of a view; null ones are ignored. */
const pipelineIn = (fields: Fields): readonly Doc[] | undefined =>
  fields
    .array('pipeline')
    ?.filter((stage) => stage !== null)
    .map((stage, index) => {
      if (!(stage instanceof Doc)) throw typeError(`${fields.name}.pipeline.${index}`, stage, 'object');
      return stage;
    });

/** @throws ServerError if a view cannot have a stage, or the stage is malformed */
const checkViewPipeline = (pipeline: readonly Doc[]): void => {
  for (const { size, firstKey: name } of pipeline) {
    if (size !== 1) continue;
    if (name === '$out' || name === '$merge')
      throw new ServerError(167, `The aggregation stage ${name} cannot be used in a view definition`);
    if (name === '$documents') throw new ServerError(73, `${name} is about no collection, and cannot be used in a view definition`);
  }
  compilePipeline(Arr.of(pipeline));
};

/** The collections that a pipeline reads in addition to its own. */
const readBy = (pipeline: readonly Value[]): readonly string[] =>
  pipeline.flatMap((stage): readonly string[] => {
    if (!(stage instanceof Doc)) return [];
    const spec = stage.values[0];
    if (typeof spec === 'string') return stage.firstKey === '$unionWith' ? [spec] : [];
    if (!(spec instanceof Doc)) return [];
    if (stage.firstKey === '$facet') return spec.values.flatMap((inner) => (inner instanceof Arr ? readBy(inner.values) : []));
    if (!['$lookup', '$graphLookup', '$unionWith'].includes(stage.firstKey)) return [];
    const [from, inner] = [spec.get('from') ?? spec.get('coll'), spec.get('pipeline')];
    return [...(typeof from === 'string' ? [from] : []), ...(inner instanceof Arr ? readBy(inner.values) : [])];
  });

/** Limits for new views: nesting depth (one more than can be read), and total size of the pipelines. */
const [MOST_VIEWS, MOST_BYTES] = [20, 16_000_000];

/** @throws ServerError 5 if a view would read itself, 165 or 195 if it is nested too deep or too large */
const checkViewGraph = (reader: Reader, database: string, name: string, view: View): void => {
  const seen = new Map<string, { readonly views: number; readonly bytes: number }>();
  const visit = ({ on, pipeline }: View): { readonly views: number; readonly bytes: number } => {
    let [views, bytes] = [0, 0];
    for (const other of [on, ...readBy(pipeline)]) {
      if (other === name) throw new ServerError(5, `View cycle detected: ${database}.${name} reads itself`);
      const next = collectionOf(reader, database, other)?.view;
      const below = seen.get(other) ?? (next ? visit(next) : { views: 0, bytes: 0 });
      seen.set(other, below);
      views = Math.max(views, below.views);
      bytes = Math.max(bytes, below.bytes);
    }
    if (++views > MOST_VIEWS) throw new ServerError(165, `View depth limit exceeded; maximum depth is ${MOST_VIEWS}`);
    bytes += pipeline.reduce((sum, stage) => sum + encodedLength(stage), 0);
    if (bytes > MOST_BYTES) throw new ServerError(195, `View pipeline exceeds maximum size; maximum size is ${MOST_BYTES}`);
    return { views, bytes };
  };
  visit(view);
};

/** @throws ServerError 72 if a collection cannot have a validator */
const checkMayValidate = (database: string, name: string): void => {
  if (['admin', 'config', 'local'].includes(database) || name.startsWith('system.'))
    throw new ServerError(72, `Document validators are not allowed on ${database}.${name}`);
};

const collMod: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  for (const key of ['changeStreamPreAndPostImages', 'timeseries', 'cappedSize', 'cappedMax', 'dryRun']) fields.refuse(key);
  if (call.command.has('expireAfterSeconds'))
    throw new ServerError(72, `'expireAfterSeconds' is only supported on time-series collections and clustered collections`);
  const change = fields.document('index');
  const viewOn = fields.string('viewOn');
  const pipeline = pipelineIn(fields);
  const settings = createOptions.filter((key) => (call.command.get(key) ?? null) !== null);
  return call.node.store.write((writer) => {
    const collection = existing(writer, call.database, name);
    if (collection.view) {
      if (change || settings.length)
        throw new ServerError(72, change ? 'cannot modify an index on a view' : 'cannot modify validation options on a view');
      if (pipeline) checkViewPipeline(pipeline);
      const view = { on: viewOn ?? collection.view.on, pipeline: pipeline ?? collection.view.pipeline };
      checkViewGraph(writer, call.database, name, view);
      if (viewOn !== undefined || pipeline) writer.saveCollection({ ...collection, view });
      return ok();
    }
    if (viewOn !== undefined || pipeline)
      throw new ServerError(72, `'${viewOn === undefined ? 'pipeline' : 'viewOn'}' option only supported on a view`);
    let { options } = collection;
    for (const key of settings) options = options.with(key, call.command.get(key) as Value);
    checkValidation(options);
    if (settings.includes('validator')) checkMayValidate(call.database, name);
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
    // Since version 7, the server reports success for dropping something that does not exist.
    if (!collection) return ok();
    writer.dropCollection(collection);
    return ok({ nIndexesWas: collection.view ? undefined : indexSpecs(collection).length, ns: `${call.database}.${name}` });
  });
};

const dropDatabase: Handler = async ({ node, database, command }) => {
  checkDatabase(database);
  if (Number(command.get('dropDatabase')) !== 1) throw new ServerError(5255100, 'Have to pass 1 as dropDatabase parameter');
  if (database === 'admin') throw new ServerError(20, `Dropping the 'admin' database is prohibited.`);
  return node.store.write((writer) => {
    const collections = [...writer.catalog.collections.values()].filter((collection) => collection.database === database);
    for (const collection of collections) writer.dropCollection(collection);
    return ok({ dropped: collections.length ? database : undefined });
  });
};

const renameCollection: Handler = async (call) => {
  const from = call.command.get('renameCollection');
  const to = call.command.get('to');
  if (typeof from !== 'string' || typeof to !== 'string')
    throw typeError('renameCollection.to', typeof from === 'string' ? to : from, 'string');
  const dropTarget = fieldsOf(call).boolean('dropTarget');
  const [fromDatabase, fromName] = partsOfNamespace(from);
  const [toDatabase, toName] = partsOfNamespace(to);
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
  const filter = withoutTime(() => compileFilter(parseFilter(fields.document('filter') ?? Doc.empty)));
  const nameOnly = fields.flag('nameOnly');
  fields.flag('authorizedCollections');
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
              options: Doc.from({
                viewOn: collection.view.on,
                pipeline: Arr.of(collection.view.pipeline),
                collation: collection.collation?.spec,
              }),
              info: Doc.from({ readOnly: true }),
            })
          : Doc.from({
              name: collection.name,
              type: 'collection',
              options: collection.options,
              info: Doc.from({ readOnly: false, uuid: new Binary(4, collection.uuid) }),
              idIndex: idIndexOf(collection),
            }),
      )
      // The filter applies to what is listed.
      .map((doc) => (nameOnly ? Doc.from({ name: doc.get('name'), type: doc.get('type') }) : doc))
      .filter(filter);
    return await answerWithCursor(
      call,
      `${database}.$cmd.listCollections`,
      snapshot,
      listed(found),
      cursorBatch(fields.document('cursor'), 'listCollections', DEFAULT_BATCH, 2),
      false,
    );
  } catch (error) {
    snapshot.close();
    throw error;
  }
};

const listDatabases: Handler = (call) => {
  const fields = fieldsOf(call);
  const filter = withoutTime(() => compileFilter(parseFilter(fields.document('filter') ?? Doc.empty)));
  const nameOnly = fields.boolean('nameOnly');
  const snapshot = call.node.store.snapshot();
  try {
    const sizes = new Map<string, number>();
    for (const collection of snapshot.catalog.collections.values())
      sizes.set(collection.database, (sizes.get(collection.database) ?? 0) + statisticsOf(snapshot, collection).bytes);
    const found = [...sizes]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, bytes]) => (nameOnly ? Doc.from({ name }) : Doc.from({ name, sizeOnDisk: BigInt(bytes), empty: false })));
    const databases = Arr.of(found.filter(filter));
    if (nameOnly) return ok({ databases });
    const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
    return ok({ databases, totalSize: BigInt(total), totalSizeMb: BigInt(Math.floor(total / 1024 / 1024)) });
  } finally {
    snapshot.close();
  }
};

export const collectionCommands: Readonly<Record<string, Command>> = {
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
      'idIndex',
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
  renameCollection: { fields: ['to', 'dropTarget', 'stayTemp'], adminOnly: true, run: renameCollection },
  listCollections: { fields: ['filter', 'nameOnly', 'authorizedCollections', 'cursor'], run: listCollections },
  listDatabases: { fields: ['filter', 'nameOnly', 'authorizedDatabases'], adminOnly: true, run: listDatabases },
};
