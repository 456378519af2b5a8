import { arch, cpus, hostname, platform, release, totalmem } from 'node:os';
import { handshakeOf } from './authentication.js';
import { Arr, checkDocument, Doc, Double, MAX_DOCUMENT_BYTES, show, type Value } from './bson-values.js';
import { checkDatabase, collectionOf, existing, fieldsOf, MAX_BATCH, noView, now, ok, paceOf, target, VERSION, type Command, type Handler } from './call.js';
import { DamagedRecordError, ServerError } from './errors.js';
import { afterPrefix, indexKeys, indexPrefix, namespaceOf, readyIndexes, recordPrefix, type Collection, type Entry } from './store.js';
import { MAX_MESSAGE_BYTES } from './wire.js';

/** The wire version of VERSION. */
const MAX_WIRE_VERSION = 21;

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
    minWireVersion: 0,
    maxWireVersion: MAX_WIRE_VERSION,
    readOnly: false,
    ...handshakeOf(node.verifier, connection, command),
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
    maxBsonObjectSize: MAX_DOCUMENT_BYTES,
    storageEngines: Arr.of(['lmdb']),
  });

const numberValue = (value: number): Value => (Number.isInteger(value) && Math.abs(value) <= 0x7fffffff ? value : Number.isInteger(value) ? BigInt(value) : new Double(value));

/** What an index entry takes on the average: an estimate, since counting them is cheap and weighing them is not. */
const ENTRY_BYTES = 64;

const collStats: Handler = (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  const scale = fields.count('scale') || 1;
  const snapshot = call.node.store.snapshot();
  try {
    const collection = noView(collectionOf(snapshot, call.database, name));
    const { documents, bytes } = collection ? call.node.store.statistics(snapshot, collection) : { documents: 0, bytes: 0 };
    const sizes: Record<string, Value> = { _id_: 0 };
    let total = 0;
    for (const index of collection?.indexes ?? []) {
      const size = Math.floor((snapshot.count(rangeOf(indexPrefix(index))) * ENTRY_BYTES) / scale);
      sizes[index.name] = numberValue(size);
      total += size;
    }
    return ok({
      ns: `${call.database}.${name}`,
      size: numberValue(Math.floor(bytes / scale)),
      count: numberValue(documents),
      avgObjSize: documents ? numberValue(Math.floor(bytes / documents)) : undefined,
      storageSize: numberValue(Math.floor(bytes / scale)),
      nindexes: (collection?.indexes.length ?? -1) + 1,
      capped: false,
      totalIndexSize: numberValue(total),
      totalSize: numberValue(Math.floor(bytes / scale) + total),
      indexSizes: Doc.from(sizes),
      scaleFactor: scale,
    });
  } finally {
    snapshot.close();
  }
};

/**
 * Reads everything of a collection: each document's checksum and BSON, and that each index holds what the documents say,
 * no more and no less.
 */
const validate: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  for (const key of ['full', 'background', 'checkBSONConformance', 'metadata', 'scandata', 'enforceFastCount']) fields.boolean(key);
  for (const key of ['repair', 'fixMultikey']) fields.refuse(key);
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
        const found = indexKeys(index, doc, idKey).keys;
        keys.set(index.number, (keys.get(index.number) as number) + found.length);
        for (const entry of found) {
          if (snapshot.get(entry)?.equals(idKey)) continue;
          if (missing.length < MOST_ERRORS) missing.push(Doc.from({ indexName: index.name, _id: doc.get('_id') }));
          report(`index ${index.name} lacks an entry of the document with _id ${show(doc.get('_id') as Value)}`);
        }
      }
    };
    const { start: first, end } = rangeOf(recordPrefix(collection));
    for (let start: Buffer | undefined = first; start; ) {
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
        // The documents behind it may be sound.
        start = Buffer.concat([error.key, Buffer.from([0])]);
      }
    }
    const details = indexes.map((index) => {
      const extra = snapshot.count(rangeOf(indexPrefix(index))) - (keys.get(index.number) as number);
      if (extra > 0) report(`index ${index.name} has ${extra} entries that no document accounts for`);
      return { name: index.name, keys: keys.get(index.number) as number, valid: extra <= 0 && !missing.some((entry) => entry.get('indexName') === index.name) };
    });
    return ok({
      ns: namespaceOf(collection),
      nInvalidDocuments: corrupt,
      nrecords: numberValue(records),
      nIndexes: indexes.length + 1,
      keysPerIndex: Doc.from({ _id_: numberValue(records), ...Object.fromEntries(details.map((detail) => [detail.name, numberValue(detail.keys)])) }),
      indexDetails: Doc.from({ _id_: Doc.from({ valid: corrupt === 0 }), ...Object.fromEntries(details.map((detail) => [detail.name, Doc.from({ valid: detail.valid })])) }),
      valid: errors.length === 0,
      repaired: false,
      warnings: Arr.empty,
      errors: Arr.of(errors),
      missingIndexEntries: Arr.of(missing),
    });
  } finally {
    snapshot.close();
  }
};

