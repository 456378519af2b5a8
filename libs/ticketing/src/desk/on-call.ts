import {
  type Aggregate,
  type CommandsOf,
  commandsOn,
  epochMillis,
  event,
  type EventsOf,
  type Instant,
  instantFrom,
  parseInstant,
  refuse,
} from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Temporal } from 'temporal-polyfill';
import { dateSchema, hoursSchema, openTimeBetween, weekOf, zoneSchema } from '../contract/business-calendar.js';
import { DateTime, Fields, Part, Text, PersonRef } from '../command-fields.js';
import { calendarFor } from '../contract/contract.js';
import { present, same } from '../plain-json.js';
import {
  about,
  asOne,
  faultsOf,
  fewOf,
  fields,
  instant,
  listOf,
  matching,
  name,
  open,
  optional,
  refer,
  type Static,
  text,
  whole,
} from '../schema.js';
import { type Person, personSchema } from '../vocabulary.js';

const turnTaker = fields({
  id: about(name(200), 'Id of the person'),
  name: optional(about(name(200), 'Name of the person')),
});

export const onCallRotationSchema = about(
  fields({
    zone: about(zoneSchema, 'IANA name of the zone: turns begin by the wall clock there, also across a change to or from summer time'),
    people: about(
      asOne(fewOf(turnTaker, 1, 100, 'people'), 'must be a list of 1 to 100 people with an id'),
      'Who take turns, in this order',
    ),
    startsOn: about(dateSchema, "Date (`YYYY-MM-DD`) of the first person's first turn"),
    handOverAt: about(
      matching(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time such as 09:00'),
      'Wall-clock time (`HH:MM`) at which a turn begins and the one before ends',
    ),
    days: about(whole(1, 366), 'Days of a turn'),
    hours: optional(about(weekOf(hoursSchema), 'Hours in which the rotation answers, as in a calendar; always, unless said otherwise')),
  }),
  'People who take turns. Several rotations, each in a zone of its own, follow the sun',
);

/** People who take turns. Several rotations, each in a zone of its own, follow the sun. */
export type OnCallRotation = Static<typeof onCallRotationSchema>;

const rotationsSchema = fewOf(onCallRotationSchema, 1, 20, 'rotations');

const overrideSchema = open({
  person: about(refer(personSchema), 'Who answers'),
  from: about(instant, 'From when'),
  to: about(instant, 'Until when; the instant itself is not in it'),
});

/** Somebody answers for a while, whatever the rotations say: from the first instant up to the second, which is not in it. */
export type OnCallOverride = Static<typeof overrideSchema>;

export const onCallScheduleSchema = about(
  open({
    schedule: about(text, 'Name of the schedule'),
    rotations: about(listOf(onCallRotationSchema), 'The first that answers at an instant counts'),
    overrides: about(listOf(overrideSchema), 'Oldest first; the newest of those at an instant counts'),
  }),
  'Who answers when',
);

export const onCallNowSchema = about(
  open({
    ...onCallScheduleSchema.entries,
    at: about(instant, 'The instant that was asked about'),
    onCall: optional(about(refer(personSchema), 'Who is on call at that instant; absent when nobody is')),
  }),
  'A schedule, and who is on call',
);

export type OnCallNow = Static<typeof onCallNowSchema>;

/** No schedule yet, or one. */
export type OnCallSchedule = Static<typeof onCallScheduleSchema> | null;

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
