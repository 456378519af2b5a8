import { ServerError } from '../errors.js';

/**
 * The time budget of the running command. A command works in turns, between which others run. Within a turn, loops over many elements
 * report their steps, so that a time limit also ends work on a single document, and the work is interrupted when the turn is over. It
 * cannot be suspended: it is repeated from the beginning, and loops that have recorded their progress continue from there.
 */

/** Milliseconds of a turn. */
const TURN_MS = 5;
/** Steps between two checks of the clock. */
const STEPS = 200;

let deadline = Infinity;
let began = 0;
let left = STEPS;
let interruptible = false;

/** The state of a loop. */
type Noted = { readonly owner: unknown; readonly state: unknown; finished: boolean; inner: Notes };
/** The loops of some work in the order in which they ran, and which one is next when the work is repeated. */
type Notes = { readonly loops: Noted[]; next: number };
let notes: Notes | undefined;
/** Number of recorded rounds of loops. */
let rounds = 0;
/** Milliseconds after which work is interrupted. */
let allowed = TURN_MS;

/** Whether work is abandoned once its steps are used up. */
let isShort = false;
/** The most steps of work that is done at once, outside any turn. */
const SHORT = 10_000;

/** The turn ended before some work was done. */
export const INTERRUPTED = Symbol('interrupted');
class Interruption extends Error {}
const interruption = new Interruption();

/**
 * Gives a command its turn for some work.
 *
 * @param since when its turn began, and `until` when its time is up, by `performance.now()`
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
 * Reports that this many elements are about to be processed.
 *
 * @throws ServerError 50 MaxTimeMSExpired
 */
export const spend = (steps: number): void => {
  left -= steps;
  if (left > 0) return;
  if (isShort) throw interruption;
  left = STEPS;
  const now = performance.now();
  if (now > deadline) throw timeExpired();
  if (interruptible && now - began > allowed) throw interruption;
};

/** Does some work unless it takes many steps: where nothing can be interrupted, only small work is allowed. */
export const ifShort = <Result>(work: () => Result): Result | typeof INTERRUPTED => {
  const before = { isShort, left, notes };
  [isShort, left, notes] = [true, SHORT, undefined];
  try {
    return work();
  } catch (error) {
    if (error instanceof Interruption) return INTERRUPTED;
    throw error;
  } finally {
    ({ isShort, left, notes } = before);
  }
};

/** Does some work on a document within the current turn. The work must have no effects before it is done. */
export const withinTurn = <Result>(work: () => Result, noted?: Notes): Result | typeof INTERRUPTED => {
  const before = { interruptible, notes };
  interruptible = true;
  notes = noted;
  if (noted) noted.next = 0;
  try {
    return work();
  } catch (error) {
    if (error instanceof Interruption && !before.interruptible) return INTERRUPTED;
    throw error;
  } finally {
    ({ interruptible, notes } = before);
  }
};

/** Does some work in as many turns as needed, each continuing where the previous one was interrupted. */
export const resumable = <Result>(work: () => Result): (() => Result | typeof INTERRUPTED) => {
  const noted: Notes = { loops: [], next: 0 };
  let wanted = TURN_MS;
  return () => {
    const before = rounds;
    allowed = wanted;
    try {
      return withinTurn(work, noted);
    } finally {
      allowed = TURN_MS;
      // What is between loops has to fit in one turn.
      if (rounds === before) wanted *= 2;
    }
  };
};

/**
 * A loop in an expression.
 *
 * @param owner the expression, which identifies the loop when the work is repeated
 * @param begin its state before the first round
 * @param round advances the state by one round, after everything in it that may be interrupted, and returns whether there is another round
 */
