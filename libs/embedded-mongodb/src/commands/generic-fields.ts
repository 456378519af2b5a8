import { isNumber, numberOf } from '../bson/order.js';
import { bsonTypeName, Doc } from '../bson/values.js';
import { badValue, failedToParse, ServerError } from '../errors.js';
import type { Command } from './call.js';
import { Fields } from './fields.js';

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
const versionOne = new Set([
  'aggregate',
  'authenticate',
  'bulkWrite',
  'collMod',
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

/** Where a concern may say that it comes from. */
const PROVENANCES = ['clientSupplied', 'implicitDefault', 'customDefault', 'getLastErrorDefaults'];

export const checkGeneric = (command: Doc): void => {
  if (command.has('txnNumber') || command.has('autocommit') || command.has('startTransaction'))
    throw new ServerError(20, 'Transaction numbers are only allowed on a replica set member or mongos');
  const limit = command.get('maxTimeMS');
  if (isNumber(limit) && !(Number.isInteger(numberOf(limit)) && numberOf(limit) >= 0 && numberOf(limit) <= 0x7fffffff))
    throw badValue(`${String(numberOf(limit))} value for maxTimeMS is out of range [0, ${0x7fffffff}]`);
  const session = command.get('lsid');
  if (session !== undefined && !(session instanceof Doc))
    throw new ServerError(14, `BSON field 'lsid' is the wrong type '${bsonTypeName(session)}', expected type 'object'`);
  const version = command.get('apiVersion');
  if (version !== undefined && version !== '1') throw new ServerError(322, `Invalid API version, must be '1'`);
  if (version === undefined && (command.has('apiStrict') || command.has('apiDeprecationErrors')))
    throw new ServerError(322, 'Provided apiStrict and/or apiDeprecationErrors without passing apiVersion');
  if (command.get('apiStrict') === true && !versionOne.has(command.firstKey))
    throw new ServerError(323, `Provided apiStrict:true, but the command ${command.firstKey} is not in API Version 1`);
  const concern = new Fields('', command).document('readConcern');
  if (concern) {
    const fields = new Fields('readConcern', concern);
    fields.oneOf('provenance', PROVENANCES);
    for (const key of concern.keys) {
      if (key === 'afterClusterTime' || key === 'atClusterTime') throw new ServerError(72, `readConcern ${key} requires a replica set`);
      if (key !== 'level' && key !== 'provenance') throw new ServerError(40415, `BSON field 'readConcern.${key}' is an unknown field.`);
    }
    const level = fields.oneOf('level', ['local', 'available', 'majority', 'linearizable', 'snapshot']);
    if (level === 'linearizable') throw new ServerError(123, 'node needs to be a replica set member to use read concern');
    if (level === 'snapshot') throw new ServerError(123, 'node needs to be a replica set member to use readConcern level snapshot');
  }
  const write = command.get('writeConcern');
  if (write !== undefined) {
    if (!(write instanceof Doc))
      throw new ServerError(14, `BSON field 'writeConcern' is the wrong type '${bsonTypeName(write)}', expected type 'object'`);
    for (const key of write.keys)
      if (!['w', 'j', 'wtimeout', 'fsync', 'provenance', 'wtimeoutMS', 'getLastError'].includes(key))
        throw failedToParse(`unrecognized write concern field: ${key}`);
    const fields = new Fields('writeConcern', write);
    fields.oneOf('provenance', PROVENANCES);
    const journaled = fields.boolean('j');
    if (fields.boolean('fsync') && journaled) throw failedToParse('fsync and j options cannot be used together');
    const w = write.get('w');
    if (isNumber(w)) {
      if (numberOf(w) < 0 || numberOf(w) > 50) throw failedToParse('w has to be a non-negative number and not greater than 50');
      if (numberOf(w) > 1) throw badValue("cannot use 'w' > 1 when a host is not replicated");
    } else if (w !== undefined && typeof w !== 'string' && !(w instanceof Doc))
      throw failedToParse(`w has to be a number, string, or object; found: ${bsonTypeName(w)}`);
    else if (typeof w === 'string' && w !== 'majority')
      throw badValue(`cannot use non-majority 'w' mode ${JSON.stringify(w)} when a host is not a member of a replica set`);
  }
};
