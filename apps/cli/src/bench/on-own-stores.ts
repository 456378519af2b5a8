import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDB } from '#eventstoredb';
import { connectMongo, type Mongo } from '#mongo';
import { createLog, type JsonLog, loadConfig } from '#platform';
import { openStores } from '../../../standalone/src/stores.js';

/** Runs a benchmark on the stores that the environment names, else on embedded ones in a directory of its own, gone at the end. */
export async function onOwnStores(
  run: (stores: { readonly store: EventStoreDB; readonly mongo: Mongo; readonly log: JsonLog }) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tierline-bench-'));
  const stores = await openStores(
    loadConfig({ ...process.env, DATA_DIR: directory, EMBEDDED_EVENTSTOREDB_PORT: '0', EMBEDDED_MONGODB_PORT: '0' }),
  );
  const store = EventStoreDB.connect(stores.eventStoreUrl);
  const mongo = await connectMongo(stores.mongodbUrl);
  try {
    await run({ store, mongo, log: createLog('error', process.stderr) });
  } finally {
    await mongo.close();
    await store.close();
    await stores.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
