import { setFlagsFromString } from 'node:v8';
import { terminal } from '#platform';
import { INTERRUPTED, run, SUCCESS } from './command-line.js';
import { Complaint } from './complaint.js';
import { keyPress } from './key-press.js';

// In every thread, including embedded stores and worker, a heap grows to 1.6 times its live size before the next collection. V8 would let
// it grow to four times on a machine with much memory: an import then takes half as much again.
setFlagsFromString('--heap-growing-percent=60');

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The first one asks the command to end; the second one ends the process.
    if (interrupted.signal.aborted) process.exit(INTERRUPTED);
    interrupted.abort(new Complaint('Interrupted'));
  });
}
// The reader of the output may stop reading, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(SUCCESS);
  throw error;
});
const out = terminal(process.stdout);
const exitCode = await run(process.argv.slice(2), {
  env: process.env,
  out,
  errors: terminal(process.stderr),
  ...(process.stdin.isTTY && process.stdout.isTTY && { askForKey: keyPress(out) }),
  signal: interrupted.signal,
});
// Only after everything is written: a pipe may take a while on some systems.
process.stdout.write('', () => process.exit(exitCode));
