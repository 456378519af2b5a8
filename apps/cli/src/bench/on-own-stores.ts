import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connections, connectStores, opening, openStores } from '#local';
import { type Config, createLog, type JsonLog, loadConfig } from '#platform';

/** What a benchmark runs on. */
export interface OwnStores extends Pick<Connections, 'store' | 'mongo'> {
  /** Names both stores. */
  readonly config: Config;
  readonly log: JsonLog;
}

/**
 * Runs a benchmark on the stores that the environment names, else on embedded ones in a directory of its own, gone at the end, or in `BENCH_DIR`,
 * which stays as it is.
 */
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
