import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The entire real log: imported, projected and queryable, its report, and a simulation of every ticket under another contract. In one
 * process with both embedded stores, as on a fresh machine. The second import, which finds everything there, is the reference for the
 * first.
 */
export async function benchImport(log: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tierline-bench-'));
  try {
    const first = await tierline(directory, ['import', 'bpic2013', log]);
    const again = await tierline(directory, ['import', 'bpic2013', log]);
    const report = await tierline(directory, ['report', 'bpic2013']);
    const contract = fileURLToPath(new URL('../../../../../examples/what-if/l2-work-8h.json', import.meta.url));
    const simulated = await tierline(directory, ['simulate', '--contract', contract]);
    console.log(
      `import     the log in ${first.seconds.toFixed(1)} s, peak ${first.peakMiB} MiB; ` +
        `a second time ${again.seconds.toFixed(1)} s (${((again.seconds / first.seconds) * 100).toFixed(0)} %); ` +
        `report ${report.seconds.toFixed(1)} s (${((report.seconds / first.seconds) * 100).toFixed(0)} %), peak ${report.peakMiB} MiB; ` +
        `what-if over all of it ${simulated.seconds.toFixed(1)} s (${((simulated.seconds / first.seconds) * 100).toFixed(0)} %), peak ${simulated.peakMiB} MiB`,
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Runs a CLI command in an environment with only the data directory; seconds and peak memory of the process. This is private memory (Linux:
 * RssAnon): the stores' mapped files are in the system's page cache, and are released when memory is short.
 */
async function tierline(directory: string, args: readonly string[]): Promise<{ seconds: number; peakMiB: number }> {
  const began = performance.now();
  const child = spawn(process.execPath, [fileURLToPath(new URL('../main.js', import.meta.url)), ...args], {
    env: { PATH: process.env['PATH'], DATA_DIR: directory, EMBEDDED_EVENTSTOREDB_PORT: '0', EMBEDDED_MONGODB_PORT: '0' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let peakKiB = 0;
  const watch = setInterval(() => {
    try {
      peakKiB = Math.max(peakKiB, Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0));
    } catch {
      // It has ended, or the system has no /proc; the peak so far stays.
    }
  }, 100);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearInterval(watch);
  if (code !== 0) throw new Error(`tierline ${args.join(' ')} ended with ${code}`);
  return { seconds: (performance.now() - began) / 1000, peakMiB: Math.round(peakKiB / 1024) };
}
