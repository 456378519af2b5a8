import type { Position } from './event.js';

/** A place in the log as text: `<commit>/<prepare>`. */
export function formatPosition({ commit, prepare }: Position): string {
  return `${commit}/${prepare}`;
}

const LARGEST = 2n ** 63n - 1n;

/** Undefined if the text is not a position. */
export function parsePosition(text: string): Position | undefined {
  const found = /^(\d{1,19})\/(\d{1,19})$/.exec(text);
  if (found === null) return undefined;
  const [commit, prepare] = [BigInt(found[1] ?? ''), BigInt(found[2] ?? '')];
  return commit <= LARGEST && prepare <= commit ? { commit, prepare } : undefined;
}
