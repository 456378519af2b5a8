import {
  type Aggregate,
  type CommandsOf,
  commandsOn,
  epochMillis,
  event,
  type EventsOf,
  type Fault,
  type Instant,
  instantFrom,
  parseInstant,
  refuse,
} from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Temporal } from 'temporal-polyfill';
import { type BusinessCalendar, calendarFaults, openTimeBetween } from '../contract/business-calendar.js';
import { DateTime, Fields, Part, Text, PersonRef } from '../command-fields.js';
import { calendarFor } from '../contract/contract.js';
import { present, same } from '../plain-json.js';
import type { Person } from '../vocabulary.js';

/** People who take turns. Several rotations, each in a zone of its own, follow the sun. */
export interface OnCallRotation {
  /** IANA name: handing over is by the wall clock there, also across a change to or from summer time. */
  readonly zone: string;
  readonly people: readonly Person[];
  /** Date (`YYYY-MM-DD`) of the first person's first turn. */
  readonly startsOn: string;
  /** Wall-clock time (`HH:MM`) at which a turn begins and the one before ends. */
  readonly handOverAt: string;
  /** Days of a turn. */
  readonly days: number;
  /** Hours in which the rotation answers; always, unless said. */
  readonly hours?: BusinessCalendar['week'];
}

/** Somebody answers for a while, whatever the rotations say: from the first instant up to the second, which is not in it. */
export interface OnCallOverride {
  readonly person: Person;
  readonly from: Instant;
  readonly to: Instant;
}

/** No schedule yet, or one. */
export type OnCallSchedule = {
  readonly schedule: string;
  readonly rotations: readonly OnCallRotation[];
  /** Oldest first. */
  readonly overrides: readonly OnCallOverride[];
} | null;

@JSONSchema({
  description: 'Sets who is on call in a schedule, by turns. What was set before is replaced; overrides stay.',
  examples: [
    {
      schedule: 'network',
      rotations: [{ zone: 'Europe/Rome', people: [{ id: 'ada' }, { id: 'grace' }], startsOn: '2026-11-23', handOverAt: '09:00', days: 7 }],
    },
  ],
})
export class SetOnCallRotations {
  @Text({ description: 'Name of the schedule', example: 'network', max: 100 })
  schedule!: string;

  @Fields({ description: 'Rotations: the first that answers at an instant counts. See the schema `OnCallRotation`.', list: true })
  rotations!: readonly OnCallRotation[];
}

@JSONSchema({
  description: 'Lets somebody else answer for a while. Of several overrides at once the newest counts.',
  examples: [{ schedule: 'network', person: { id: 'henrik' }, from: '2026-12-24T18:00:00+01:00', to: '2026-12-26T09:00:00+01:00' }],
})
export class OverrideOnCall {
  @Text({ description: 'Name of the schedule', example: 'network', max: 100 })
  schedule!: string;

  @Part(() => PersonRef, { description: 'Who answers' })
  person!: PersonRef;

  @DateTime({ description: 'From when' })
  from!: string;

  @DateTime({ description: 'Until when' })
  to!: string;
}

const events = {
  OnCallRotationsSet: event<OnCallSchedule, { readonly schedule: string; readonly rotations: readonly OnCallRotation[] }>({
    evolve: (state, { schedule, rotations }) => ({ schedule, rotations, overrides: state?.overrides ?? [] }),
  }),
  OnCallOverridden: event<OnCallSchedule, { readonly schedule: string } & OnCallOverride>({
    evolve: (state, { schedule, person, from, to }) => ({
      schedule,
      rotations: state?.rotations ?? [],
      overrides: [...(state?.overrides ?? []), { person, from, to }],
    }),
  }),
};

const command = commandsOn<OnCallSchedule, EventsOf<{ readonly events: typeof events }>>();

/** Who is on call when; of no client. One stream a schedule: `oncall-<name>`. */
export const onCall = {
  category: 'oncall',
  noun: 'schedule',
  initial: null,
  client: () => '',
  events,
  commands: {
    SetOnCallRotations: command({
      body: SetOnCallRotations,
      route: 'POST /v1/on-call',
      refuses: ['on-call-invalid'],
      decide({ schedule, rotations }, state) {
        const faults = rotationFaults(rotations);
        if (faults.length > 0) return refuse('on-call-invalid', 'Invalid rotations', faults);
        return state !== null && same(state.rotations, rotations) ? [] : [{ type: 'OnCallRotationsSet', data: { schedule, rotations } }];
      },
    }),
    OverrideOnCall: command({
      body: OverrideOnCall,
      route: 'POST /v1/on-call/overrides',
      refuses: ['on-call-not-found', 'on-call-invalid'],
      decide({ schedule, person: { id, name }, ...times }, state) {
        if (state === null) return refuse('on-call-not-found', 'There is no such schedule');
        const [from, to] = [parseInstant(times.from), parseInstant(times.to)];
        if (from === undefined || to === undefined || from >= to) {
          return refuse('on-call-invalid', 'The override ends before it begins', [{ field: 'to', message: 'must be after from' }]);
        }
        const override = { person: present({ id, name }), from, to };
        const newest = state.overrides.at(-1);
        if (newest !== undefined && same(newest, override)) return [];
        return [{ type: 'OnCallOverridden', data: { schedule, ...override } }];
      },
    }),
  },
} satisfies Aggregate<OnCallSchedule>;

