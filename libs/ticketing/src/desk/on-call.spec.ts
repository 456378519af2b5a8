import { type Instant, instantFrom } from '#eventsourcing';
import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { scenariosOf, type Sent } from '../../../eventsourcing/src/testing/given.js';
import { WEEKDAYS } from '../contract/business-calendar.js';
import { answersAt, onCall, type OnCallRotation, type OnCallSchedule } from './on-call.js';
import { runs } from '../../../../test/runs.js';

const at = (text: string): Instant => instantFrom(Date.parse(text));
const start = Date.parse('2026-11-21T08:00:00Z');
const given = scenariosOf(onCall, { id: 'network', actor: { id: 'lead', kind: 'agent' }, start, step: 0 });
const people = (...ids: string[]) => ids.map((id) => ({ id }));
const weekly: OnCallRotation = {
  zone: 'Europe/Rome',
  people: people('ada', 'grace', 'henrik'),
  startsOn: '2026-11-23',
  handOverAt: '09:00',
  days: 7,
};

const office = Object.fromEntries(WEEKDAYS.slice(0, 5).map((day) => [day, [{ from: '09:00', to: '17:00' }]]));

const after = (...commands: readonly Sent<typeof onCall>[]): OnCallSchedule => given(...commands).state;
const set = (...rotations: OnCallRotation[]) => ['SetOnCallRotations', { schedule: 'network', rotations }] as const;
const override = (id: string, from: string, to: string) => ['OverrideOnCall', { schedule: 'network', person: { id }, from, to }] as const;
const end = (overrideId: string, at?: string) => ['EndOnCallOverride', { schedule: 'network', overrideId, ...(at && { at }) }] as const;
const callOff = (overrideId: string) => ['CallOffOnCallOverride', { schedule: 'network', overrideId }] as const;
/** Who is on call when everyone is there. */
const onCallAt = (state: OnCallSchedule, instant: Instant) => answersAt(state, instant, () => true).person;
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

  it('follows the sun: the first rotation that is on call at that hour', () => {
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

  it('counts only on-call time for turns: seven people changing daily, with hours from Monday to Friday, all get turns', () => {
    const ids = ['mo', 'tu', 'we', 'th', 'fr', 'sa', 'su'];
    const state = after(set({ ...weekly, days: 1, handOverAt: '00:00', people: people(...ids), hours: office }));
    const days = Array.from(
      { length: 14 },
      (_, day) => `2026-${day < 8 ? 11 : 12}-${String(day < 8 ? 23 + day : day - 7).padStart(2, '0')}`,
    );
    expect(who(state, ...days.map((day) => `${day}T10:00:00+01:00`))).toEqual([
      ...['mo', 'tu', 'we', 'th', 'fr', undefined, undefined],
      ...['sa', 'su', 'mo', 'tu', 'we', undefined, undefined],
    ]);
  });

  it('hands over once in the night whose hour is shown twice, and at the end of the hour that is not shown', () => {
    const state = after(set({ ...weekly, startsOn: '2026-03-28', handOverAt: '02:30', days: 1 }));
    expect(who(state, '2026-03-29T00:59:59Z', '2026-03-29T01:00:00Z')).toEqual(['ada', 'grace']);
    const autumn = after(set({ ...weekly, startsOn: '2026-10-24', handOverAt: '02:30', days: 1 }));
    expect(who(autumn, '2026-10-25T00:29:59Z', '2026-10-25T00:30:00Z', '2026-10-25T01:10:00Z', '2026-10-25T01:30:00Z')).toEqual([
      'ada',
      'grace',
      'grace',
      'grace',
    ]);
  });

  it('is one person at each instant, and everyone equally often, in every zone and with any hours', () => {
    const quarter = 15 * 60_000;
    const clock = (quarters: number) =>
      `${String(Math.floor(quarters / 4)).padStart(2, '0')}:${String((quarters % 4) * 15).padStart(2, '0')}`;
    const week = fc
      .array(fc.tuple(fc.integer({ min: 0, max: 95 }), fc.integer({ min: 1, max: 48 })), { minLength: 7, maxLength: 7 })
      .chain((spans) => fc.tuple(fc.constant(spans), fc.subarray([0, 1, 2, 3, 4, 5, 6], { minLength: 1 })))
      .map(([spans, open]) =>
        Object.fromEntries(
          open.map((day) => {
            const [from, length] = spans[day] ?? [0, 1];
            return [WEEKDAYS[day] ?? '', [{ from: clock(from), to: clock(Math.min(96, from + length)) }]];
          }),
        ),
      );
    fc.assert(
      fc.property(
        fc.constantFrom(...['UTC', 'Europe/Rome', 'America/New_York', 'Australia/Lord_Howe', 'America/St_Johns', 'Africa/Casablanca']),
        fc.constantFrom('2026-03-05', '2026-03-26', '2026-04-02', '2026-10-01', '2026-10-23', '2026-10-29'),
        fc.integer({ min: 0, max: 95 }).map(clock),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 7 }),
        fc.option(week, { nil: undefined }),
        (zone, startsOn, handOverAt, days, size, hours) => {
          const ids = Array.from({ length: size }, (_, index) => `p${index}`);
          const rotation = { zone, startsOn, handOverAt, days, people: people(...ids), ...(hours && { hours }) };
          const state = after(set(rotation));
          /** Who answered in each turn that had time to answer for, in order, by a wall clock that is read at each quarter. */
          const turns: { turn: number; who: Set<string | undefined> }[] = [];
          let shown = -Infinity;
          const first = Date.parse(`${startsOn}T${handOverAt}Z`);
          for (let instant = first - 2 * 86_400_000; instant < first + 25 * 86_400_000; instant += quarter) {
            const there = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone).toPlainDateTime();
            const local = Date.parse(`${there.toString()}Z`);
            // What has been handed over stays so while an hour is shown again.
            shown = Math.max(shown, local);
            const turn = Math.floor((shown - first) / (days * 86_400_000));
            const time = there.toPlainTime().toString().slice(0, 5);
            const open =
              hours === undefined || (hours[WEEKDAYS[there.dayOfWeek - 1] ?? ''] ?? []).some(({ from, to }) => from <= time && time < to);
            const answers = onCallAt(state, instantFrom(instant))?.id;
            if (!open || turn < 0) expect(answers).toBeUndefined();
            else if (turns.at(-1)?.turn === turn) turns.at(-1)?.who.add(answers);
            else turns.push({ turn, who: new Set([answers]) });
          }
          expect(turns.map(({ who }) => [...who])).toEqual(turns.map((_, index) => [ids[index % size]]));
        },
      ),
      { numRuns: runs(10) },
    );
  });

  it('can be told for a year that is far away', () => {
    const state = after(set({ ...weekly, startsOn: '0001-01-01', days: 1, hours: office }));
    expect(who(state, '9999-12-30T12:00:00Z')).not.toEqual([undefined]);
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
      { numRuns: runs(50) },
    );
  });
});