/** The faults that `validate` tells at most. */
const MOST_ERRORS = 100;

const rangeOf = (prefix: Buffer): { readonly start: Buffer; readonly end: Buffer } => ({ start: prefix, end: afterPrefix(prefix) });

const dbStats: Handler = (call) => {
  checkDatabase(call.database);
  const scale = fieldsOf(call).count('scale') || 1;
  const snapshot = call.node.store.snapshot();
  try {
    let [collections, views, objects, bytes, indexes] = [0, 0, 0, 0, 0];
    for (const collection of snapshot.catalog.collections.values()) {
      if (collection.database !== call.database) continue;
      if (collection.view) {
        views++;
        continue;
      }
      const statistics = call.node.store.statistics(snapshot, collection);
      collections++;
      objects += statistics.documents;
      bytes += statistics.bytes;
      indexes += collection.indexes.length + 1;
    }
    return ok({
      db: call.database,
      collections,
      views,
      objects: numberValue(objects),
      avgObjSize: new Double(objects ? bytes / objects : 0),
      dataSize: new Double(bytes / scale),
      storageSize: new Double(bytes / scale),
      indexes,
      indexSize: new Double(0),
      totalSize: new Double(bytes / scale),
      scaleFactor: numberValue(scale),
    });
  } finally {
    snapshot.close();
  }
};

const serverStatus: Handler = ({ node }) => {
  const { current, total } = node.connections();
  const uptime = (Date.now() - node.startedAt) / 1000;
  const { rss, heapUsed } = process.memoryUsage();
  return ok({
    host: hostname(),
    version: VERSION,
    process: 'embedded-mongodb',
    pid: BigInt(process.pid),
    uptime: new Double(Math.floor(uptime)),
    uptimeMillis: BigInt(Math.floor(uptime * 1000)),
    localTime: now(),
    connections: Doc.from({ current, available: 100_000 - current, totalCreated: total }),
    opcounters: Doc.from(Object.fromEntries(['insert', 'query', 'update', 'delete', 'getmore', 'command'].map((name) => [name, numberValue(node.counters.get(name) ?? 0)]))),
    mem: Doc.from({ bits: 64, resident: Math.floor(rss / 1048576), virtual: Math.floor(rss / 1048576), heap: Math.floor(heapUsed / 1048576) }),
    metrics: Doc.from({ ttl: Doc.from({ deletedDocuments: BigInt(node.counters.get('ttl.deletedDocuments') ?? 0), passes: BigInt(node.counters.get('ttl.passes') ?? 0) }), cursor: Doc.from({ open: Doc.from({ total: BigInt(node.cursors.size) }) }) }),
    storageEngine: Doc.from({ name: 'lmdb', supportsCommittedReads: true, persistent: true }),
  });
};

const hostInfo: Handler = () =>
  ok({
    system: Doc.from({ currentTime: now(), hostname: hostname(), cpuAddrSize: 64, memSizeMB: BigInt(Math.floor(totalmem() / 1048576)), numCores: cpus().length, cpuArch: arch() }),
    os: Doc.from({ type: platform(), name: platform(), version: release() }),
    extra: Doc.empty,
  });


export const diagnosticCommands: Readonly<Record<string, Command>> = {
  hello: { fields: ['hello', 'client', 'compression', 'helloOk', 'loadBalanced', 'saslSupportedMechs', 'speculativeAuthenticate', 'topologyVersion', 'maxAwaitTimeMS', 'backpressure'], run: hello },
  ping: { fields: [], run: () => ok() },
  buildInfo: { fields: [], run: buildInfo },
  endSessions: { fields: [], run: () => ok() },
  whatsmyuri: { fields: [], run: () => ok({ you: '127.0.0.1:0' }) },
  hostInfo: { fields: [], run: hostInfo },
  serverStatus: { fields: [], run: serverStatus },
  collStats: { fields: ['scale'], run: collStats },
  validate: { fields: ['full', 'background', 'repair', 'fixMultikey', 'checkBSONConformance', 'metadata', 'scandata', 'enforceFastCount'], run: validate },
  dbStats: { fields: ['scale', 'freeStorage'], run: dbStats },
};
