import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';

const SECONDS = 5;
const ROUNDS = 2;

const ticket = JSON.stringify({
  client: 'northwind',
  kind: 'incident',
  summary: 'Cannot print invoices',
  reporter: { id: 'j.doe', name: 'Jane Doe' },
  channel: 'phone',
  impact: 'medium',
  urgency: 'high',
});

/** OpenTicket over HTTP, durable in the embedded event store, as a share of the same application answering an empty POST. */
export async function benchHttp(): Promise<void> {
  for (const worker of ['off', 'on']) {
    const directory = mkdtempSync(join(tmpdir(), 'tierline-bench-'));
    const server = spawn(process.execPath, [fileURLToPath(new URL('./bench-server.js', import.meta.url))], {
      env: { ...process.env, DATA_DIR: directory, EMBEDDED_EVENTSTOREDB_PORT: '0', EMBEDDED_MONGODB_PORT: '0', BENCH_WORKER: worker },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(server.stdout, 'data')) as [Buffer];
      const [url = '', emptyUrl = ''] = line.toString().trim().split(' ');
      await load(emptyUrl, '', 64, 2);
      await load(`${url}/v1/tickets`, ticket, 64, 2);
      for (const connections of [1, 64]) {
        let empty = 0;
        let open = 0;
        // In turns, so that a machine that slows down slows both.
        for (let round = 0; round < ROUNDS; round++) {
          empty += await load(emptyUrl, '', connections, SECONDS);
          open += await load(`${url}/v1/tickets`, ticket, connections, SECONDS);
        }
        console.log(
          `http       OpenTicket, ${connections} at a time, projections ${worker}: ${Math.round(open / ROUNDS)}/s, ` +
            `${((open / empty) * 100).toFixed(0)} % of an empty POST (${Math.round(empty / ROUNDS)}/s)`,
        );
      }
    } finally {
      server.kill('SIGKILL');
      await once(server, 'exit');
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

/** Answered requests per second. */
async function load(url: string, body: string, connections: number, duration: number): Promise<number> {
  const result = await autocannon({
    url,
    method: 'POST',
    body,
    headers: body === '' ? {} : { 'content-type': 'application/json' },
    connections,
    duration,
  });
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${url}: ${result.non2xx} refused, ${result.errors} failed`);
  return result.requests.average;
}
