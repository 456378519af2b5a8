import { numberOf } from '../bson/order.js';
import { DateTime, type Doc } from '../bson/values.js';
import { ServerError } from '../errors.js';
import type { Filter } from '../query/filter.js';
import { readyIndexes, type Collection, type Index } from '../storage/store.js';
import type { Node } from './call.js';
import { Pace } from './cursors.js';
import { deleteStatement } from './write-statements.js';

/** The condition for documents that have expired by the index: dates no later than so many seconds ago; in an array, the earliest. */
const expired = (index: Index, seconds: number, now: number): Filter => {
  const { path } = index.fields[0] as Index['fields'][number];
  const old: Filter = { op: 'compare', path, relation: 'lte', operand: new DateTime(BigInt(Math.trunc(now - seconds * 1000))) };
  return index.partial ? { op: 'and', of: [old, index.partial.filter] } : old;
};

/** The collections and indexes with a time to live. */
const expiring = (node: Node): readonly { readonly collection: Collection; readonly index: Index; readonly seconds: number }[] => {
  const snapshot = node.store.snapshot();
  try {
    return [...snapshot.catalog.collections.values()].flatMap((collection) =>
      readyIndexes(collection).flatMap((index) => {
        const seconds = index.spec.get('expireAfterSeconds');
        return seconds === undefined ? [] : [{ collection, index, seconds: numberOf(seconds) }];
      }),
    );
  } finally {
    snapshot.close();
  }
};

/** Removes expired documents periodically until it is stopped. */
export const monitorExpiry = (node: Node): { stop(): Promise<void> } => {
  let stopped = false;
  let timer: NodeJS.Timeout;
  let pass: Promise<void> = Promise.resolve();
  const count = (what: string, by: number): void => void node.counters.set(what, (node.counters.get(what) ?? 0) + by);
  const run = async (): Promise<void> => {
    try {
      const now = Date.now();
      for (const { collection, index, seconds } of expiring(node)) {
        const pace = new Pace(undefined, () => stopped);
        const target = { node, pace, database: collection.database, name: collection.name, bypassed: false };
        const filter = expired(index, seconds, now);
        const { n } = await deleteStatement(target, {
          filter,
          multi: true,
          hint: index.spec.get('key') as Doc,
          sort: [],
          variables: {},
          collation: undefined,
        }).search();
        count('ttl.deletedDocuments', n);
      }
      count('ttl.passes', 1);
    } catch (error) {
      // A full disk, or a damaged document: the next pass tries again, and clients' writes report it too.
      if (!(error instanceof ServerError)) process.emitWarning(`the embedded MongoDB could not remove what has expired: ${String(error)}`);
    }
    sleep();
  };
  const sleep = (): void => {
    if (stopped) return;
    timer = setTimeout(() => void (pass = run()), node.ttlMonitorSleepSecs * 1000);
    timer.unref();
  };
  sleep();
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await pass;
    },
  };
};
