import { statfsSync } from 'node:fs';
import { isTrue } from '../bson/order.js';
import { Arr, Binary, bsonTypeName, checkDocument, Doc, Double, MAX_DOCUMENT_BYTES, show, type Value } from '../bson/values.js';
import { badValue, DamagedRecordError, ServerError } from '../errors.js';
import {
  indexKeys,
  indexPrefix,
  namespaceOf,
  readyIndexes,
  recordPrefix,
  statisticsOf,
  type Collection,
  type Entry,
} from '../storage/store.js';
import { MAX_MESSAGE_BYTES } from '../wire/messages.js';
import { handshakeOf } from './authentication.js';
import { fieldsOf, hostOf, MAX_BATCH, now, ok, paceOf, VERSION, type Command, type Handler, type Node } from './call.js';
import { Fields } from './fields.js';
import { hostDescription } from './host.js';
import { checkDatabase, collectionOf, existing, noView, partsOfNamespace, target, idIndexOf, indexSpecs } from './namespaces.js';
import { SESSION_MINUTES } from './sessions.js';
import { numberValue, rangeOf, scaleOf, storageStatistics } from './statistics.js';

/** The wire version of VERSION. */
const MAX_WIRE_VERSION = 25;

/** How long a session may be idle. No session state is kept here, so none ends earlier. */

const hello: Handler = ({ node, connection, command }) => {
  const legacy = command.keys[0] !== 'hello';
  return ok({
    helloOk: command.get('helloOk') === true ? true : undefined,
    [legacy ? 'ismaster' : 'isWritablePrimary']: true,
    maxBsonObjectSize: MAX_DOCUMENT_BYTES,
    maxMessageSizeBytes: MAX_MESSAGE_BYTES,
    maxWriteBatchSize: MAX_BATCH,
    localTime: now(),
    connectionId: connection.id,
    // Like a genuine standalone server: sessions, but no transactions or retryable writes.
    logicalSessionTimeoutMinutes: SESSION_MINUTES,
    minWireVersion: 0,
    maxWireVersion: MAX_WIRE_VERSION,
    readOnly: false,
    ...handshakeOf(node.verifiers, connection, command),
  });
};

const buildInfo: Handler = () =>
  ok({
    version: VERSION,
    gitVersion: 'embedded',
    modules: Arr.of(['embedded']),
    allocator: 'node',
    javascriptEngine: 'none',
    sysInfo: 'deprecated',
    versionArray: Arr.of([...VERSION.split('.').map(Number), 0]),
    bits: 64,
    debug: false,
    openssl: Doc.from({ running: `OpenSSL ${process.versions.openssl}`, compiled: `OpenSSL ${process.versions.openssl}` }),
    maxBsonObjectSize: MAX_DOCUMENT_BYTES,
    storageEngines: Arr.of(['lmdb']),
  });

const collStats: Handler = (call) => {
  const name = target(call);
  const snapshot = call.node.store.snapshot();
  try {
    const stats = storageStatistics(snapshot, call.database, name, scaleOf(fieldsOf(call)));
    return ok({ ns: `${call.database}.${name}`, ...stats });
  } finally {
    snapshot.close();
  }
};