describe('who is not there', () => {
  const away =
    (...ids: string[]) =>
    ({ id }: { id: string }) =>
      !ids.includes(id);

  it('is passed over: the next of the rotation answers, then the next rotation', () => {
    const state = after(set(weekly, { ...weekly, people: people('night') }));
    const now = at('2026-11-24T12:00:00Z');
    expect(answersAt(state, now, away('ada'))).toEqual({ person: { id: 'grace' }, passedOver: [{ id: 'ada' }] });
    expect(answersAt(state, now, away('ada', 'grace', 'henrik')).person).toEqual({ id: 'night' });
    expect(answersAt(state, now, () => false)).toEqual({ passedOver: people('ada', 'grace', 'henrik', 'night') });
    // Deputies answer where nobody of the schedule is there, and not before.
    const standIn = ({ id }: { readonly id: string }) => (id === 'grace' ? { id: 'dora' } : undefined);
    expect(answersAt(state, now, away('ada'), standIn).person).toEqual({ id: 'grace' });
    expect(answersAt(state, now, () => false, standIn)).toEqual({
      person: { id: 'dora' },
      passedOver: people('ada', 'grace', 'henrik', 'night'),
    });
  });

  it('overrides nobody', () => {
    const state = after(set(weekly), override('sick', '2026-11-24T00:00:00Z', '2026-11-26T00:00:00Z'));
    expect(answersAt(state, at('2026-11-24T12:00:00Z'), away('sick'))).toEqual({ person: { id: 'ada' }, passedOver: [{ id: 'sick' }] });
  });
});

