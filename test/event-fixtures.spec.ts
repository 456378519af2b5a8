import { readdirSync, readFileSync } from 'node:fs';
import {
  type Aggregate,
  type EventDefinitions,
  instantFrom,
  schemaVersion,
  type StoredEvent,
  upcast,
  evolve,
  type EventMetadata,
} from '#eventsourcing';
import { aggregates, ticket, ticketWithoutClocks } from '#ticketing';

/**
 * Every event type has a golden fixture for each version of its shape that was ever stored: `<Type>.v<n>.json`, never edited afterwards.
 * A type whose shape changes gets an upcaster and one more fixture.
 */
const directory = new URL('./fixtures/events/', import.meta.url);
const fixtures = readdirSync(directory)
  .sort()
  .map((file) => {
    const [, type = '', version = ''] = /^(\w+)\.v(\d+)\.json$/.exec(file) ?? [];
    return { file, type, version: Number(version), data: JSON.parse(readFileSync(new URL(file, directory), 'utf8')) as unknown };
  });

const metadata: EventMetadata = {
  commandId: 'c',
  commandType: 'Fixture',
  correlationId: 'c',
  causationId: 'c',
  actor: { id: 'ada', kind: 'agent' },
  client: 'northwind',
  effectiveAt: instantFrom(0),
  recordedAt: instantFrom(0),
  schemaVersion: 1,
};

/** Every type of event, with the aggregate that it is of. Events of a ticket are folded without its clocks, which have tests of their own. */
const folds = aggregates.map(({ category, events }: Aggregate): { readonly category: string; readonly events: EventDefinitions } => ({
  category,
  events: category === ticket.category ? ticketWithoutClocks.events : events,
}));
const foldOf = (type: string) => folds.find(({ events }) => Object.hasOwn(events, type)) ?? { category: 'unknown', events: {} };

function stored(type: string, version: number, data: unknown, revision: number): StoredEvent {
  return {
    id: String(revision),
    stream: `${foldOf(type).category}-t`,
    type,
    revision,
    position: { commit: 0n, prepare: 0n },
    data,
    metadata: { ...metadata, schemaVersion: version },
  };
}

function presentShape(type: string): unknown {
  const newest = fixtures.filter((fixture) => fixture.type === type).at(-1);
  return newest?.data;
}

describe('golden fixtures of events', () => {
  it('are there for each type and each version of it', () => {
    const expected = folds.flatMap((fold) =>
      Object.keys(fold.events).flatMap((type) =>
        Array.from({ length: schemaVersion(fold, type) }, (_, index) => `${type}.v${index + 1}.json`),
      ),
    );
    expect(fixtures.map(({ file }) => file)).toEqual(expected.sort());
  });

  it.each(fixtures.map((fixture) => [fixture.file, fixture] as const))(
    '%s is converted to the current shape',
    (_file, { type, version, data }) => {
      const fold = foldOf(type);
      const event = upcast(fold, stored(type, version, data, 0));
      expect(event.metadata.schemaVersion).toBe(schemaVersion(fold, type));
      expect(event.data).toEqual(presentShape(type));
    },
  );

  /** The state after the first event of the aggregate and one of each type. */
  it.each(folds.map((fold) => [fold.category, fold] as const))('of a %s still fold into the state that they made', (category, fold) => {
    const [first = ''] = Object.keys(fold.events);
    const newest = (type: string, revision: number) => {
      const fixture = fixtures.findLast((one) => one.type === type);
      return upcast(fold, stored(type, fixture?.version ?? 0, fixture?.data, revision));
    };
    const opening = newest(first, 0);
    const open = evolve(fold, null, opening, opening.metadata);
    const states = Object.keys(fold.events).map((type) => {
      const event = newest(type, 1);
      return [type, evolve(fold, open, event, event.metadata)];
    });
    const golden = JSON.parse(readFileSync(new URL(`./fixtures/states/${category}.json`, import.meta.url), 'utf8')) as unknown;
    expect(JSON.parse(JSON.stringify(Object.fromEntries(states)))).toEqual(golden);
  });
});
