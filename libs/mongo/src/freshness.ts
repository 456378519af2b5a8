/** How soon after their recording events were visible in the views, in milliseconds. */
export interface Freshness {
  readonly p50: number;
  readonly p99: number;
}

const LATEST = 1_000;

/** Measures the latest thousand events. */
export class FreshnessMeter {
  readonly #ages = new Float64Array(LATEST);
  #count = 0;

  /** @param recordedAt when the now visible events were recorded */
  visible(recordedAt: readonly string[], now = Date.now()): void {
    for (const at of recordedAt) {
      this.#ages[this.#count % LATEST] = Math.max(0, now - Date.parse(at));
      this.#count++;
    }
  }

  /** Undefined before the first event. */
  measured(): Freshness | undefined {
    // Called for every batch: a typed array of numbers is sorted without calls to a comparison function.
    const sorted = this.#ages.slice(0, this.#count).sort();
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
