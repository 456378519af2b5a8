import fc from 'fast-check';
import { instantFrom, type RecordedEvent } from '#eventsourcing';
import { recorded } from '../../../eventsourcing/src/testing/given-projected.js';
import { type Stretch, Timeline } from './timeline.js';
import { runs } from '../../../../test/runs.js';

type Noted = RecordedEvent<{ Noted: number }>;
const at = (minute: number) => instantFrom(minute * 60_000);
const minute = fc.integer({ min: 0, max: 12 });

/** The numbers of the events that count, in the order of the log. */
const fold = (seen: readonly number[], { data }: Noted): readonly number[] => [...seen, data];

function told(times: readonly { readonly from: number; readonly known: number }[]): readonly Noted[] {
  return recorded<{ Noted: number }>(
    'x-1',
    times.map(({ from, known }, index) => ({ type: 'Noted', data: index, at: at(from), metadata: { recordedAt: at(known) } })),
  );
}

/** Every stretch as it stands after the last event. */
function stretches(events: readonly Noted[]): ReadonlySet<Stretch<readonly number[]>> {
  const timeline = new Timeline<readonly number[], { Noted: number }>([], fold);
  return new Set(events.flatMap((event) => timeline.add(event)));
}

const holds = ({ from, known, cuts }: Stretch<unknown>, asOf: string, knownAt: string) =>
  from <= asOf && known <= knownAt && !cuts.some((cut) => cut.from <= asOf && cut.known <= knownAt);

describe('the states of an aggregate at all times', () => {
  it('are for any instant what had happened by then, and was known by then', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ from: minute, known: minute }), { maxLength: 9 }), minute, minute, (times, asOf, knownAt) => {
        const events = told(times);
        const unknown = events.findIndex(({ metadata }) => metadata.recordedAt > at(knownAt));
        const expected = events
          .slice(0, unknown === -1 ? events.length : unknown)
          .filter(({ metadata }) => metadata.effectiveAt <= at(asOf))
          .map(({ data }) => data);
        const found = [...stretches(events)].filter((stretch) => holds(stretch, at(asOf), at(knownAt)));
        expect(found.map(({ state }) => state)).toEqual(expected.length === 0 ? [] : [expected]);
      }),
      { numRuns: runs(2_000) },
    );
  });

  it('are as many as the events, where these are told in the order in which they happened', () => {
    const events = told(Array.from({ length: 20 }, (_, index) => ({ from: index, known: index + 1 })));
    expect(stretches(events).size).toBe(20);
  });
});