/** Reads a whole collection: each document's checksum and BSON, and whether each index contains exactly the entries of the documents. */
const validate: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  const wants = (key: string): boolean => isTrue(call.command.get(key) ?? null);
  const [metadata, conformance] = [wants('metadata'), wants('checkBSONConformance')];
  for (const key of ['full', 'background', 'repair', 'checkBSONConformance'])
    if (metadata && wants(key))
      throw new ServerError(72, `Running the validate command with both { metadata: true } and { ${key}: true } is not supported`);
  if (conformance && wants('repair'))
    throw new ServerError(
      72,
      'Running the validate command with both { checkBSONConformance: true } and { repair: true } is not supported',
    );
  if (wants('background')) throw new ServerError(115, 'Running validate with { background: true } is not supported by this node');
  const pace = paceOf(call);
  const snapshot = call.node.store.snapshot();
  try {
    const collection = noView(existing(snapshot, call.database, name)) as Collection;
    const indexes = readyIndexes(collection);
    const keys = new Map<number, number>(indexes.map(({ number }) => [number, 0]));
    const errors: string[] = [];
    const missing: Doc[] = [];
    const report = (message: string): void => void (errors.length < MOST_ERRORS && errors.push(message));
    let records = 0;
    let corrupt = 0;
    const check = ({ key, value }: Entry): void => {
      const idKey = key.subarray(recordPrefix(collection).length);
      checkDocument(value, 0, value.length);
      const doc = Doc.read(value);
      for (const index of indexes) {
        const found = indexKeys(index, doc, idKey, snapshot.texts(index)).keys;
        keys.set(index.number, (keys.get(index.number) as number) + found.length);
        for (const entry of found) {
          if (snapshot.get(entry)?.equals(idKey)) continue;
          if (missing.length < MOST_ERRORS) missing.push(Doc.from({ indexName: index.name, _id: doc.get('_id') }));
          report(`index ${index.name} lacks an entry of the document with _id ${show(doc.get('_id') as Value)}`);
        }
      }
    };
    const { start: first, end } = rangeOf(recordPrefix(collection));
    for (let start: Buffer | undefined = first; start;) {
      const from: Buffer = start;
      start = undefined;
      try {
        for (const entry of snapshot.entries({ start: from, end })) {
          records++;
          try {
            check(entry);
          } catch (error) {
            if (!(error instanceof ServerError)) throw error;
            corrupt++;
            report(error.message);
          }
          if (records % 128 === 0) await pace.pause();
        }
      } catch (error) {
        if (!(error instanceof DamagedRecordError)) throw error;
        records++;
        corrupt++;
        report(error.message);
        // The documents behind it may be intact.
        start = Buffer.concat([error.key, Buffer.from([0])]);
      }
    }
    const details = indexes.map((index) => {
      const extra = snapshot.count(rangeOf(indexPrefix(index))) - (keys.get(index.number) as number);
      if (extra > 0) report(`index ${index.name} has ${extra} entries that no document accounts for`);
      return {
        name: index.name,
        keys: keys.get(index.number) as number,
        spec: index.spec,
        valid: extra <= 0 && !missing.some((entry) => entry.get('indexName') === index.name),
      };
    });
    // Intact data needs no repair, and damaged data cannot be guessed.
    if (errors.length) fields.refuse('repair', (value) => !isTrue(value));
    return ok({
      ns: namespaceOf(collection),
      uuid: new Binary(4, collection.uuid),
      nInvalidDocuments: metadata ? undefined : corrupt,
      nNonCompliantDocuments: metadata ? undefined : 0,
      nrecords: metadata ? undefined : numberValue(records),
      nIndexes: indexSpecs(collection).length,
      keysPerIndex: Doc.from({
        _id_: numberValue(records),
        ...Object.fromEntries(details.map((detail) => [detail.name, numberValue(detail.keys)])),
      }),
      indexDetails: Doc.from({
        _id_: Doc.from({ valid: corrupt === 0, spec: idIndexOf(collection) }),
        ...Object.fromEntries(details.map((detail) => [detail.name, Doc.from({ valid: detail.valid, spec: detail.spec })])),
      }),
      valid: errors.length === 0,
      repaired: false,
      repairMode: wants('repair') ? 'FixErrors' : wants('fixMultikey') ? 'AdjustMultikey' : 'None',
      warnings: Arr.empty,
      errors: Arr.of(errors),
      extraIndexEntries: Arr.empty,
      missingIndexEntries: Arr.of(missing),
      corruptRecords: Arr.empty,
    });
  } finally {
    snapshot.close();
  }
};

/** The most faults that `validate` reports. */
const MOST_ERRORS = 100;

