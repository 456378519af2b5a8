import fc from 'fast-check';
import {
  type Aggregate,
  type CodesOf,
  commandsOn,
  type CommandsOf,
  type EventsOf,
  type GivenOf,
  type StateOf,
  type StoredEvent,
  deterministicId,
  epochMillis,
  event,
  eventIdFor,
  evolve,
  instantFrom,
  isRefusal,
  parseInstant,
  refuse,
  schemaVersion,
  streamId,
  streamName,
  upcast,
} from './index.js';

describe('instants', () => {
  it.each([
    ['2026-11-21T10:00:00Z', '2026-11-21T10:00:00.000Z'],
    ['2026-11-21T10:00Z', '2026-11-21T10:00:00.000Z'],
    ['2010-03-31T16:59:42+02:00', '2010-03-31T14:59:42.000Z'],
    ['2010-03-31T16:59:42-0230', '2010-03-31T19:29:42.000Z'],
    ['2026-11-21T10:00:00.123456789Z', '2026-11-21T10:00:00.123Z'],
  ])('%s is %s', (text, instant) => expect(parseInstant(text)).toBe(instant));

  it.each([
    '',
    'yesterday',
    '2026-11-21',
    '2026-11-21T10:00:00',
    '2026-13-01T00:00:00Z',
    '2026-02-30T00:00:00.000Z',
    '2026-02-30T00:00:00Z',
    '2026-11-21T25:00:00+01:00',
    '9999-12-31T23:00:00-02:00',
    '0000-01-01T01:00:00+02:00',
  ])('%s is none', (text) => expect(parseInstant(text)).toBeUndefined());

  it('are read and written as Date does', () => {
    const edges = [
      '0000-01-01',
      '0000-02-29',
      '0000-03-01',
      '1900-02-28',
      '1900-03-01',
      '1970-01-01',
      '2000-02-29',
      '2100-03-01',
      '9999-12-31',
    ];
    const millis = fc.integer({ min: -8.64e15, max: 8.64e15 });
    const usual = fc.integer({ min: Date.parse('0000-01-01'), max: Date.parse('9999-12-31T23:59:59.999Z') });
    fc.assert(
      fc.property(
        fc.oneof(usual, millis, fc.constantFrom(...edges.flatMap((day) => [Date.parse(day), Date.parse(day) + 86_399_999]))),
        (one) => {
          expect(instantFrom(one)).toBe(new Date(one).toISOString());
          expect(epochMillis(instantFrom(one))).toBe(one);
        },
      ),
      { numRuns: 1000 },
    );
    for (const none of [NaN, Infinity, 8.64e15 + 1]) expect(() => instantFrom(none)).toThrow(RangeError);
  });

  it('compare as text as they do in time, and convert to milliseconds and back', () => {
    const millis = fc.integer({ min: 0, max: Date.parse('9999-12-31T23:59:59.999Z') });
    fc.assert(
      fc.property(millis, millis, (one, other) => {
        expect(epochMillis(instantFrom(one))).toBe(one);
        expect(instantFrom(one) < instantFrom(other)).toBe(one < other);
        expect(parseInstant(instantFrom(one))).toBe(instantFrom(one));
      }),
    );
  });
});

describe('ids', () => {
  it('never change: stored events and retries rely on these values', () => {
    expect(deterministicId('ticket', 'a')).toBe('320027ae-e3e3-5a1a-ab0a-8cbbd3b3bfbf');
    expect(eventIdFor('5f0c3d2e-0000-4000-8000-000000000001', 0)).toBe('6a8f0a3f-2339-5383-88cd-548ff0d0f9ef');
  });

  it('differ if parts are split differently, and by the content of the command', () => {
    expect(deterministicId('ab', 'c')).not.toBe(deterministicId('a', 'bc'));
    expect(eventIdFor('c', 0, 'one')).not.toBe(eventIdFor('c', 0, 'other'));
    expect(eventIdFor('c', 0)).not.toBe(eventIdFor('c', 1));
  });

  it('name streams and are read back from them', () => {
    fc.assert(fc.property(fc.uuid(), (id) => streamId(streamName({ category: 'ticket' }, id)) === id));
  });
});

describe('refusals', () => {
  it('are distinguished from results', () => {
    expect(isRefusal(refuse('code', 'why'))).toBe(true);
    for (const value of [[], null, undefined, {}, 'refused']) expect(isRefusal(value)).toBe(false);
  });
});

