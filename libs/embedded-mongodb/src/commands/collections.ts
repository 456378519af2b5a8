import { Arr, Binary, Doc, encode, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import { compilePipeline } from '../execution/pipeline.js';
import { compileFilter, parseFilter } from '../query/filter.js';
import { fieldsOf, ok, type Command, type Handler } from './call.js';
import { answerWithCursor, cursorBatch, listed } from './cursor-commands.js';
import { typeError } from './fields.js';
import { modifyIndex } from './indexes.js';
import {
  checkCollectionName,
  checkDatabase,
  checkViewCollation,
  collectionOf,
  existing,
  idIndexOf,
  indexSpecs,
  newCollection,
  noView,
  target,
} from './namespaces.js';
import { checkValidation, createOptions } from './validation.js';

const create: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  const collation = fields.collation();
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
  const settings = Doc.of(
    keys,
    keys.map((key) => call.command.get(key) as Value),
  );
  const options = collation ? settings.with('collation', collation.spec) : settings;
  checkValidation(options);
  const viewOn = fields.string('viewOn');
  const pipeline = fields.documents('pipeline');
  if (viewOn === '') throw badValue(`'viewOn' cannot be empty`);
  if (viewOn !== undefined && keys.length) throw new ServerError(72, `option not supported on a view: ${keys[0] as string}`);
  if (pipeline && viewOn === undefined) throw new ServerError(72, `'pipeline' requires 'viewOn' to also be specified`);
  if (pipeline) compilePipeline(Arr.of(pipeline));
  return call.node.store.write((writer) => {
    const known = collectionOf(writer, call.database, name);
    const base = viewOn === undefined ? undefined : collectionOf(writer, call.database, viewOn);
    if (base?.view) checkViewCollation(base, collation ?? undefined);
    if (known) {
      if (encode(known.options).equals(encode(options)) && !known.view && viewOn === undefined) return ok();
      throw new ServerError(48, `Collection ${call.database}.${name} already exists.`);
    }
    newCollection(writer, call.database, name, options, viewOn === undefined ? undefined : { on: viewOn, pipeline: pipeline ?? [] });
    return ok();
  });
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