export const loop = <State>(owner: unknown, begin: () => State, round: (state: State) => boolean): State => {
  const outer = notes;
  if (!outer) {
    const state = begin();
    while (round(state));
    return state;
  }
  const before = outer.loops[outer.next];
  const noted: Noted =
    before && before.owner === owner ? before : { owner, state: begin(), finished: false, inner: { loops: [], next: 0 } };
  if (noted !== before) outer.loops.splice(outer.next, Infinity, noted);
  outer.next++;
  const state = noted.state as State;
  noted.inner.next = 0;
  try {
    while (!noted.finished) {
      notes = noted.inner;
      noted.finished = !round(state);
      rounds++;
      if (noted.inner.loops.length) noted.inner = { loops: [], next: 0 };
    }
  } finally {
    notes = outer;
  }
  return state;
};

/** A loop over the elements of an array. */
export const loopOver = <Value, State>(
  owner: unknown,
  values: readonly Value[],
  begin: State,
  step: (state: State, element: Value) => State,
): State =>
  loop(
    owner,
    () => ({ at: 0, state: begin }),
    (progress) => {
      if (progress.at >= values.length) return false;
      progress.state = step(progress.state, values[progress.at] as Value);
      progress.at++;
      return true;
    },
  ).state;

/** Small steps per round of a loop. */
const ROUND = 1000;

/**
 * A loop of many small steps, several of which form a round.
 *
 * @param step advances the state by the step with that number, and does nothing that may be interrupted
 */
export const stepsOver = <State>(owner: unknown, count: number, begin: () => State, step: (state: State, at: number) => void): State => {
  if (count <= ROUND) {
    spend(count);
    const state = begin();
    for (let at = 0; at < count; at++) step(state, at);
    return state;
  }
  return loop(
    owner,
    () => ({ at: 0, state: begin() }),
    (progress) => {
      spend(ROUND);
      const end = Math.min(progress.at + ROUND, count);
      for (; progress.at < end; progress.at++) step(progress.state, progress.at);
      return end < count;
    },
  ).state;
};

/** A running merge sort: sorted runs of one pass, those of the next, and the positions in the two being merged. */
type Sorting<Value> = { next: number; runs: Value[][]; longer: Value[][]; left: number; right: number; merged: Value[] };

/** A stable sort with short rounds; of values that compare equal, only the first stays if the result is to be distinct. */
export const sortOver = <Value>(
  owner: unknown,
  values: readonly Value[],
  compare: (a: Value, b: Value) => number,
  distinct: boolean,
): Value[] => {
  const sortedRun = (from: number): Value[] => {
    const sorted = values.slice(from, from + ROUND).sort(compare);
    return distinct ? sorted.filter((value, index) => !index || compare(value, sorted[index - 1] as Value) !== 0) : sorted;
  };
  spend(Math.min(values.length, ROUND));
  if (values.length <= ROUND) return sortedRun(0);
  const begin = (): Sorting<Value> => ({ next: 0, runs: [], longer: [], left: 0, right: 0, merged: [] });
  const sorting = loop(owner, begin, (state) => {
    spend(ROUND);
    if (state.next < values.length) {
      state.runs.push(sortedRun(state.next));
      state.next += ROUND;
      return true;
    }
    const [a, b] = state.runs;
    if (!a || !b) {
      state.runs = [...state.longer, ...state.runs];
      state.longer = [];
      return state.runs.length > 1;
    }
    let { left, right } = state;
    for (let steps = ROUND; steps && (left < a.length || right < b.length); steps--) {
      const order = left === a.length ? 1 : right === b.length ? -1 : compare(a[left] as Value, b[right] as Value);
      state.merged.push((order > 0 ? b[right++] : a[left++]) as Value);
      if (distinct && order === 0) right++;
    }
    [state.left, state.right] = [left, right];
    if (left < a.length || right < b.length) return true;
    state.longer.push(state.merged);
    state.runs.splice(0, 2);
    [state.left, state.right, state.merged] = [0, 0, []];
    return true;
  });
  return sorting.runs[0] as Value[];
};

/** Whether the turn has lasted long enough, so that callers should yield if they can. */
export const isOverdue = (): boolean => performance.now() - began > TURN_MS;

export const timeExpired = (): ServerError => new ServerError(50, 'operation exceeded time limit');
