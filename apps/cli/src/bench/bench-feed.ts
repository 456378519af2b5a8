import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { seed, type Server, untilIdle, withServer } from './bench-http.js';
import { threadTimes, timesBetween } from './thread-times.js';

/** Commands of one measurement, and their number per second. */
const COMMANDS = 300;
const A_SECOND = 30;
const READERS = [1, 100, 1_000] as const;

/**
 * Time from an event's recording to its reader's socket, and its cost for the server: for readers of server-sent events without filters,
 * and for a webhook.
 */
export async function benchFeed(): Promise<void> {
  await withServer('off', async (server) => {
    const ids = await seed(server, 40, 10);
    // Compiled, and the window of recent events is open.
    await measure(server, ids, 20);
    let before: Cost | undefined;
    for (const readers of READERS) {
      const cost = await measure(server, ids, readers);
      report(`${readers} reader${readers === 1 ? '' : 's'} of server-sent events`, cost);
      if (before !== undefined) {
        const each = ((cost.ms - before.ms) * 1_000) / (cost.delivered - before.delivered);
        console.log(`feed       each further event to each further reader: ${each.toFixed(1)} µs of processor time`);
      }
      before = cost;
    }
  });
  await withServer('on', measureWebhook, { WEBHOOK_NETWORKS: '127.0.0.0/8' });
}

interface Cost {
  /** Milliseconds from recording to receipt, sorted. */
  readonly latencies: readonly number[];
  readonly delivered: number;
  /** Processor time of the server, in milliseconds, by thread and in total. */
  readonly threads: ReadonlyMap<string, number>;
  readonly ms: number;
  /** Memory of the server in MB, before the readers came and at the end. */
  readonly memory: readonly [number, number];
}

async function measure(server: Server, ids: readonly string[], readers: number): Promise<Cost> {
  await untilIdle(server.pid);
  const resting = memoryOf(server.pid);
  const latencies: number[] = [];
  const sockets = await Promise.all(Array.from({ length: readers }, () => reader(server, latencies)));
  await untilIdle(server.pid);
  const before = threadTimes(server.pid) ?? new Map();
  await command(server, ids);
  const wanted = COMMANDS * readers;
  for (let tries = 0; latencies.length < wanted && tries < 600; tries++) await sleep(100);
  if (latencies.length !== wanted) throw new Error(`${latencies.length} of ${wanted} events came`);
  const threads = timesBetween(before, threadTimes(server.pid) ?? new Map(), server.threads);
  const memory = [resting, memoryOf(server.pid)] as const;
  for (const socket of sockets) socket.destroy();
  return { latencies: latencies.sort((a, b) => a - b), delivered: wanted, threads, ms: sum(threads), memory };
}

/** Connects a reader of future events. @param latencies receives its measurements */
async function reader({ api, key }: Server, latencies: number[]): Promise<Socket> {
  const { hostname, port, host } = new URL(api);
  const socket = connect(Number(port), hostname);
  socket.setEncoding('utf8');
  socket.write(`GET /v1/events?from=end HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${key}\r\n\r\n`);
  let rest = '';
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.on('data', (chunk: string) => {
      const now = Date.now();
      rest += chunk;
      if (rest.includes(': caught up')) resolve();
      const end = rest.lastIndexOf('\n\n');
      if (end < 0) return;
      for (const [, type = '', recorded = ''] of rest.slice(0, end).matchAll(/"type":"([^"]+)".*?"recordedtime":"([^"]+)"/g))
        if (type === STEP) latencies.push(now - Date.parse(recorded));
      rest = rest.slice(end);
    });
  });
  return socket;
}

const STEP = 'com.tierline.ticket.diagnostic-step-recorded.v1';

/** Sends commands at a steady pace. */
async function command({ api, key }: Server, ids: readonly string[]): Promise<void> {
  const body = JSON.stringify({ action: 'Restarted the print spooler', outcome: 'No change' });
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` };
  const sent: Promise<void>[] = [];
  for (let n = 0; n < COMMANDS; n++) {
    const path = `/v1/tickets/${ids[n % ids.length]}/diagnostic-steps`;
    sent.push(
      fetch(api + path, { method: 'POST', headers, body }).then(async (answer) => {
        if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
        await answer.arrayBuffer();
      }),
    );
    await sleep(1_000 / A_SECOND);
  }
  await Promise.all(sent);
}

async function measureWebhook(server: Server): Promise<void> {
  const ids = await seed(server, 40, 10);
  const latencies: number[] = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      latencies.push(Date.now() - Date.parse(/"recordedtime":"([^"]+)"/.exec(body)?.[1] ?? ''));
      response.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address() as AddressInfo;
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${server.key}` };
  const hook = JSON.stringify({ url: `http://127.0.0.1:${port}/`, allClients: true, types: [STEP] });
  const subscribed = await fetch(`${server.api}/v1/webhooks`, { method: 'POST', headers, body: hook });
  if (!subscribed.ok) throw new Error(await subscribed.text());
  // Until it was taken up, and the code is compiled.
  await sleep(3_000);
  await command(server, ids);
  for (let tries = 0; latencies.length < COMMANDS && tries < 600; tries++) await sleep(100);
  latencies.length = 0;
  await untilIdle(server.pid);
  const before = threadTimes(server.pid) ?? new Map();
  const resting = memoryOf(server.pid);
  await command(server, ids);
  for (let tries = 0; latencies.length < COMMANDS && tries < 600; tries++) await sleep(100);
  const threads = timesBetween(before, threadTimes(server.pid) ?? new Map(), server.threads);
  receiver.close();
  report('a webhook', {
    latencies: latencies.sort((a, b) => a - b),
    delivered: COMMANDS,
    threads,
    ms: sum(threads),
    memory: [resting, memoryOf(server.pid)],
  });
}

function report(name: string, { latencies, delivered, threads, ms, memory: [resting, full] }: Cost): void {
  const quantile = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
  const api = threads.get('API') ?? 0;
  console.log(
    `feed       ${name}: ${delivered} deliveries; p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms from recording to socket; processor time of a command with its deliveries ` +
      `${(ms / COMMANDS).toFixed(2)} ms (API ${(api / COMMANDS).toFixed(2)}); memory ${resting} → ${full} MB`,
  );
}

function sum(threads: ReadonlyMap<string, number>): number {
  return [...threads.values()].reduce((total, ms) => total + ms, 0);
}

/** Resident memory of a process in MB; 0 if the system does not report it. */
function memoryOf(pid: number): number {
  try {
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);
  } catch {
    return 0;
  }
}