describe('upcasting', () => {
  // Version 1 had a name; version 2 split it; version 3 counts.
  const aggregate = {
    events: {
      Named: event<unknown, unknown>({
        personal: null,
        evolve: (state) => state,
        upcasters: [
          ({ name }: { name: string }) => ({ first: name.split(' ')[0], last: name.split(' ')[1] }),
          (data: object) => ({ ...data, times: 1 }),
        ],
      }),
    },
  };
  const stored = (type: string, schema: number, data: unknown) => ({ type, data, metadata: { schemaVersion: schema } }) as StoredEvent;

  it('converts any older version to the current one, step by step', () => {
    const present = { first: 'Ada', last: 'Lovelace', times: 1 };
    expect(upcast(aggregate, stored('Named', 1, { name: 'Ada Lovelace' }))).toMatchObject({
      data: present,
      metadata: { schemaVersion: 3 },
    });
    expect(upcast(aggregate, stored('Named', 2, { first: 'Ada', last: 'Lovelace' })).data).toEqual(present);
    expect(upcast(aggregate, stored('Named', 3, present)).data).toBe(present);
  });

  it('does not change newer events or those without upcasters, even if a type is named like an object property', () => {
    expect(upcast(aggregate, stored('Named', 9, 'future')).data).toBe('future');
    expect(upcast(aggregate, stored('constructor', 1, 'x')).data).toBe('x');
    expect(schemaVersion(aggregate, 'Named')).toBe(3);
    expect(schemaVersion(aggregate, 'toString')).toBe(1);
  });
});

describe('evolve', () => {
  it('ignores events of a type that it does not know', () => {
    const counter = { events: { Added: event<number, number>({ personal: null, evolve: (sum, data) => sum + data }) } };
    const facts = { actor: { id: 'a', kind: 'agent' as const }, effectiveAt: instantFrom(0), recordedAt: instantFrom(0), commandId: 'c' };
    expect(evolve(counter, 1, { type: 'Added', data: 2 }, facts)).toBe(3);
    expect(evolve(counter, 1, { type: 'toString', data: 2 }, facts)).toBe(1);
  });
});

describe('an aggregate', () => {
  class Add {
    readonly number: number = 0;
  }
  const events = { Added: event<number, { readonly number: number }>({ personal: null, evolve: (sum, { number }) => sum + number }) };
  const command = commandsOn<number, EventsOf<{ readonly events: typeof events }>>();
  const counter = {
    category: 'counter',
    noun: 'counter',
    idName: 'counter',
    initial: 0,
    client: () => '',
    events,
    commands: {
      Add: command({
        body: Add,
        refuses: ['too-much', 'full'],
        decide: ({ number }, sum) => {
          if (number > 5) return refuse('too-much', 'Too much');
          return sum + number > 9 ? refuse('full', 'Full') : [{ type: 'Added', data: { number } }];
        },
      }),
      AddGiven: command({
        refuses: [],
        decide: (_body: object, _sum, _context, given?: number) =>
          given === undefined ? [] : [{ type: 'Added', data: { number: given } }],
      }),
    },
  } satisfies Aggregate<number>;

  it('declares the types of its state, events, commands and refusals', () => {
    const state: StateOf<typeof counter> = 1;
    const data: EventsOf<typeof counter>['Added'] = { number: 1 };
    const body: CommandsOf<typeof counter>['Add'] = { number: state };
    const given: GivenOf<typeof counter, 'AddGiven'> = 3;
    const codes: readonly CodesOf<typeof counter, 'Add'>[] = counter.commands.Add.refuses;
    // @ts-expect-error AddGiven is never refused
    const none: readonly CodesOf<typeof counter, 'AddGiven'>[] = ['full'];
    expect([codes, none, data, body, given]).toEqual([['too-much', 'full'], ['full'], { number: 1 }, { number: 1 }, 3]);
  });

  it('cannot refuse with a code that the command does not declare', () => {
    const { refuses } = command({
      refuses: ['full'],
      // @ts-expect-error `too-much` is not in `refuses`
      decide: (_body: object) => refuse('too-much', 'Too much'),
    });
    command({
      refuses: ['full'],
      // @ts-expect-error there is no such event
      decide: (_body: object) => [{ type: 'Taken', data: { number: 1 } }],
    });
    expect(refuses).toEqual(['full']);
  });
});
