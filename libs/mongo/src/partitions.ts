/** One partition of something that several workers share. */
export interface Partition<Status> {
  start(): unknown;
  status(): Status;
  stop(): Promise<void>;
}

/** The required number of partitions, which the first one finds out while it runs. */
export class Partitions<Status> {
  readonly #all: Partition<Status>[] = [];
  readonly #surplus: Promise<void>[] = [];
  #stopped = false;

  /** @param make a partition; it reports how many there are */
  constructor(private readonly make: (partition: number, onPartitions: (count: number) => void) => Partition<Status>) {
    this.#resize(1);
  }

  status(): readonly Status[] {
    return this.#all.map((partition) => partition.status());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#surplus, ...this.#all.map((partition) => partition.stop())]);
  }

  #resize(count: number): void {
    if (this.#stopped) return;
    for (const surplus of this.#all.splice(count)) this.#surplus.push(surplus.stop());
    while (this.#all.length < count) {
      const partition = this.make(this.#all.length, (told) => this.#resize(told));
      this.#all.push(partition);
      partition.start();
    }
  }
}
