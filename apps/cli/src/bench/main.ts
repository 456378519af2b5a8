import { existsSync } from 'node:fs';
import { BPIC2013_SOURCE } from '../import/ready-mappings.js';
import { benchAudit } from './bench-audit.js';
import { benchClocks } from './bench-clocks.js';
import { benchEventStore } from './bench-eventstore.js';
import { benchExports } from './bench-exports.js';
import { benchFeed } from './bench-feed.js';
import { benchGrowth } from './bench-growth.js';
import { benchHttp } from './bench-http.js';
import { benchImport } from './bench-import.js';
import { benchKpis } from './bench-kpis.js';
import { benchMongoDB } from './bench-mongodb.js';
import { benchProjector } from './bench-projector.js';
import { benchSize } from './bench-size.js';
import { benchTimekeeper } from './bench-timekeeper.js';
import { benchTimeTravel } from './bench-time-travel.js';
import { benchTurns } from './bench-turns.js';
import { benchVisible } from './bench-visible.js';

/**
 * `npm run bench [eventstore] [http] [visible] [feed] [projector] [mongodb] [turns] [audit] [clocks] [timekeeper] [kpis] [exports] [import] [past] [growth] [size]`: prints ratios measured in one run, since absolute figures say more about the machine
 * than about the product.
 */
const log = process.env['BPIC2013_LOG'];
const benches: Readonly<Record<string, () => Promise<void>>> = {
  eventstore: benchEventStore,
  http: benchHttp,
  visible: benchVisible,
  feed: benchFeed,
  projector: benchProjector,
  mongodb: benchMongoDB,
  turns: benchTurns,
  audit: benchAudit,
  clocks: benchClocks,
  timekeeper: benchTimekeeper,
  kpis: benchKpis,
  exports: benchExports,
  import: () => withLog('import', benchImport),
  past: () => withLog('past', benchTimeTravel),
};

async function withLog(name: string, run: (log: string) => Promise<void>): Promise<void> {
  if (log !== undefined && existsSync(log)) return run(log);
  console.log(`${name}: left out, there is no log (set BPIC2013_LOG to its file, from ${BPIC2013_SOURCE})`);
}

/** These take minutes and gigabytes, so they run only on request. */
const onRequest = { growth: benchGrowth, size: benchSize };

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in benches || name in onRequest));
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(', ')}; there are ${Object.keys({ ...benches, ...onRequest }).join(', ')}`);
  process.exit(2);
}
for (const [name, run] of Object.entries(benches)) {
  if (asked.length === 0 || asked.includes(name)) await run();
}
for (const [name, run] of Object.entries(onRequest)) if (asked.includes(name)) await run();
