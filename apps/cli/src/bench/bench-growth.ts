import { measureCommands, seed, untilIdle, warmUp, withServer } from './bench-http.js';

/** Events of each ticket in the log. */
const EVENTS = 10;

/** Cost of commands with 10,000 and 100,000 events in the log and in the views, and with BENCH_EVENTS if that is more. */
export async function benchGrowth(): Promise<void> {
  const most = Number(process.env['BENCH_EVENTS'] ?? 0);
  await withServer('on', async (server) => {
    await warmUp(server);
    let written = 0;
    for (const size of [10_000, 100_000, ...(most > 100_000 ? [most] : [])]) {
      await seed(server, Math.ceil((size - written) / EVENTS), EVENTS);
      written = size;
      await untilIdle(server.pid);
      await measureCommands(server, `views on, ${size.toLocaleString('en')} events in the log`);
    }
  });
}
