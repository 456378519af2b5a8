import { setTimeout as pause } from 'node:timers/promises';
import { manyAtOnce } from './many-at-once.js';

async function* items(count: number, pauseMs = 0): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) {
    if (pauseMs > 0) await pause(pauseMs);
    yield n;
  }
}

describe('tasks, many at once', () => {
  it('are all done, no more of them at once than may be', async () => {
    const done: number[] = [];
    let now = 0;
    let most = 0;
    const complete = await manyAtOnce(
      items(50),
      async (n) => {
        most = Math.max(most, ++now);
        await pause(n % 3);
        now--;
        done.push(n);
      },
      4,
    );
    expect(complete).toBe(true);
    expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(most).toBe(4);
  });

  it.each([
    ['while the next item is awaited', 0, 4, 20],
    ['while others are under way', 2, 4, 0],
    ['as the last one', 9, 10, 0],
  ])('fail as a whole when one fails %s, after those under way have ended', async (_when, failing, concurrency, pauseMs) => {
    let begun = 0;
    let ended = 0;
    const doing = manyAtOnce(
      items(10, pauseMs),
      async (n) => {
        begun++;
        if (n === failing) throw new Error(`task ${n}`);
        await pause(10);
        ended++;
      },
      concurrency,
    );
    await expect(doing).rejects.toThrow(`task ${failing}`);
    expect(ended).toBe(begun - 1);
    expect(begun).toBeLessThanOrEqual(failing + concurrency + 1);
  });

  it('are not begun any more once they are stopped', async () => {
    const stop = new AbortController();
    let ended = 0;
    const complete = await manyAtOnce(
      items(10),
      async (n) => {
        if (n === 3) stop.abort();
        await pause(5);
        ended++;
      },
      2,
      stop.signal,
    );
    expect({ complete, ended }).toEqual({ complete: false, ended: 4 });
  });
});