export type OnCallEvents = EventsOf<typeof onCall>;
export type OnCallCommands = CommandsOf<typeof onCall>;

/** Who is on call at an instant; undefined when nobody is. */
export function onCallAt(state: OnCallSchedule, at: Instant): Person | undefined {
  if (state === null) return undefined;
  const override = state.overrides.findLast(({ from, to }) => from <= at && at < to);
  if (override !== undefined) return override.person;
  for (const rotation of state.rotations) {
    const person = inTurn(rotation, at);
    if (person !== undefined) return person;
  }
  return undefined;
}

function inTurn({ zone, people, startsOn, handOverAt, days, hours }: OnCallRotation, at: Instant): Person | undefined {
  if (hours !== undefined && openTimeBetween(calendarFor({ zone, week: hours }), at, instantFrom(epochMillis(at) + 1)) === 0)
    return undefined;
  const there = Temporal.Instant.fromEpochMilliseconds(epochMillis(at)).toZonedDateTimeISO(zone);
  const handedOver = Temporal.PlainTime.compare(there.toPlainTime(), Temporal.PlainTime.from(handOverAt)) >= 0;
  const turnOf = handedOver ? there.toPlainDate() : there.toPlainDate().subtract({ days: 1 });
  const passed = Temporal.PlainDate.from(startsOn).until(turnOf, { largestUnit: 'days' }).days;
  return passed < 0 ? undefined : people[Math.floor(passed / days) % people.length];
}

const MOST_ROTATIONS = 20;
const MOST_PEOPLE = 100;

function rotationFaults(rotations: readonly OnCallRotation[]): readonly Fault[] {
  if (rotations.length === 0 || rotations.length > MOST_ROTATIONS)
    return [{ field: 'rotations', message: `must be a list of 1 to ${MOST_ROTATIONS} rotations` }];
  return rotations.flatMap((rotation: unknown, index) => {
    const place = `rotations[${index}]`;
    if (typeof rotation !== 'object' || rotation === null || Array.isArray(rotation))
      return [{ field: place, message: 'must be an object' }];
    const { zone, people, startsOn, handOverAt, days, hours, ...unknown } = rotation as Record<string, unknown>;
    return [
      ...Object.keys(unknown).map((field) => ({ field: `${place}.${field}`, message: 'is not a known field' })),
      // A calendar with these hours, or with any: what can be wrong with one can be wrong here.
      ...calendarFaults({ zone, week: hours ?? '24x7' }, place).map(({ field, message }) => ({
        field: field.replace(`${place}.week`, `${place}.hours`),
        message,
      })),
      ...(Array.isArray(people) && people.length > 0 && people.length <= MOST_PEOPLE && people.every(isPerson)
        ? []
        : [{ field: `${place}.people`, message: `must be a list of 1 to ${MOST_PEOPLE} people with an id` }]),
      ...(isDate(startsOn) ? [] : [{ field: `${place}.startsOn`, message: 'must be a date such as 2026-11-23' }]),
      ...(typeof handOverAt === 'string' && /^([01]\d|2[0-3]):[0-5]\d$/.test(handOverAt)
        ? []
        : [{ field: `${place}.handOverAt`, message: 'must be a time such as 09:00' }]),
      ...(Number.isSafeInteger(days) && (days as number) >= 1 && (days as number) <= 366
        ? []
        : [{ field: `${place}.days`, message: 'must be a whole number from 1 to 366' }]),
    ];
  });
}

function isPerson(value: unknown): value is Person {
  if (typeof value !== 'object' || value === null) return false;
  const { id, name, ...unknown } = value as Record<string, unknown>;
  const isName = (text: unknown) => typeof text === 'string' && /\S/.test(text) && text.length <= 200;
  return isName(id) && (name === undefined || isName(name)) && Object.keys(unknown).length === 0;
}

function isDate(value: unknown): boolean {
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(value)) return false;
  try {
    return Temporal.PlainDate.from(value, { overflow: 'reject' }).toString() === value;
  } catch {
    return false;
  }
}
