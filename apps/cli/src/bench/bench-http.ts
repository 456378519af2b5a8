import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import type { Served } from './bench-server.js';
import { opening } from './seeded-ticket.js';
import { threadTimes, timesBetween } from './thread-times.js';

const OPEN = JSON.stringify(opening);
const STEP = JSON.stringify({ action: 'Restarted the print spooler', outcome: 'No change' });

/** Number of tickets that take turns: each grows by only a few events. */
const TICKETS = 40;
/** Tickets seeded concurrently: when these are done, the last ones are too. Also the number of steps that race for one ticket. */
const WRITERS = 8;

/**
 * Cost of commands: OpenTicket, and a command on tickets of 10, 200 and 600 events, durable in the embedded event store before the answer;
 * for comparison an empty POST of the same framework and an append by the bare client. With the views off, and on.
 */
export async function benchHttp(): Promise<void> {
  for (const views of ['off', 'on'] as const) {
    await withServer(views, async (server) => {
      await warmUp(server);
      await measureCommands(server, `views ${views}`);
    });
  }
  if (process.env['POSTGRES_URL'] === undefined) console.log('http       plain table: left out (set POSTGRES_URL to a PostgreSQL server)');
  else await withProcess('./bench-postgres-server.js', {}, measurePlainTable);
}

/** A server under load. */
export interface Server extends Served {
  readonly pid: number;
  readonly views: 'off' | 'on';
}

/** Runs something on a separate server with an empty directory. */
export function withServer(views: 'off' | 'on', run: (server: Server) => Promise<void>, env: NodeJS.ProcessEnv = {}): Promise<void> {
  return withProcess('./bench-server.js', { BENCH_WORKER: views, ...env }, (server) => run({ ...server, views }));
}

