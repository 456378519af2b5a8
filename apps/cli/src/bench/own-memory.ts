import { readFileSync } from 'node:fs';

/** Private memory of the process in MiB; mapped files are in the system's page cache (Linux: RssAnon). */
export function ownMemory(): number {
  return Math.round(Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024);
}
