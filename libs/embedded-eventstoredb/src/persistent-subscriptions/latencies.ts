/** How many of the latest responses are measured. */
const WINDOW = 1000;

const PARTS: ReadonlyArray<readonly [key: string, share: number]> = [
  ['Quintile 1', 0],
  ['Quintile 2', 0.2],
  ['Quintile 3', 0.4],
  ['Quintile 4', 0.6],
  ['Quintile 5', 0.8],
  ['90%', 0.9],
  ['95%', 0.95],
  ['99%', 0.99],
  ['99.5%', 0.995],
  ['99.9%', 0.999],
  ['Highest', 1],
];

/** Times between sending events and their responses, for one consumer, as in the genuine server's extra statistics. */
export class Latencies {
  private readonly window: number[] = [];
  private oldest = 0;

  add(milliseconds: number): void {
    if (this.window.length < WINDOW) this.window.push(milliseconds);
    else {
      this.window[this.oldest] = milliseconds;
      this.oldest = (this.oldest + 1) % WINDOW;
    }
  }

  /** In whole milliseconds; none before the first response. */
  measurements(): Array<readonly [key: string, milliseconds: number]> {
    const sorted = this.window.toSorted((a, b) => a - b);
    if (sorted.length === 0) return [];
    const at = (share: number): number => Math.trunc(sorted[Math.min(Math.trunc(share * sorted.length), sorted.length - 1)] as number);
    const mean = Math.trunc(sorted.reduce((sum, value) => sum + value, 0) / sorted.length);
    return [['Mean', mean], ['Median', at(0.5)], ['Fastest', at(0)], ...PARTS.map(([key, share]) => [key, at(share)] as const)];
  }
}
