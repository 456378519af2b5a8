import { readdirSync, readFileSync } from 'node:fs';

/** Processor time of each thread of a process so far, in nanoseconds, by its id. */
export type ThreadTimes = ReadonlyMap<number, number>;

/** Processor time of each thread, from the operating system; undefined if it does not report it. @param pid `self` or a process id */
export function threadTimes(pid: number | 'self'): ThreadTimes | undefined {
  try {
    return new Map(readdirSync(`/proc/${pid}/task`).map((id) => [Number(id), timeOf(`/proc/${pid}/task/${id}`)]));
  } catch {
    return undefined;
  }
}

/** From `schedstat` if the kernel has it; otherwise from `stat`, with ticks of a hundredth of a second. */
function timeOf(task: string): number {
  try {
    return Number(readFileSync(`${task}/schedstat`, 'utf8').split(' ', 1)[0]);
  } catch {
    const stat = readFileSync(`${task}/stat`, 'utf8');
    const [userTicks = 0, systemTicks = 0] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    return (userTicks + systemTicks) * 10_000_000;
  }
}

/** The threads that compile, collect garbage and read files for all others. */
const NODES_OWN = 'V8 and libuv';

/** Whether Node itself named the thread as one of its pools, as it does since version 24, where the libuv pool is started only on use. */
function isOfNode(id: number): boolean {
  return /^(libuv-worker|V8Worker|DelayedTask)/.test(readFileSync(`/proc/self/task/${id}/comm`, 'utf8'));
}

/** Starts something, and names its threads. */
export class NamedThreads {
  readonly names: Record<number, string> = {};

  /** @param first name of the main thread */
  constructor(first: string) {
    this.names[process.pid] = first;
    this.#name(NODES_OWN);
  }

  async while<Started>(name: string, start: () => Promise<Started>): Promise<Started> {
    const started = await start();
    this.#name(name);
    return started;
  }

  #name(name: string): void {
    for (const id of threadTimes('self')?.keys() ?? []) this.names[id] ??= isOfNode(id) ? NODES_OWN : name;
  }
}

/** Processor time between two measurements by thread name, in milliseconds. Threads without a name are `other`. */
export function timesBetween(
  before: ThreadTimes,
  after: ThreadTimes,
  names: Readonly<Record<number, string>>,
): ReadonlyMap<string, number> {
  const times = new Map<string, number>();
  for (const [id, nanoseconds] of after) {
    const name = names[id] ?? 'other';
    times.set(name, (times.get(name) ?? 0) + (nanoseconds - (before.get(id) ?? 0)) / 1e6);
  }
  return times;
}
