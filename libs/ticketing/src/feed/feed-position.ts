import { formatPosition, parsePosition, type Position } from '#eventsourcing';

/**
 * A place among the public events. Events derived from a stored one come right before it, in parts from 1: a place with a part is after
 * that part, a place without one is after the stored event too. Every position in the log is a place.
 */
export interface FeedPosition extends Position {
  readonly part?: number;
}

/** Negative when one place is before the other, 0 when they are the same. */
export function comparePlaces(one: FeedPosition | 'start', other: FeedPosition | 'start'): number {
  if (one === 'start' || other === 'start') return one === other ? 0 : one === 'start' ? -1 : 1;
  if (one.commit !== other.commit) return one.commit < other.commit ? -1 : 1;
  return (one.part ?? Infinity) === (other.part ?? Infinity) ? 0 : (one.part ?? Infinity) - (other.part ?? Infinity);
}

/** A place as text: `<commit>/<prepare>`, with a part `<commit>/<prepare>/<part>`. */
export function formatPlace({ part, ...position }: FeedPosition): string {
  return part === undefined ? formatPosition(position) : `${formatPosition(position)}/${part}`;
}

/** Undefined if the text is not a place. */
export function parsePlace(text: string): FeedPosition | undefined {
  const [, position = '', part] = /^(\d+\/\d+)(?:\/([1-9]\d{0,2}))?$/.exec(text) ?? [];
  const parsed = parsePosition(position);
  return parsed && part !== undefined ? { ...parsed, part: Number(part) } : parsed;
}
