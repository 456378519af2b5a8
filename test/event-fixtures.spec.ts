import { readdirSync, readFileSync } from 'node:fs';
import { instantFrom, schemaVersion, type StoredEvent, upcast, evolve, type EventMetadata } from '#eventsourcing';
import { ticketWithoutClocks, ticket } from '#ticketing';

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

function stored(type: string, version: number, data: unknown, revision: number): StoredEvent {
  return {
    id: String(revision),
    stream: 'ticket-t',
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
    const expected = Object.keys(ticket.events).flatMap((type) =>
      Array.from({ length: schemaVersion(ticket, type) }, (_, index) => `${type}.v${index + 1}.json`),
    );
    expect(fixtures.map(({ file }) => file)).toEqual(expected.sort());
  });

  it.each(fixtures.map((fixture) => [fixture.file, fixture] as const))(
    '%s is brought to the present shape',
    (_file, { type, version, data }) => {
      const event = upcast(ticket, stored(type, version, data, 0));
      expect(event.metadata.schemaVersion).toBe(schemaVersion(ticket, type));
      expect(event.data).toEqual(presentShape(type));
    },
  );

  it('still fold into the state that they made', () => {
    const order = ['TicketOpened', ...fixtures.map(({ type }) => type).filter((type) => type !== 'TicketOpened')];
    const states = order.map((type) => {
      const fixture = fixtures.find((one) => one.type === type);
      const opening = upcast(ticket, stored('TicketOpened', 1, fixtures.find((one) => one.file === 'TicketOpened.v1.json')?.data, 0));
      const open = evolve(ticketWithoutClocks, null, opening, opening.metadata);
      const event = upcast(ticket, stored(type, fixture?.version ?? 0, fixture?.data, 1));
      return [type, evolve(ticketWithoutClocks, open, event, event.metadata)];
    });
    const golden = JSON.parse(readFileSync(new URL('./fixtures/states-after-events.json', import.meta.url), 'utf8')) as unknown;
    expect(JSON.parse(JSON.stringify(Object.fromEntries(states)))).toEqual(golden);
  });
});
