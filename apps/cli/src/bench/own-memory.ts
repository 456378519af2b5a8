import { readFileSync } from 'node:fs';

/** MiB that the process holds for itself; mapped files are the system's page cache (Linux: RssAnon). */
export function ownMemory(): number {
  return Math.round(Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024);
}
