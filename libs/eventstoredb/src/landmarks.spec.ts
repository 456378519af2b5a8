import fc from 'fast-check';
import { firstLandmark, type Landmark } from './landmarks.js';

const landmark = (created: number, revision: number): Landmark<number> => ({ revision: BigInt(revision), created, place: revision });

/** Landmarks whose clock steps back at most this far, some of which are gone. */
const anyLandmarks = (back: number) =>
  fc.array(fc.record({ step: fc.integer({ min: -back, max: 100 }), isGone: fc.boolean() }), { maxLength: 60 }).map((steps) => {
    let latest = 0;
    return steps.map(({ step, isGone }, revision) => {
      const created = latest + step;
      latest = Math.max(latest, created);
      return { ...landmark(created, revision), isGone };
    });
  });

async function search(all: readonly (Landmark<number> & { readonly isGone: boolean })[], millis: number) {
  let reads = 0;
  const at = async (revision: bigint) => {
    reads++;
    return all.find((one) => one.revision >= revision && !one.isGone);
  };
  const found = await firstLandmark(at, BigInt(all.length), millis);
  return { found, reads };
}

describe('the first landmark from a time on', () => {
  it('is what reading all of them finds, if time does not go back', () =>
    fc.assert(
      fc.asyncProperty(anyLandmarks(0), fc.integer({ min: -10, max: 3000 }), async (all, millis) => {
        const { found, reads } = await search(all, millis);
        expect(found?.place).toBe(all.find(({ created, isGone }) => created >= millis && !isGone)?.place);
        expect(reads).toBeLessThanOrEqual(Math.ceil(Math.log2(all.length + 1)));
      }),
    ));

  it('has none before it that is later by more than the clock stepped back', () =>
    fc.assert(
      fc.asyncProperty(anyLandmarks(30), fc.integer({ min: -10, max: 3000 }), async (all, millis) => {
        const { found } = await search(all, millis);
        const there = all.filter(({ isGone }) => !isGone);
        if (found === undefined) return expect(there.at(-1)?.created ?? -Infinity).toBeLessThan(millis);
        expect(found.created).toBeGreaterThanOrEqual(millis);
        for (const { created, place } of there) if (place < found.place) expect(created).toBeLessThan(millis + 30);
      }),
    ));
});