const dbStats: Handler = (call) => {
  checkDatabase(call.database);
  const fields = fieldsOf(call);
  const scale = Math.min(fields.count('scale', 2) ?? 1, Number.MAX_SAFE_INTEGER);
  if (scale < 1) throw badValue('Scale factor must be greater than zero');
  // Storage size is the size of the documents: no free space is counted.
  const free = fields.boolean('freeStorage') ? new Double(0) : undefined;
  const snapshot = call.node.store.snapshot();
  try {
    let [collections, views, objects, bytes, indexes] = [0, 0, 0, 0, 0];
    for (const collection of snapshot.catalog.collections.values()) {
      if (collection.database !== call.database) continue;
      if (collection.view) {
        views++;
        continue;
      }
      const statistics = statisticsOf(snapshot, collection);
      collections++;
      objects += statistics.documents;
      bytes += statistics.bytes;
      indexes += indexSpecs(collection).length;
    }
    return ok({
      db: call.database,
      collections: BigInt(collections),
      views: BigInt(views),
      objects: BigInt(objects),
      avgObjSize: new Double(objects ? bytes / objects : 0),
      dataSize: new Double(bytes / scale),
      storageSize: new Double(bytes / scale),
      freeStorageSize: free,
      indexes: BigInt(indexes),
      indexSize: new Double(0),
      indexFreeStorageSize: free,
      totalSize: new Double(bytes / scale),
      totalFreeStorageSize: free,
      scaleFactor: BigInt(scale),
      ...fileSystem(call.node.directory, scale),
    });
  } finally {
    snapshot.close();
  }
};

/** The size of a collection's documents. */
const dataSize: Handler = (call) => {
  const fields = fieldsOf(call);
  const [database, name] = partsOfNamespace(fields.need(fields.string('dataSize'), 'dataSize'));
  const bounds = [fields.document('min'), fields.document('max')];
  fields.document('keyPattern');
  const estimate = fields.boolean('estimate');
  if (bounds.some(Boolean)) {
    if (!bounds.every(Boolean)) throw badValue('only one of min or max specified');
    for (const key of ['min', 'max']) fields.refuse(key);
  }
  const snapshot = call.node.store.snapshot();
  try {
    const collection = noView(collectionOf(snapshot, database, name));
    const { documents, bytes } = collection ? statisticsOf(snapshot, collection) : { documents: 0, bytes: 0 };
    return ok({ estimate, size: BigInt(bytes), numObjects: BigInt(documents), millis: 0 });
  } finally {
    snapshot.close();
  }
};

const fileSystem = (directory: string, scale: number): Readonly<Record<string, Value>> => {
  const { bsize, blocks, bfree } = statfsSync(directory);
  return { fsUsedSize: new Double(((blocks - bfree) * bsize) / scale), fsTotalSize: new Double((blocks * bsize) / scale) };
};

const serverStatus: Handler = ({ node }) => {
  const { current, total } = node.connections();
  const uptime = (Date.now() - node.startedAt) / 1000;
  const { rss, heapUsed } = process.memoryUsage();
  return ok({
    host: hostOf(node),
    version: VERSION,
    process: 'embedded-mongodb',
    pid: BigInt(process.pid),
    uptime: new Double(Math.floor(uptime)),
    uptimeMillis: BigInt(Math.floor(uptime * 1000)),
    localTime: now(),
    connections: Doc.from({ current, available: 100_000 - current, totalCreated: total }),
    opcounters: Doc.from(
      Object.fromEntries(
        ['insert', 'query', 'update', 'delete', 'getmore', 'command'].map((name) => [name, numberValue(node.counters.get(name) ?? 0)]),
      ),
    ),
    mem: Doc.from({
      bits: 64,
      resident: Math.floor(rss / 1048576),
      virtual: Math.floor(rss / 1048576),
      heap: Math.floor(heapUsed / 1048576),
    }),
    metrics: Doc.from({
      ttl: Doc.from({
        deletedDocuments: BigInt(node.counters.get('ttl.deletedDocuments') ?? 0),
        passes: BigInt(node.counters.get('ttl.passes') ?? 0),
      }),
      cursor: Doc.from({ open: Doc.from({ total: BigInt(node.cursors.size) }) }),
    }),
    storageEngine: Doc.from({ name: 'lmdb', supportsCommittedReads: true, persistent: true }),
  });
};

