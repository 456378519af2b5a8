import { ServerError } from '../errors.js';

/**
 * The time of the command that has the thread. A command works in turns, between which others have the thread; within a
 * turn, loops over many elements say what they spend, so that a time limit also ends the work on a single document.
 */

/** Milliseconds of a turn. */
const TURN_MS = 5;
/** Steps between two looks at the clock. */
const STEPS = 1000;

let deadline = Infinity;
let began = 0;
let left = STEPS;

/**
 * Gives the thread to a command for some work.
 *
 * @param since when its turn began, and `until` when its time is up, as `performance.now()` has it
 */
export const withBudget = <Result>(since: number, until: number, work: () => Result): Result => {
  [began, deadline] = [since, until];
  try {
    return work();
  } finally {
    deadline = Infinity;
  }
};

/**
 * Says that so many elements are about to be looked at.
 *
 * @throws ServerError 50 MaxTimeMSExpired
 */
export const spend = (steps: number): void => {
  left -= steps;
  if (left > 0) return;
  left = STEPS;
  if (performance.now() > deadline) throw timeExpired();
};

/** Whether the turn has lasted long enough: whoever can should let others have the thread. */
export const isOverdue = (): boolean => performance.now() - began > TURN_MS;

export const timeExpired = (): ServerError => new ServerError(50, 'operation exceeded time limit');
