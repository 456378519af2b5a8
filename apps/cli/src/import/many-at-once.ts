/**
 * Does a task for each item, so many at once. When one fails no more are begun, and those under way come to their end.
 *
 * @returns false when it was stopped before the last was begun
 * @throws what the first task that failed has thrown
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
      // One that fails stays, to be thrown below; meanwhile the next item may be long in coming.
      one.catch(() => (failed = true));
      underWay.add(one);
      if (underWay.size >= concurrency) await Promise.race(underWay);
    }
    await Promise.all(underWay);
    return true;
  } finally {
    // Nothing goes on behind the caller's back.
    await Promise.allSettled(underWay);
  }
}
