/** How long after their recording events were in the views, in milliseconds. */
export interface Freshness {
  readonly p50: number;
  readonly p99: number;
}

const LATEST = 1_000;

/** Measures the latest thousand events. */
export class FreshnessMeter {
  readonly #ages: number[] = [];
  #next = 0;

  /** @param recordedAt when the events were recorded that are visible now */
  visible(recordedAt: readonly string[], now = Date.now()): void {
    for (const at of recordedAt) {
      this.#ages[this.#next] = Math.max(0, now - Date.parse(at));
      this.#next = (this.#next + 1) % LATEST;
    }
  }

  /** Undefined before the first event. */
  measured(): Freshness | undefined {
    const sorted = this.#ages.toSorted((one, other) => one - other);
    const at = (share: number): number | undefined => sorted[Math.ceil(share * sorted.length) - 1];
    const [p50, p99] = [at(0.5), at(0.99)];
    return p50 === undefined || p99 === undefined ? undefined : { p50, p99 };
  }
}

/** That of the slowest. */
export function slowest(all: readonly (Freshness | undefined)[]): Freshness | undefined {
  const known = all.filter((one) => one !== undefined);
  if (known.length === 0) return undefined;
  return { p50: Math.max(...known.map(({ p50 }) => p50)), p99: Math.max(...known.map(({ p99 }) => p99)) };
}
