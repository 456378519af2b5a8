import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

const aheadMs = Number(process.env['TEST_DAYS_AHEAD'] ?? 0) * 86_400_000;

/** The machine's clock, which no test moves: the time that the file system gives to a file written now. */
function machineTime(): number {
  const directory = mkdtempSync(join(tmpdir(), 'tierline-clock-'));
  try {
    const file = join(directory, 'written');
    writeFileSync(file, '');
    return statSync(file).mtimeMs;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe('the clock of the tests', () => {
  it.each([
    ['a spec', async () => [Date.now(), new Date().getTime(), Date.parse(Date())]],
    [
      'a thread',
      async () => {
        const thread = new Worker(
          "require('node:worker_threads').parentPort.postMessage([Date.now(), new Date().getTime(), Date.parse(Date())])",
          { eval: true },
        );
        const [clocks] = (await once(thread, 'message')) as [number[]];
        return clocks;
      },
    ],
    [
      'a process',
      async () =>
        JSON.parse(
          execFileSync(process.execPath, ['-p', 'JSON.stringify([Date.now(), new Date().getTime(), Date.parse(Date())])'], {
            encoding: 'utf8',
          }),
        ) as number[],
    ],
  ])('is as many days ahead as asked for in %s', async (_where, read) => {
    const before = machineTime() + aheadMs;
    const clocks = await read();
    const after = machineTime() + aheadMs;
    expect(clocks.length).toBe(3);
    // File systems count in ticks of some milliseconds, and `Date()` in seconds.
    for (const clock of clocks) expect([clock > before - 2_000, clock < after + 2_000]).toEqual([true, true]);
  });
});
