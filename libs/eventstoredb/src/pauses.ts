/**
 * Milliseconds to wait before attempt n + 1 after n failures (n from 1): doubles up to `most`, with jitter so that clients do not return in
 * step.
 */
export function backoff(failures: number, most = 5_000, chance: number = Math.random()): number {
  const longest = Math.min(most, 25 * 2 ** failures);
  return longest * (0.5 + chance / 2);
}

/** Waits, or until the signal aborts. Never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Thrown when a wait was in vain. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut';
}

/** The promise's outcome, or TimedOut after this many milliseconds. Later outcomes are ignored. */
export function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new TimedOut(`${what}: no answer within ${Math.round(ms)} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