describe('an override', () => {
  const planned = given(set(weekly), override('henrik', '2026-11-24T00:00:00Z', '2026-11-26T00:00:00Z'));
  const id = planned.state?.overrides[0]?.id ?? '';
  const ending = (schedule: typeof planned, now: string, when?: string) => schedule.when(...end(id, when), Date.parse(now) - start);
  const callingOff = (schedule: typeof planned, now: string) => schedule.when(...callOff(id), Date.parse(now) - start);

  it('has an id, which is the same whenever its event is read', () => {
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(after(set(weekly), override('henrik', '2026-11-24T00:00:00Z', '2026-11-26T00:00:00Z'))?.overrides[0]?.id).toBe(id);
  });

  it('ends early, and the rotation answers from then on', () => {
    expect(ending(planned, '2026-11-24T08:00:00Z').events()).toEqual([
      { type: 'OnCallOverrideEnded', data: { schedule: 'network', overrideId: id, endedAt: '2026-11-24T08:00:00.000Z' } },
    ]);
    const ended = planned.and(end(id, '2026-11-25T00:00:00Z'));
    expect(who(ended.state, '2026-11-24T23:59:59Z', '2026-11-25T00:00:00Z')).toEqual(['henrik', 'ada']);
    expect(ended.state?.overrides).toMatchObject([{ id, endedAt: '2026-11-25T00:00:00.000Z' }]);
    expect(ending(ended, '2026-11-25T08:00:00Z').events()).toEqual([]);
  });

  it('is called off before it begins, and ended when it has begun', () => {
    expect(callingOff(planned, '2026-11-23T08:00:00Z').events()).toEqual([
      { type: 'OnCallOverrideCalledOff', data: { schedule: 'network', overrideId: id } },
    ]);
    expect(callingOff(planned, '2026-11-24T08:00:00Z').events()).toMatchObject([{ type: 'OnCallOverrideEnded' }]);
    const off = planned.and(callOff(id));
    expect(who(off.state, '2026-11-24T12:00:00Z')).toEqual(['ada']);
    expect(callingOff(off, '2026-11-23T08:00:00Z').events()).toEqual([]);
    // The same again is another one.
    expect(off.when(...override('henrik', '2026-11-24T00:00:00Z', '2026-11-26T00:00:00Z')).events()).toHaveLength(1);
  });

  it('is not taken back when it is over, nor at a time at which it does not last, nor when there is none', () => {
    expect(callingOff(planned, '2026-11-26T00:00:00Z').refusal().refused).toBe('on-call-invalid');
    expect(ending(planned, '2026-11-23T08:00:00Z').refusal().refused).toBe('on-call-invalid');
    expect(ending(planned, '2026-11-24T08:00:00Z', '2026-11-26T00:00:00Z').refusal().refused).toBe('on-call-invalid');
    expect(ending(given(set(weekly)), '2026-11-24T08:00:00Z').refusal().refused).toBe('override-not-found');
    expect(callingOff(given(set(weekly)), '2026-11-24T08:00:00Z').refusal().refused).toBe('override-not-found');
    expect(callingOff(given(), '2026-11-24T08:00:00Z').refusal().refused).toBe('on-call-not-found');
  });
});

describe('commands of a schedule', () => {
  const refused = (schedule: ReturnType<typeof given>, ...[name, body]: ReturnType<typeof set> | ReturnType<typeof override>) => {
    const { refused, faults = [] } = schedule.when(name, body).refusal();
    return [refused, ...faults.map(({ field }) => field)];
  };

  it('stay quiet when it is so already', () => {
    const holiday = override('x', '2026-11-24T00:00:00Z', '2026-11-26T00:00:00Z');
    const schedule = given(set(weekly), holiday);
    for (const [name, body] of [set(weekly), holiday]) expect(schedule.when(name, body).events()).toEqual([]);
    expect(schedule.and(set({ ...weekly, days: 1 })).state?.overrides).toHaveLength(1);
  });

  it('refuse what cannot be', () => {
    expect(refused(given(), ...set())).toEqual(['on-call-invalid', 'rotations']);
    expect(
      refused(given(), ...set({ ...weekly, zone: 'Mars/Olympus', people: [], startsOn: '2026-02-30', handOverAt: '25:00', days: 0 })),
    ).toEqual([
      'on-call-invalid',
      'rotations[0].zone',
      'rotations[0].people',
      'rotations[0].startsOn',
      'rotations[0].handOverAt',
      'rotations[0].days',
    ]);
    expect(refused(given(), ...set({ ...weekly, colour: 'red' } as never))).toEqual(['on-call-invalid', 'rotations[0].colour']);
    expect(refused(given(), ...override('x', '2026-11-24T00:00:00Z', '2026-11-26T00:00:00Z'))).toEqual(['on-call-not-found']);
    expect(refused(given(set(weekly)), ...override('x', '2026-11-26T00:00:00Z', '2026-11-26T00:00:00Z'))).toEqual([
      'on-call-invalid',
      'to',
    ]);
  });
});
