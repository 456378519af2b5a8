import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connections, connectStores, opening, openStores } from '#local';
import { type Config, createLog, type JsonLog, loadConfig } from '#platform';

/** The stores of a benchmark. */
export interface OwnStores extends Pick<Connections, 'store' | 'mongo'> {
  /** Has both stores. */
  readonly config: Config;
  readonly log: JsonLog;
}

/** Runs a benchmark on the configured stores; by default, on embedded ones in a temporary directory, or in `BENCH_DIR`, which is kept. */
export async function onOwnStores(run: (stores: OwnStores) => Promise<void>): Promise<void> {
  const { close } = await opening(async (onClose) => {
    const kept = process.env['BENCH_DIR'];
    const directory = kept ?? mkdtempSync(join(tmpdir(), 'tierline-bench-'));
    if (kept === undefined) onClose(async () => rmSync(directory, { recursive: true, force: true }));
    const given = loadConfig({ ...process.env, DATA_DIR: directory, EMBEDDED_EVENTSTOREDB_PORT: '0', EMBEDDED_MONGODB_PORT: '0' });
    const { eventStoreUrl, mongodbUrl, ...stores } = await openStores(given);
    onClose(stores.close);
    const config: Config = { ...given, eventStoreUrl, mongodbUrl, logLevel: 'error' };
    const log = createLog('error', process.stderr);
    const { store, mongo, ...connections } = await connectStores(config, log);
    onClose(connections.close);
    await run({ store, mongo, config, log });
    return {};
  });
  await close();
}
