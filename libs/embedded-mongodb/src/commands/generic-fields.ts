import { isNumber, numberOf, isWhole } from '../bson/order.js';
import { Arr, bsonTypeName, Doc, Timestamp, type Value } from '../bson/values.js';
import { badValue, failedToParse, ServerError } from '../errors.js';
import { wholeOf } from '../query/collation.js';
import type { Command } from './call.js';
import { Fields, typeError } from './fields.js';

/** Fields that every command may have. */
export const genericFields = new Set([
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

/** The commands of version 1 of the stable API. */
export const versionOne = new Set([
  'abortTransaction',
  'aggregate',
  'authenticate',
  'bulkWrite',
  'collMod',
  'commitTransaction',
  'count',
  'create',
  'createIndexes',
  'delete',
  'drop',
  'dropDatabase',
  'dropIndexes',
  'endSessions',
  'explain',
  'find',
  'findAndModify',
  'getMore',
  'hello',
  'insert',
  'isMaster',
  'ismaster',
  'killCursors',
  'listCollections',
  'listDatabases',
  'listIndexes',
  'ping',
  'refreshSessions',
  'saslContinue',
  'saslStart',
  'update',
]);

export const knows = ({ fields }: Command, key: string): boolean => fields === 'any' || fields.includes(key) || genericFields.has(key);

/** The commands that accept a write concern; for all others it is an error. */
const withWriteConcern = new Set([
  'abortTransaction',
  'aggregate',
  'bulkWrite',
  'collMod',
  'commitTransaction',
  'create',
  'createIndexes',
  'delete',
  'deleteIndexes',
  'drop',
  'dropDatabase',
  'dropIndexes',
  'explain',
  'findAndModify',
  'findandmodify',
  'insert',
  'renameCollection',
  'update',
]);
/** The commands that read data, which accept read concerns other than `local`. */
const withReadConcern = new Set([
  'aggregate',
  'bulkWrite',
  'count',
  'delete',
  'distinct',
  'explain',
  'find',
  'findAndModify',
  'findandmodify',
  'insert',
  'update',
]);

/** Times in the oplog of a replica set. */
const CLUSTER_TIMES = ['afterClusterTime', 'atClusterTime'];

/** Commands that may read a snapshot outside a transaction. */
const withSnapshots = new Set(['find', 'aggregate', 'distinct']);

const WRITE_CONCERN_FIELDS = ['w', 'j', 'wtimeout', 'fsync', 'provenance', 'getLastError'];

/** Possible values for the provenance of a concern. */
const PROVENANCES = ['clientSupplied', 'implicitDefault', 'customDefault', 'getLastErrorDefaults'];

export const checkGeneric = (command: Doc): void => {
  checkTransaction(command);
  const limit = command.get('maxTimeMS');
  if (limit !== undefined && limit !== null && !isNumber(limit)) throw typeError('maxTimeMS', limit, 'long');
  if (isNumber(limit) && (!isWhole(limit) || (typeof limit !== 'bigint' && Math.abs(numberOf(limit)) >= 2 ** 63)))
    throw failedToParse(`maxTimeMS must be a whole number: ${numberOf(limit)}`);
  if (isNumber(limit) && !(numberOf(limit) >= 0 && numberOf(limit) <= 0x7fffffff))
    throw badValue(`${String(numberOf(limit))} value for maxTimeMS is out of range [0, ${0x7fffffff}]`);
  const session = command.get('lsid');
  if (session !== undefined && !(session instanceof Doc))
    throw new ServerError(14, `BSON field 'lsid' is the wrong type '${bsonTypeName(session)}', expected type 'object'`);
  const version = command.get('apiVersion');
  if (version !== undefined && version !== '1') throw new ServerError(322, `Invalid API version, must be '1'`);
  if (version === undefined && (command.has('apiStrict') || command.has('apiDeprecationErrors')))
    throw new ServerError(4886600, 'Provided apiStrict and/or apiDeprecationErrors without passing apiVersion');
  if (command.get('apiStrict') === true && !versionOne.has(command.firstKey))
    throw new ServerError(323, `Provided apiStrict:true, but the command ${command.firstKey} is not in API Version 1`);
  const concern = new Fields('', command).document('readConcern');
  if (concern) {
    const fields = new Fields('readConcern', concern);
    fields.oneOf('provenance', PROVENANCES);
    for (const key of concern.keys) {
      const value = concern.get(key);
      if (CLUSTER_TIMES.includes(key) && !(value instanceof Timestamp))
        throw typeError(`readConcern.${key}`, value === undefined ? null : value, 'timestamp');
      if (!CLUSTER_TIMES.includes(key) && key !== 'level' && key !== 'provenance')
        throw new ServerError(40415, `BSON field 'readConcern.${key}' is an unknown field.`);
    }
    const level = fields.oneOf('level', ['local', 'available', 'majority', 'linearizable', 'snapshot']);
    if (level && level !== 'local' && !withReadConcern.has(command.firstKey))
      throw new ServerError(72, `Command ${command.firstKey} does not support readConcern ${level}`);
    if (level === 'snapshot' && !withSnapshots.has(command.firstKey))
      throw new ServerError(72, `Command ${command.firstKey} does not support readConcern snapshot outside of a transaction`);
    checkClusterTimes(concern, level);
    if (level === 'linearizable' && writesItsResult(command))
      throw new ServerError(72, `$out and $merge cannot be used with a 'linearizable' read concern level`);
    if (level === 'linearizable') throw new ServerError(123, 'node needs to be a replica set member to use read concern');
    if (level === 'snapshot') throw new ServerError(123, 'node needs to be a replica set member to use readConcern level snapshot');
  }
  const write = new Fields('', command).document('writeConcern');
  if (!write) return;
  if (!withWriteConcern.has(command.firstKey)) throw new ServerError(72, `Command ${command.firstKey} does not support writeConcern`);
  checkWriteConcern(write);
};

/** @throws ServerError if a command is to be part of a transaction: these need a replica set */
const checkTransaction = (command: Doc): void => {
  const transaction = command.get('txnNumber') ?? undefined;
  if (transaction !== undefined && typeof transaction !== 'bigint') throw typeError('txnNumber', transaction, 'long');
  const settings = ['autocommit', 'startTransaction'].filter((key) => (command.get(key) ?? null) !== null);
  for (const key of settings) new Fields('', command).flag(key);
  if (transaction !== undefined) throw new ServerError(20, 'Transaction numbers are only allowed on a replica set member or mongos');
  if (settings.length) throw new ServerError(72, `'${settings[0] as string}' field requires a transaction number to also be specified`);
};

/** @throws ServerError if a time is given: cluster times need a replica set */
const checkClusterTimes = (concern: Doc, level: string | undefined): void => {
  for (const key of CLUSTER_TIMES) {
    const time = concern.get(key);
    if (!(time instanceof Timestamp)) continue;
    if (time.bits >> 32n === 0n) throw new ServerError(72, `readConcern ${key} cannot be a null timestamp`);
    if (key === 'atClusterTime' && level !== 'snapshot')
      throw new ServerError(72, 'readConcern atClusterTime field can be set only if level is equal to snapshot');
    if (key === 'afterClusterTime') throw new ServerError(20, 'Cannot specify afterClusterTime readConcern without replication enabled');
  }
};

const writesItsResult = (command: Doc): boolean => {
  const stages = command.get('pipeline');
  const last = stages instanceof Arr ? stages.values.at(-1) : undefined;
  return last instanceof Doc && ['$out', '$merge'].includes(last.firstKey);
};

const checkWriteConcern = (concern: Doc): void => {
  const fields = new Fields('writeConcern', concern).only(WRITE_CONCERN_FIELDS);
  fields.oneOf('provenance', PROVENANCES);
  const journaled = fields.boolean('j');
  if (fields.boolean('fsync') && journaled) throw failedToParse('fsync and j options cannot be used together');
  const timeout = concern.get('wtimeout');
  if (isNumber(timeout) && numberOf(timeout) > 0x7fffffff) throw failedToParse('wtimeout must be less than 2^31');
  if (concern.has('w')) checkNodes(concern.get('w') as Value);
};

/** The nodes that a write waits for: there is one. */
const checkNodes = (w: Value): void => {
  if (w === null) throw badValue('w cannot be null');
  if (isNumber(w)) {
    const nodes = wholeOf(w);
    if (Number.isNaN(numberOf(w)) || nodes < 0 || nodes > 50)
      throw failedToParse('w has to be a non-negative number and not greater than 50');
    if (nodes > 1) throw badValue("cannot use 'w' > 1 when a host is not replicated");
  } else if (w instanceof Doc) {
    if (!w.size || !w.values.every(isNumber)) throw failedToParse('w as an object has to have tags with numbers');
  } else if (typeof w !== 'string') throw failedToParse(`w has to be a number, string, or object; found: ${bsonTypeName(w)}`);
  else if (w !== 'majority')
    throw badValue(`cannot use non-majority 'w' mode ${JSON.stringify(w)} when a host is not a member of a replica set`);
};
