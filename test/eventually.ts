import { setTimeout as pause } from 'node:timers/promises';

/** Far more than anything takes that comes at all. On a full server there is much to catch up with first. */
export const PATIENCE_MS = Number(process.env['TEST_PATIENCE_MS'] ?? 60_000);
const PAUSE_MS = 20;

/**
 * Waits until something is so, and gives what it then is.
 *
 * @param holds whether it is; by default that `look` does not throw, as an expectation that is not met does
 * @throws what `look` threw last, or an error that says what it was last
 */
export async function eventually<Value>(
  look: () => Value | Promise<Value>,
  holds: (value: Awaited<Value>) => boolean = () => true,
): Promise<Awaited<Value>> {
  const until = performance.now() + PATIENCE_MS;
  for (let tries = 1; ; tries++) {
    try {
      const value = await look();
      if (holds(value)) return value;
      if (performance.now() > until) throw new Error(`it never came to be; the last was ${shown(value)}`);
    } catch (error) {
      if (performance.now() > until) throw error;
    }
    await pause(Math.min(tries, PAUSE_MS));
  }
}

/** As `eventually`, but what is thrown is thrown at once: it is an answer as well, and no reason to ask again. */
export async function answered<Value>(ask: () => Promise<Value>, holds: (value: Value) => boolean): Promise<Value> {
  const [outcome] = await eventually(
    () => Promise.allSettled([ask()]),
    ([settled]) => settled.status === 'rejected' || holds(settled.value),
  );
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

const shown = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? String(value);