async function withProcess(file: string, env: NodeJS.ProcessEnv, run: (server: Omit<Server, 'views'>) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tierline-bench-'));
  const server: ChildProcess = spawn(process.execPath, [fileURLToPath(new URL(file, import.meta.url))], {
    env: { ...process.env, DATA_DIR: directory, EMBEDDED_EVENTSTOREDB_PORT: '0', EMBEDDED_MONGODB_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(server.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    await run({ ...(JSON.parse(line.toString()) as Served), pid: server.pid ?? 0 });
  } finally {
    server.kill('SIGKILL');
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Until the code is compiled and the worker has settled. */
export async function warmUp(server: Server): Promise<void> {
  const { api, key, bench, pid } = server;
  await load(`${bench}/empty`, [''], 64, 4_000);
  await load(`${api}/v1/tickets`, [OPEN], 64, 4_000, { key });
  const ids = await seed(server, TICKETS, 10);
  await loadSteps({ api, key }, ids, 8, 2_000);
  await post(`${bench}/append?count=2000&inFlight=64`);
  await untilIdle(pid);
}

/** Prints the cost of each command on the server. */
export async function measureCommands(server: Server, about: string): Promise<void> {
  const { api, key, bench } = server;
  for (const [inFlight, amount] of [
    [1, 600],
    [64, 6_000],
  ] as const) {
    const at = `${inFlight} in flight`;
    await measure(server, `empty POST, ${at}`, amount, () => load(`${bench}/empty`, [''], inFlight, amount));
    await measure(server, `bare append, ${at}`, amount, () => post(`${bench}/append?count=${amount}&inFlight=${inFlight}`));
    await measure(server, `OpenTicket, ${at}, ${about}`, amount, () => load(`${api}/v1/tickets`, [OPEN], inFlight, amount, { key }));
  }
  for (const events of [10, 200, 600]) {
    const ids = await seed(server, TICKETS, events);
    await untilIdle(server.pid);
    const step = `step on a ticket of ${events} events, 1 in flight, ${about}`;
    await measure(server, `first ${step}`, TICKETS, () => loadSteps(server, ids, 1, TICKETS));
    await measure(server, step, TICKETS * 10, () => loadSteps(server, ids, 1, TICKETS * 10));
    const alone = `step on one ticket of ${events} events, ${WRITERS} in flight, ${about}`;
    await measure(server, alone, WRITERS * 10, () => loadSteps(server, ids.slice(0, 1), WRITERS, WRITERS * 10));
  }
}

async function measurePlainTable(server: Omit<Server, 'views'>): Promise<void> {
  await load(`${server.bench}/tickets`, [OPEN], 64, 4_000);
  for (const [inFlight, amount] of [
    [1, 600],
    [64, 6_000],
  ] as const)
    await measure(server, `plain table with an audit row, ${inFlight} in flight`, amount, () =>
      load(`${server.bench}/tickets`, [OPEN], inFlight, amount),
    );
}

/** Answers in milliseconds, sorted. */
type Latencies = readonly number[];

/** Runs something, waits until nothing more follows from it, and prints the cost of each operation. */
export async function measure(
  { pid, threads }: Omit<Server, 'views'>,
  name: string,
  amount: number,
  run: () => Promise<Latencies | void>,
): Promise<void> {
  const before = threadTimes(pid);
  const began = performance.now();
  const latencies = (await run()) ?? [];
  const seconds = (performance.now() - began) / 1000;
  await untilIdle(pid);
  const after = threadTimes(pid);
  const quantile = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(1);
  const said = [
    `${Math.round(amount / seconds)}/s`,
    ...(latencies.length === 0 ? [] : [`p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms`]),
  ];
  if (before === undefined || after === undefined) {
    console.log(`http       ${name}: ${said.join('; ')}; processor time is not available on this system`);
    return;
  }
  const times = [...timesBetween(before, after, threads)].map(([thread, ms]) => [thread, ms / amount] as const);
  const total = times.reduce((sum, [, ms]) => sum + ms, 0);
  const parts = times.filter(([, ms]) => ms >= 0.005).sort(([, one], [, other]) => other - one);
  console.log(
    `http       ${name}: ${said.join('; ')}; processor time ${total.toFixed(2)} ms: ${parts.map(([thread, ms]) => `${thread} ${ms.toFixed(2)}`).join(', ')}`,
  );
}

/** Waits until the process does little more than check for work. */
export async function untilIdle(pid: number): Promise<void> {
  const used = () => [...(threadTimes(pid)?.values() ?? [])].reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e6;
  for (let before = used(), quiet = 0; quiet < 2;) {
    await sleep(250);
    const now = used();
    quiet = now - before < 40 ? quiet + 1 : 0;
    before = now;
  }
}

/** Tickets with a number of events each, also in the views, if there are any: their ids. */
export async function seed({ bench, api, key, views }: Server, tickets: number, events: number): Promise<readonly string[]> {
  const answer = await fetch(`${bench}/seed?tickets=${tickets}&events=${events}`, { method: 'POST' });
  const ids = (await answer.json()) as readonly string[];
  const headers = { authorization: `Bearer ${key}` };
  // On a busy machine, a process with little processor time looks idle before it has finished.
  for (const id of views === 'on' ? ids.slice(-WRITERS) : [])
    while (!(await fetch(`${api}/v1/tickets/${id}?atLeast=${events - 1}`, { headers })).ok) await sleep(250);
  return ids;
}

async function post(url: string): Promise<void> {
  const answer = await fetch(url, { method: 'POST' });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
}

function loadSteps(
  { api, key }: Pick<Server, 'api' | 'key'>,
  ids: readonly string[],
  inFlight: number,
  amount: number,
): Promise<Latencies> {
  return load(`${api}/v1/tickets`, [STEP], inFlight, amount, { key, paths: ids.map((id) => `/v1/tickets/${id}/diagnostic-steps`) });
}

/** Sends a number of POSTs, a number of them concurrently, to a path or to several in turns. @returns the duration of each */
async function load(
  url: string,
  [body = '']: readonly string[],
  inFlight: number,
  amount: number,
  { key, paths = [new URL(url).pathname] }: { readonly key?: string; readonly paths?: readonly string[] } = {},
): Promise<Latencies> {
  const headers = {
    ...(body === '' ? {} : { 'content-type': 'application/json' }),
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
  const latencies: number[] = [];
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const requests = paths.map((path) => ({ method: 'POST' as const, path, body, headers }));
    const loading = autocannon({ url, connections: inFlight, amount, requests }, (error: Error | null, done) =>
      error === null ? resolve(done) : reject(error),
    );
    loading.on('response', (_client, _status, _bytes, responseTime) => latencies.push(responseTime));
  });
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${url}: ${result.non2xx} refused, ${result.errors} failed`);
  return latencies.sort((one, other) => one - other);
}
