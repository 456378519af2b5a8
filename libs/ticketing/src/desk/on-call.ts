import {
  type Aggregate,
  commandsOn,
  deterministicId,
  epochMillis,
  type EventsOf,
  type Instant,
  instantFrom,
  parseInstant,
  refuse,
} from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import {
  type CompiledCalendar,
  dateSchema,
  firstShown,
  hoursSchema,
  openTimeBetween,
  wallClock,
  weekOf,
  zoneSchema,
} from '../contract/business-calendar.js';
import { DateTime, Fields, Name, Part, PersonRef, Uuid } from '../command-fields.js';
import { calendarFor } from '../contract/contract.js';
import { omitUndefined, same } from '../plain-json.js';
import { publishedEvent } from '../published-event.js';
import {
  about,
  asOne,
  boundedList,
  faultsOf,
  fields,
  instant,
  listOf,
  literal,
  matching,
  name,
  open,
  optional,
  refer,
  type Static,
  text,
  uuid,
  whole,
} from '../schema.js';
import { type Person, personSchema } from '../vocabulary.js';

const turnTaker = fields({
  id: about(name(200), 'Id of the person'),
  name: optional(about(name(200), 'Name of the person')),
});

export const onCallRotationSchema = about(
  fields({
    zone: about(zoneSchema, 'IANA time zone: turns begin by its wall clock, also across daylight saving changes'),
    people: about(
      asOne(boundedList(turnTaker, 1, 100, 'people'), 'must be a list of 1 to 100 people with an id'),
      'People who take turns, in this order',
    ),
    startsOn: about(dateSchema, "Date (`YYYY-MM-DD`) on which the first person's first turn begins"),
    handOverAt: about(
      matching(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time such as 09:00'),
      'Wall-clock time (`HH:MM`) of the handover between turns',
    ),
    days: about(whole(1, 366), 'Length of a turn in days'),
    hours: optional(about(weekOf(hoursSchema), 'Hours covered by the rotation, as in a calendar; default: always')),
  }),
  'People who take turns. Several rotations in different time zones give follow-the-sun coverage',
);

/** People who take turns. Rotations in several time zones give follow-the-sun coverage. */
export type OnCallRotation = Static<typeof onCallRotationSchema>;

const rotationsSchema = boundedList(onCallRotationSchema, 1, 20, 'rotations');

const overrideEntries = {
  person: about(refer(personSchema), 'Who is on call'),
  from: about(instant, 'Start'),
  to: about(instant, 'End (exclusive)'),
};

/** Someone is on call for a while, whatever the rotations say. Half-open. */
export interface OnCallOverride {
  readonly person: Person;
  readonly from: Instant;
  readonly to: Instant;
}

export const keptOverrideSchema = about(
  open({
    id: about(uuid, 'Id of the override'),
    ...overrideEntries,
    endedAt: optional(about(instant, 'When it was ended early, before `to`')),
    calledOff: optional(about(literal(true), 'Cancelled before it began')),
  }),
  'An override, kept even when it is over or was cancelled',
);
export type KeptOverride = Static<typeof keptOverrideSchema>;

export const onCallScheduleSchema = about(
  open({
    schedule: about(text, 'Name of the schedule'),
    rotations: about(listOf(onCallRotationSchema), 'Rotations; at any instant, the first one that covers it applies'),
    overrides: about(listOf(refer(keptOverrideSchema)), 'Overrides, oldest first; of several at an instant, the newest applies'),
  }),
  'Who is on call when',
);

export const onCallNowSchema = about(
  open({
    ...onCallScheduleSchema.entries,
    at: about(instant, 'Instant requested'),
    onCall: optional(about(refer(personSchema), 'Who is on call at that instant; absent if nobody is')),
    passedOver: optional(about(listOf(refer(personSchema)), 'People passed over because they have left or are absent')),
  }),
  'A schedule, and who is on call',
);

export type OnCallNow = Static<typeof onCallNowSchema>;

export const onCallOverridesSchema = about(
  open({ items: about(listOf(refer(keptOverrideSchema)), 'Overrides, oldest first, including past ones') }),
  'The overrides of a schedule',
);

/** No schedule yet, or one. */
export type OnCallSchedule = Static<typeof onCallScheduleSchema> | null;

@JSONSchema({
  description: 'Sets the rotations of an on-call schedule, replacing earlier ones; overrides stay.',
  examples: [
    {
      schedule: 'network',
      rotations: [{ zone: 'Europe/Rome', people: [{ id: 'ada' }, { id: 'grace' }], startsOn: '2026-11-23', handOverAt: '09:00', days: 7 }],
    },
  ],
})
export class SetOnCallRotations {
  @Name({ description: 'Name of the schedule', example: 'network', max: 100 })
  schedule!: string;

  @Fields({ description: 'Rotations: at any instant, the first one that covers it applies. See the schema `OnCallRotation`.', list: true })
  rotations!: readonly OnCallRotation[];
}

@JSONSchema({
  description: 'Puts somebody else on call for a while. Of several overrides at once, the newest applies.',
  examples: [{ schedule: 'network', person: { id: 'henrik' }, from: '2026-12-24T18:00:00+01:00', to: '2026-12-26T09:00:00+01:00' }],
})
export class OverrideOnCall {
  @Name({ description: 'Name of the schedule', example: 'network', max: 100 })
  schedule!: string;

  @Part(() => PersonRef, { description: 'Who is on call' })
  person!: PersonRef;

  @DateTime({ description: 'Start' })
  from!: string;

  @DateTime({ description: 'End' })
  to!: string;
}

@JSONSchema({
  description: 'Ends an override early: from then on the rotations, or an older override, apply.',
  examples: [{ schedule: 'network', overrideId: '3f0f7c1e-51f6-5a5e-9f0e-2d9e8f6f5a11' }],
})
export class EndOnCallOverride {
  @Name({ description: 'Name of the schedule', example: 'network', max: 100 })
  schedule!: string;

  @Uuid('an override', { description: 'Id of the override, as listed in the schedule' })
  overrideId!: string;

  @DateTime({ description: 'When it ends, within its duration; default: now', optional: true })
  at?: string;
}

/** Withdraws an override: one that has not begun is called off, a current one ends. */
export interface CallOffOnCallOverride {
  readonly schedule: string;
  readonly overrideId: string;
}

const noSchedule = () => refuse('on-call-not-found', 'There is no such schedule');
const noOverride = () => refuse('override-not-found', 'The schedule has no such override');
const isOver = ({ endedAt, calledOff }: KeptOverride): boolean => endedAt !== undefined || calledOff === true;

/** The overrides, with one of them changed. */
function changed(state: OnCallSchedule, overrideId: string, change: Partial<KeptOverride>): OnCallSchedule {
  return state && { ...state, overrides: state.overrides.map((one) => (one.id === overrideId ? { ...one, ...change } : one)) };
}

const events = {
  OnCallRotationsSet: publishedEvent<OnCallSchedule, { readonly schedule: string; readonly rotations: readonly OnCallRotation[] }>({
    publicData: 'all',
    personal: null,
    evolve: (state, { schedule, rotations }) => ({ schedule, rotations, overrides: state?.overrides ?? [] }),
  }),
  OnCallOverridden: publishedEvent<OnCallSchedule, { readonly schedule: string } & OnCallOverride>({
    publicData: 'all',
    personal: null,
    evolve: (state, { schedule, person, from, to }, { commandId }) => ({
      schedule,
      rotations: state?.rotations ?? [],
      overrides: [...(state?.overrides ?? []), { id: deterministicId('on-call-override', commandId), person, from, to }],
    }),
  }),
  OnCallOverrideEnded: publishedEvent<
    OnCallSchedule,
    { readonly schedule: string; readonly overrideId: string; readonly endedAt: Instant }
  >({
    publicData: 'all',
    personal: null,
    evolve: (state, { overrideId, endedAt }) => changed(state, overrideId, { endedAt }),
  }),
  OnCallOverrideCalledOff: publishedEvent<OnCallSchedule, { readonly schedule: string; readonly overrideId: string }>({
    publicData: 'all',
    personal: null,
    evolve: (state, { overrideId }) => changed(state, overrideId, { calledOff: true }),
  }),
};

const command = commandsOn<OnCallSchedule, EventsOf<{ readonly events: typeof events }>>();

/** Who is on call when; belongs to no client. One stream per schedule: `oncall-<name>`. */
export const onCall = {
  category: 'oncall',
  noun: 'schedule',
  idName: 'schedule',
  initial: null,
  client: () => '',
  events,
  commands: {
    SetOnCallRotations: command({
      body: SetOnCallRotations,
      route: 'POST /v1/on-call',
      refuses: ['on-call-invalid'],
      decide({ schedule, rotations }, state) {
        const faults = faultsOf(rotationsSchema, rotations, 'rotations');
        if (faults.length > 0) return refuse('on-call-invalid', 'Invalid rotations', faults);
        return state !== null && same(state.rotations, rotations) ? [] : [{ type: 'OnCallRotationsSet', data: { schedule, rotations } }];
      },
    }),
    OverrideOnCall: command({
      body: OverrideOnCall,
      route: 'POST /v1/on-call/overrides',
      refuses: ['on-call-not-found', 'on-call-invalid'],
      decide({ schedule, person: { id, name }, ...times }, state) {
        if (state === null) return noSchedule();
        const [from, to] = [parseInstant(times.from), parseInstant(times.to)];
        if (from === undefined || to === undefined || from >= to) {
          return refuse('on-call-invalid', 'The override ends before it begins', [{ field: 'to', message: 'must be after from' }]);
        }
        const override = { person: omitUndefined({ id, name }), from, to };
        const newest = state.overrides.at(-1);
        if (newest !== undefined && same(newest, { id: newest.id, ...override })) return [];
        return [{ type: 'OnCallOverridden', data: { schedule, ...override } }];
      },
    }),
    EndOnCallOverride: command({
      body: EndOnCallOverride,
      route: 'POST /v1/on-call/overrides/end',
      refuses: ['on-call-not-found', 'override-not-found', 'on-call-invalid'],
      decide({ schedule, overrideId, at }, state, { effectiveAt }) {
        if (state === null) return noSchedule();
        const override = state.overrides.find(({ id }) => id === overrideId);
        if (override === undefined) return noOverride();
        if (isOver(override)) return [];
        const endedAt = at === undefined ? effectiveAt : parseInstant(at);
        if (endedAt === undefined || endedAt <= override.from || endedAt >= override.to) {
          return refuse('on-call-invalid', 'The override is not in effect then', [
            { field: 'at', message: `must be after ${override.from} and before ${override.to}` },
          ]);
        }
        return [{ type: 'OnCallOverrideEnded', data: { schedule, overrideId, endedAt } }];
      },
    }),
    CallOffOnCallOverride: command({
      route: 'DELETE /v1/on-call/{schedule}/overrides/{overrideId}',
      refuses: ['on-call-not-found', 'override-not-found', 'on-call-invalid'],
      decide({ schedule, ...named }: CallOffOnCallOverride, state, { effectiveAt }) {
        if (state === null) return noSchedule();
        const overrideId = named.overrideId.toLowerCase();
        const override = state.overrides.find(({ id }) => id === overrideId);
        if (override === undefined) return noOverride();
        if (isOver(override)) return [];
        if (override.to <= effectiveAt) return refuse('on-call-invalid', `The override ended at ${override.to}`);
        return override.from < effectiveAt
          ? [{ type: 'OnCallOverrideEnded', data: { schedule, overrideId, endedAt: effectiveAt } }]
          : [{ type: 'OnCallOverrideCalledOff', data: { schedule, overrideId } }];
      },
    }),
  },
} satisfies Aggregate<OnCallSchedule>;

export type OnCallEvents = EventsOf<typeof onCall>;

/** Who is on call, and who would have been if they were not away. */
export interface Answering {
  /** Absent if nobody is on call. */
  readonly person?: Person;
  readonly passedOver: readonly Person[];
}

/**
 * Who is on call at an instant: the first one present; if nobody is, the first deputy of one of them.
 * @param standIn the deputy of an absent person, if the deputy is present
 */
export function answersAt(
  state: OnCallSchedule,
  at: Instant,
  isThere: (person: Person) => boolean,
  standIn: (person: Person) => Person | undefined = () => undefined,
): Answering {
  const passedOver: Person[] = [];
  for (const person of inOrder(state, at)) {
    if (isThere(person)) return { person, passedOver };
    if (!passedOver.some(({ id }) => id === person.id)) passedOver.push(person);
  }
  for (const absent of passedOver) {
    const person = standIn(absent);
    if (person !== undefined) return { person, passedOver };
  }
  return { passedOver };
}

/** Everyone who may have to answer at an instant, in order of precedence. */
export function* inOrder(state: OnCallSchedule, at: Instant): Generator<Person> {
  if (state === null) return;
  for (const { person, from, to, endedAt, calledOff } of state.overrides.toReversed())
    if (calledOff === undefined && from <= at && at < (endedAt ?? to)) yield person;
  for (const rotation of state.rotations) {
    const turn = turnAt(rotation, at);
    if (turn === undefined) continue;
    const { people } = rotation;
    yield* [...people.slice(turn % people.length), ...people.slice(0, turn % people.length)];
  }
}

const DAY = 86_400_000;

/**
 * Turns whose hours are examined one by one: a hundred years of days. For later turns only the weekdays count, not the effect of offset
 * changes, so that even the year 9999 can be answered.
 */
const MOST_TURNS = 36_525;

/** How many turns the rotation has passed before an instant; undefined if it does not cover the instant. */
function turnAt(rotation: OnCallRotation, at: Instant): number | undefined {
  const { startsOn, handOverAt, days } = rotation;
  const hours = calendarFor({ zone: rotation.zone, week: rotation.hours ?? '24x7' });
  if (openTimeBetween(hours, at, instantFrom(epochMillis(at) + 1)) === 0) return undefined;
  const first = Date.parse(`${startsOn}T${handOverAt}Z`);
  /** A turn begins when the wall clock first shows the hand-over time, and ends when the next one begins. */
  const begins = (turn: number) => firstShown(hours, first + turn * days * DAY);
  let turn = Math.floor((wallClock(hours, at) - first) / (days * DAY));
  // The wall clock shows some hours twice, and skips others.
  while (begins(turn) > at) turn--;
  while (begins(turn + 1) <= at) turn++;
  if (turn < 0) return undefined;
  return coveredTurns(rotation, hours, begins, turn);
}

/** How many of the first turns had covered time: only these pass the turn on. */
function coveredTurns(
  { startsOn, handOverAt, days, hours }: OnCallRotation,
  calendar: CompiledCalendar,
  begins: (turn: number) => Instant,
  turns: number,
): number {
  let covered = 0;
  let from = begins(0);
  const looked = Math.min(turns, MOST_TURNS);
  for (let turn = 0; turn < looked; turn++) {
    const to = begins(turn + 1);
    if (openTimeBetween(calendar, from, to) > 0) covered++;
    from = to;
  }
  if (looked === turns) return covered;
  // UTC has no offset changes, so the pattern of turns with hours repeats weekly.
  const plain = calendarFor({ zone: 'UTC', week: hours ?? '24x7' });
  const first = Date.parse(`${startsOn}T${handOverAt}Z`);
  const byWeekday = Array.from({ length: 7 }, (_, turn) => {
    const [one, next] = [turn, turn + 1].map((number) => instantFrom(first + number * days * DAY)) as [Instant, Instant];
    return openTimeBetween(plain, one, next) > 0;
  });
  for (let turn = looked; turn < turns; turn++) if (byWeekday[turn % 7]) covered++;
  return covered;
}