/** The logs that a client may request; they are always empty. */
const logs = ['global', 'startupWarnings'];

const getLog: Handler = (call) => {
  const name = fieldsOf(call).need(call.command.values[0] ?? undefined, 'getLog');
  if (name === '*') return ok({ names: Arr.of(logs) });
  if (typeof name !== 'string')
    throw new ServerError(14, `Argument to getLog must be of type String; found ${show(name)} of type ${bsonTypeName(name)}`);
  if (!logs.includes(name)) throw new ServerError(96, `No log named '${name}'`);
  return ok({ totalLinesWritten: 0, log: Arr.empty });
};

/** The server's parameters that apply here, with their values. */
const parametersOf = ({ cursors, ttlMonitorSleepSecs, verifiers }: Node): Readonly<Record<string, Value>> => ({
  authenticationMechanisms: Arr.of(verifiers.length > 0 ? ['SCRAM-SHA-256'] : []),
  cursorTimeoutMillis: BigInt(cursors.idleMs),
  featureCompatibilityVersion: Doc.from({ version: VERSION.split('.').slice(0, 2).join('.') }),
  ttlMonitorEnabled: true,
  ttlMonitorSleepSecs: numberValue(ttlMonitorSleepSecs),
});

const getParameter: Handler = (call) => {
  const [asked, ...names] = call.command.keys.map((key, index) => (index ? key : call.command.values[0]));
  const parameters = parametersOf(call.node);
  const options = asked instanceof Doc ? new Fields('getParameter', asked).only(['allParameters', 'showDetails', 'setAt']) : undefined;
  const all = asked === '*' || options?.boolean('allParameters');
  const details = options?.boolean('showDetails');
  // All of them are set at the start and never change.
  const none = options?.oneOf('setAt', ['runtime', 'startup']) === 'runtime';
  const found = Object.keys(parameters).filter((name) => !none && (all || names.includes(name)));
  if (!found.length) throw new ServerError(72, 'no option found to get');
  return ok(
    Object.fromEntries(
      found.map((name) => [
        name,
        details ? Doc.from({ value: parameters[name], settableAtRuntime: false, settableAtStartup: true }) : parameters[name],
      ]),
    ),
  );
};

export const diagnosticCommands: Readonly<Record<string, Command>> = {
  hello: {
    fields: [
      'hello',
      'client',
      'compression',
      'helloOk',
      'loadBalanced',
      'saslSupportedMechs',
      'speculativeAuthenticate',
      'topologyVersion',
      'maxAwaitTimeMS',
      'backpressure',
    ],
    run: hello,
  },
  ping: { fields: [], run: () => ok() },
  buildInfo: { fields: [], run: buildInfo },
  getLog: { fields: [], adminOnly: true, run: getLog },
  getParameter: { fields: 'any', adminOnly: true, run: getParameter },
  getCmdLineOpts: {
    fields: [],
    adminOnly: true,
    run: () => ok({ argv: Arr.of(['embedded-mongodb']), parsed: Doc.empty }),
  },
  replSetGetStatus: {
    fields: 'any',
    adminOnly: true,
    run: () => {
      throw new ServerError(76, 'not running with --replSet');
    },
  },
  whatsmyuri: { fields: 'any', run: ({ connection }) => ok({ you: connection.peer }) },
  hostInfo: { fields: [], run: () => ok(hostDescription()) },
  serverStatus: { fields: 'any', run: serverStatus },
  collStats: { fields: ['scale'], run: collStats },
  validate: {
    fields: ['full', 'background', 'repair', 'fixMultikey', 'checkBSONConformance', 'metadata', 'scandata', 'enforceFastCount'],
    run: validate,
  },
  dbStats: { fields: ['scale', 'freeStorage'], run: dbStats },
  dataSize: { fields: ['keyPattern', 'min', 'max', 'estimate'], run: dataSize },
};
