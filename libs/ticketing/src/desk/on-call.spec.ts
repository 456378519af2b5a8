import { type DecisionContext, evolve, type Instant, instantFrom, isRefusal } from '#eventsourcing';
import fc from 'fast-check';
import { onCall, onCallAt, type OnCallCommands, type OnCallRotation, type OnCallSchedule } from './on-call.js';

const at = (text: string): Instant => instantFrom(Date.parse(text));
const context: DecisionContext = { commandId: 'c', actor: { id: 'lead', kind: 'agent' }, effectiveAt: at('2026-11-21T08:00:00Z') };
const people = (...ids: string[]) => ids.map((id) => ({ id }));
const weekly: OnCallRotation = {
  zone: 'Europe/Rome',
  people: people('ada', 'grace', 'henrik'),
  startsOn: '2026-11-23',
  handOverAt: '09:00',
  days: 7,
};

function after(
  ...commands: { [Name in keyof OnCallCommands]: readonly [Name, OnCallCommands[Name]] }[keyof OnCallCommands][]
): OnCallSchedule {
  return commands.reduce<OnCallSchedule>((state, [name, body]) => {
    const decision = onCall.commands[name].decide(body as never, state, context);
    if (isRefusal(decision)) throw new Error(JSON.stringify(decision));
    return decision.reduce<OnCallSchedule>(
      (folded, event) => evolve(onCall, folded, event, { ...context, recordedAt: context.effectiveAt }),
      state,
    );
  }, null);
}
const set = (...rotations: OnCallRotation[]) => ['SetOnCallRotations', { schedule: 'network', rotations }] as const;
const override = (id: string, from: string, to: string) => ['OverrideOnCall', { schedule: 'network', person: { id }, from, to }] as const;
const who = (state: OnCallSchedule, ...instants: string[]) => instants.map((instant) => onCallAt(state, at(instant))?.id);

describe('who is on call', () => {
  it('is whose turn it is, from one handing over to the next, and nobody before the first', () => {
    const state = after(set(weekly));
    expect(
      who(
        state,
        '2026-11-23T08:59:59+01:00',
        '2026-11-23T09:00:00+01:00',
        '2026-11-30T08:59:59+01:00',
        '2026-11-30T09:00:00+01:00',
        '2026-12-14T09:00:00+01:00',
      ),
    ).toEqual([undefined, 'ada', 'ada', 'grace', 'ada']);
  });

  it('is by the wall clock there, also when the clocks change', () => {
    const state = after(set({ ...weekly, startsOn: '2026-03-28', days: 1 }));
    // In the night to 29 March Rome loses an hour: handing over is at nine all the same.
    expect(who(state, '2026-03-29T08:59:59+02:00', '2026-03-29T09:00:00+02:00')).toEqual(['ada', 'grace']);
  });

  it('follows the sun: the first rotation that answers at that hour', () => {
    const weekdays = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday'] as const;
    const office = Object.fromEntries(weekdays.map((day) => [day, [{ from: '09:00', to: '17:00' }]]));
    const state = after(
      set(
        { ...weekly, people: people('tokyo'), zone: 'Asia/Tokyo', hours: office },
        { ...weekly, people: people('rome'), hours: office },
        { ...weekly, people: people('night') },
      ),
    );
    expect(
      who(state, '2026-11-24T10:00:00+09:00', '2026-11-24T10:00:00+01:00', '2026-11-24T20:00:00+01:00', '2026-11-28T10:00:00+01:00'),
    ).toEqual(['tokyo', 'rome', 'night', 'night']);
  });

  it('is somebody else while an override lasts, the newest of several', () => {
    const state = after(
      set(weekly),
      override('holiday', '2026-11-24T00:00:00Z', '2026-11-26T00:00:00Z'),
      override('sick', '2026-11-25T00:00:00Z', '2026-11-25T12:00:00Z'),
    );
    expect(
      who(state, '2026-11-23T23:59:59Z', '2026-11-24T00:00:00Z', '2026-11-25T00:00:00Z', '2026-11-25T12:00:00Z', '2026-11-26T00:00:00Z'),
    ).toEqual(['ada', 'holiday', 'sick', 'holiday', 'ada']);
  });

  it('gives each of them the same number of days in a whole round, whatever the zone', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('UTC', 'America/New_York', 'Pacific/Chatham', 'Africa/Casablanca'),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        (zone, days, size) => {
          const ids = Array.from({ length: size }, (_, index) => `p${index}`);
          const state = after(set({ ...weekly, zone, days, startsOn: '2026-01-01', handOverAt: '00:00', people: people(...ids) }));
          const counts = new Map<string | undefined, number>();
          // At noon there is no doubt which local date it is.
          for (let day = 2; day < 2 + days * size; day++) {
            const id = onCallAt(state, instantFrom(Date.UTC(2026, 0, day, 18)))?.id;
            counts.set(id, (counts.get(id) ?? 0) + 1);
          }
          expect([...counts.values()].every((count) => count <= days)).toBe(true);
          expect(counts.has(undefined)).toBe(false);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('commands of a schedule', () => {
  const refused = (state: OnCallSchedule, ...[name, body]: ReturnType<typeof set> | ReturnType<typeof override>) => {
    const decision = onCall.commands[name].decide(body as never, state, context);
    if (!isRefusal(decision)) throw new Error('done');
    return [decision.refused, ...(decision.faults ?? []).map(({ field }) => field)];
  };

  it('stay quiet when it is so already', () => {
    const state = after(set(weekly), override('x', '2026-11-24T00:00:00Z', '2026-11-26T00:00:00Z'));
    expect(onCall.commands.SetOnCallRotations.decide(set(weekly)[1], state, context)).toEqual([]);
    expect(onCall.commands.OverrideOnCall.decide(override('x', '2026-11-24T00:00:00Z', '2026-11-26T00:00:00Z')[1], state, context)).toEqual(
      [],
    );
    expect(
      after(set(weekly), override('x', '2026-11-24T00:00:00Z', '2026-11-26T00:00:00Z'), set({ ...weekly, days: 1 }))?.overrides,
    ).toHaveLength(1);
  });

  it('refuse what cannot be', () => {
    expect(refused(null, ...set())).toEqual(['on-call-invalid', 'rotations']);
    expect(
      refused(null, ...set({ ...weekly, zone: 'Mars/Olympus', people: [], startsOn: '2026-02-30', handOverAt: '25:00', days: 0 })),
    ).toEqual([
      'on-call-invalid',
      'rotations[0].zone',
      'rotations[0].people',
      'rotations[0].startsOn',
      'rotations[0].handOverAt',
      'rotations[0].days',
    ]);
    expect(refused(null, ...set({ ...weekly, colour: 'red' } as never))).toEqual(['on-call-invalid', 'rotations[0].colour']);
    expect(refused(null, ...override('x', '2026-11-24T00:00:00Z', '2026-11-26T00:00:00Z'))).toEqual(['on-call-not-found']);
    expect(refused(after(set(weekly)), ...override('x', '2026-11-26T00:00:00Z', '2026-11-26T00:00:00Z'))).toEqual([
      'on-call-invalid',
      'to',
    ]);
  });
});
