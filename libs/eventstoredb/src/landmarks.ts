/** An event of a stream that has one every now and then. */
export interface Landmark<Place> {
  readonly revision: bigint;
  /** When it was stored, in milliseconds since 1970. */
  readonly created: number;
  readonly place: Place;
}

/**
 * The first event of a stream that was stored at a time or later; undefined if there is none. Where clocks stepped back it is one of several
 * that follow an earlier one.
 * @param at the first event with this revision or a later one: earlier events may be gone
 * @param length how many events the stream has had: as many reads as this number has binary digits
 */
export async function firstLandmark<Place>(
  at: (revision: bigint) => Promise<Landmark<Place> | undefined>,
  length: bigint,
  millis: number,
): Promise<Landmark<Place> | undefined> {
  let found: Landmark<Place> | undefined;
  let [low, high] = [0n, length];
  while (low < high) {
    const middle = (low + high) / 2n;
    const landmark = await at(middle);
    if (landmark !== undefined && landmark.created < millis) {
      low = landmark.revision + 1n;
    } else {
      found = landmark ?? found;
      high = middle;
    }
  }
  return found;
}
