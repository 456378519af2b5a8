/**
 * Runs a task for each item, a number of them concurrently. After a failure no more are started, and running ones finish.
 *
 * @returns false if stopped before the last was started
 * @throws the error of the first task that failed
 */
export async function manyAtOnce<Item>(
  items: AsyncIterable<Item>,
  task: (item: Item) => Promise<void>,
  concurrency: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const underWay = new Set<Promise<void>>();
  let failed = false;
  try {
    for await (const item of items) {
      if (signal?.aborted) return false;
      if (failed) break;
      const one: Promise<void> = task(item).then(() => void underWay.delete(one));
      // A failure stays, to be thrown below; the next item may take long.
      one.catch(() => (failed = true));
      underWay.add(one);
      if (underWay.size >= concurrency) await Promise.race(underWay);
    }
    await Promise.all(underWay);
    return true;
  } finally {
    // Nothing continues after the return.
    await Promise.allSettled(underWay);
  }
}
