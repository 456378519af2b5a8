import { type Aggregate, type CommandsOf, commandsOn, epochMillis, type EventsOf, type Instant, instantFrom, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import {
  calendarBreaches,
  type CompiledCalendar,
  hasTimes,
  holidaysSchema,
  intervalsBreaches,
  intervalsSchema,
  openIntervals,
  openTimeBetween,
  type PlacedHours,
  type Weekday,
  WEEKDAYS,
  weekOf,
  zoneSchema,
} from '../contract/business-calendar.js';
import { Fields, Name, SomeOf, Text, TextList } from '../command-fields.js';
import { calendarFor, DAY } from '../contract/contract.js';
import { omitUndefined, same } from '../plain-json.js';
import { publishedEvent } from '../published-event.js';
import { contactOf, contactSchema, type Contact, SetTeamContact } from './contact.js';
import {
  about,
  asOne,
  boundedList,
  type Breach,
  faultsOf,
  fields,
  instant,
  listOf,
  name,
  open,
  optional,
  type Static,
  text,
  withRule,
} from '../schema.js';
import { type Tier, tierSchema, TIERS } from '../vocabulary.js';

const MOST_MEMBERS = 500;

const shift = fields({
  name: about(name(200), 'Name, unique within the team'),
  zone: zoneSchema,
  week: about(
    weekOf(about(intervalsSchema, 'Hours of a day')),
    'Hours of each weekday by the wall clock, or `24x7`. They may cross midnight (`22:00` to `06:00`) and then belong to the day on which they start',
  ),
  holidays: optional(
    about(holidaysSchema, 'Dates on which the weekly hours do not apply. Each closes only its own date, from midnight to midnight'),
  ),
  agents: optional(
    about(
      asOne(boundedList(name(200), 1, MOST_MEMBERS, 'ids'), `must be a list of 1 to ${MOST_MEMBERS} ids of agents`),
      'Ids of the members who work it; default: all',
    ),
  ),
});

/** Weekly hours, by the wall clock of a zone, of some of a team. Unlike a contract's hours they may cross midnight. */
export type Shift = Static<typeof shift>;

export const shiftSchema = about(withRule(shift, shiftBreaches), 'Working hours of some or all members of a team');

const shiftsSchema = withRule(boundedList(shiftSchema, 0, 50, 'shifts'), (shifts) =>
  shifts.flatMap(({ name }, index) =>
    shifts.findIndex((other) => other.name === name) < index
      ? [{ at: [index, 'name'], message: 'must not be the name of another shift of the team' }]
      : [],
  ),
);

export const teamSchema = about(
  open({
    team: about(text, 'Id of the team'),
    name: about(text, 'Name of the team'),
    tiers: about(listOf(tierSchema), 'Tiers the team serves'),
    clients: optional(about(listOf(text), 'Clients the team serves; absent: all')),
    members: about(listOf(text), 'Ids of the members, in the order in which they joined'),
    shifts: about(listOf(shiftSchema), 'Shifts; without any, nobody in the team is ever on shift'),
    contact: optional(about(contactSchema, "Address for the team's escalation messages")),
  }),
  'A group of agents who serve the same tiers',
);

export type Team = Static<typeof teamSchema>;

export const teamNowSchema = about(
  open({
    ...teamSchema.entries,
    at: about(instant, 'Instant requested'),
    onShift: about(
      listOf(
        open({
          agent: about(text, 'Id of the agent'),
          name: about(text, 'Name of the agent'),
          shift: about(text, 'Name of the shift'),
        }),
      ),
      'Members on shift at that instant and not absent',
    ),
  }),
  'A team, and its members on shift',
);

export type TeamNow = Static<typeof teamNowSchema>;

/** No team yet, or one. */
export type TeamState = Team | null;

@JSONSchema({
  description: 'Sets the tiers and clients a team serves, replacing earlier ones; its members and shifts stay.',
  examples: [{ name: 'Service desk', tiers: ['L1', 'L2'] }],
})
export class DefineTeam {
  @Name({ description: 'Name of the team', example: 'Service desk' })
  name!: string;

  @SomeOf(TIERS, { description: 'Tiers the team serves' })
  tiers!: readonly Tier[];

  @TextList({ description: 'Clients the team serves; default: all', max: 100, atLeastOne: true, optional: true })
  clients?: readonly string[];
}

@JSONSchema({
  description: 'Sets the shifts of a team, replacing earlier ones.',
  examples: [
    {
      shifts: [
        { name: 'day', zone: 'Europe/Rome', week: { monday: [{ from: '08:00', to: '18:00' }] } },
        { name: 'night', zone: 'Europe/Rome', week: { monday: [{ from: '22:00', to: '06:00' }] }, agents: ['henrik'] },
      ],
    },
  ],
})
export class SetShifts {
  @Fields({ description: 'Shifts, each in its own time zone. See the schema `Shift`.', list: true })
  shifts!: readonly Shift[];
}

@JSONSchema({ description: 'Adds an agent to a team. An agent may be in several teams.', examples: [{ agent: 'ada' }] })
export class AddTeamMember {
  @Name({ description: 'Id of the agent', example: 'ada', max: 100 })
  agent!: string;
}

@JSONSchema({ description: 'Removes an agent from a team.', examples: [{ agent: 'ada', reason: 'Moves to second level' }] })
export class RemoveTeamMember {
  @Name({ description: 'Id of the agent', example: 'ada', max: 100 })
  agent!: string;

  @Text({ description: 'Why', max: 2000, optional: true })
  reason?: string;
}

const events = {
  TeamDefined: publishedEvent<
    TeamState,
    { readonly team: string; readonly name: string; readonly tiers: readonly Tier[]; readonly clients?: readonly string[] }
  >({
    publicData: 'all',
    personal: null,
    evolve: (state, { team, name, tiers, clients }) =>
      omitUndefined({ team, name, tiers, clients, members: state?.members ?? [], shifts: state?.shifts ?? [], contact: state?.contact }),
  }),
  TeamShiftsSet: publishedEvent<TeamState, { readonly team: string; readonly shifts: readonly Shift[] }>({
    publicData: 'all',
    personal: null,
    evolve: (state, { shifts }) => state && { ...state, shifts },
  }),
  TeamMemberAdded: publishedEvent<TeamState, { readonly team: string; readonly agent: string }>({
    publicData: 'all',
    personal: null,
    evolve: (state, { agent }) => state && { ...state, members: [...state.members, agent] },
  }),
  TeamContactSet: publishedEvent<TeamState, { readonly team: string; readonly contact?: Contact }, 'none'>({
    publicData: 'none',
    personal: null,
    evolve: (state, { contact }) => state && omitUndefined({ ...state, contact }),
  }),
  TeamMemberRemoved: publishedEvent<TeamState, { readonly team: string; readonly agent: string; readonly reason?: string }>({
    publicData: 'all',
    personal: null,
    evolve: (state, { agent }) => state && { ...state, members: state.members.filter((member) => member !== agent) },
  }),
};

const command = commandsOn<TeamState, EventsOf<{ readonly events: typeof events }>>();

const noTeam = () => refuse('team-not-found', 'There is no such team');

/** A group of agents who serve the same tiers; belongs to no client. One stream per team: `team-<id>`. */
export const team = {
  category: 'team',
  noun: 'team',
  idName: 'team',
  initial: null,
  client: () => '',
  events,
  commands: {
    DefineTeam: command({
      body: DefineTeam,
      route: 'POST /v1/teams/{team}',
      refuses: [],
      decide({ name, tiers, clients }, state, { id = '' }) {
        const defined = omitUndefined({ team: id, name, tiers: TIERS.filter((tier) => tiers.includes(tier)), clients });
        if (state !== null) {
          const { team, name, tiers, clients } = state;
          if (same(defined, omitUndefined({ team, name, tiers, clients }))) return [];
        }
        return [{ type: 'TeamDefined', data: defined }];
      },
    }),
    SetShifts: command({
      body: SetShifts,
      route: 'POST /v1/teams/{team}/shifts',
      refuses: ['team-not-found', 'team-invalid'],
      decide({ shifts }, state) {
        if (state === null) return noTeam();
        const faults = faultsOf(shiftsSchema, shifts, 'shifts');
        if (faults.length > 0) return refuse('team-invalid', 'Invalid shifts', faults);
        return same(state.shifts, shifts) ? [] : [{ type: 'TeamShiftsSet', data: { team: state.team, shifts } }];
      },
    }),
    SetTeamContact: command({
      body: SetTeamContact,
      route: 'POST /v1/teams/{team}/contact',
      refuses: ['team-not-found'],
      decide(told, state) {
        if (state === null) return noTeam();
        const contact = contactOf(told);
        return same({ contact: state.contact }, { contact })
          ? []
          : [{ type: 'TeamContactSet', data: omitUndefined({ team: state.team, contact }) }];
      },
    }),
    AddTeamMember: command({
      body: AddTeamMember,
      route: 'POST /v1/teams/{team}/members',
      refuses: ['team-not-found', 'team-invalid'],
      decide({ agent }, state) {
        if (state === null) return noTeam();
        if (state.members.includes(agent)) return [];
        if (state.members.length >= MOST_MEMBERS) {
          return refuse('team-invalid', 'The team is full', [{ field: 'agent', message: `must not be more than ${MOST_MEMBERS} members` }]);
        }
        return [{ type: 'TeamMemberAdded', data: { team: state.team, agent } }];
      },
    }),
    RemoveTeamMember: command({
      body: RemoveTeamMember,
      route: 'POST /v1/teams/{team}/members/remove',
      refuses: ['team-not-found'],
      decide({ agent, reason }, state) {
        if (state === null) return noTeam();
        return state.members.includes(agent)
          ? [{ type: 'TeamMemberRemoved', data: omitUndefined({ team: state.team, agent, reason }) }]
          : [];
      },
    }),
  },
} satisfies Aggregate<TeamState>;

export type TeamEvents = EventsOf<typeof team>;
export type TeamCommands = CommandsOf<typeof team>;

export function serves({ tiers, clients }: Team, tier: Tier, client: string): boolean {
  return tiers.includes(tier) && (clients === undefined || clients.includes(client));
}

/** The first of a team's shifts that an agent is on at an instant. */
export function shiftAt({ shifts, members }: Team, agent: string, at: Instant): Shift | undefined {
  if (!members.includes(agent)) return undefined;
  return shifts.find((shift) => isOnShift(shift, agent) && openTimeBetween(hoursOf(shift), at, instantFrom(epochMillis(at) + 1)) > 0);
}

/** Shifts recur weekly; only holidays can delay one for longer. */
const FORESIGHT = 35 * DAY;

/** When the next shift of an agent in a team begins after an instant; undefined if none does within 35 days. */
export function nextShiftOf({ shifts, members }: Team, agent: string, after: Instant): Instant | undefined {
  if (!members.includes(agent)) return undefined;
  return shifts
    .filter((shift) => isOnShift(shift, agent))
    .flatMap((shift) => nextStartOf(shift, after) ?? [])
    .sort()[0];
}

/** When a shift next begins after an instant; undefined if it does not within 35 days. */
export function nextStartOf(shift: Shift, after: Instant): Instant | undefined {
  const until = instantFrom(epochMillis(after) + FORESIGHT);
  return openIntervals(hoursOf(shift), after, until).find(({ from }) => from > after)?.from;
}

function isOnShift({ agents }: Shift, agent: string): boolean {
  return agents === undefined || agents.includes(agent);
}

const calendars = new WeakMap<Shift, CompiledCalendar>();

function hoursOf(shift: Shift): CompiledCalendar {
  const { zone, week, holidays } = shift;
  const calendar = calendars.get(shift) ?? calendarFor(omitUndefined({ zone, week: week === '24x7' ? week : byDate(week), holidays }));
  calendars.set(shift, calendar);
  return calendar;
}

/** Weekly hours with those over midnight cut at midnight, as calendars require. */
function byDate(week: Exclude<Shift['week'], '24x7'>): Readonly<Partial<Record<Weekday, readonly PlacedHours[]>>> {
  const given = WEEKDAYS.flatMap((day) =>
    (week[day] ?? []).map(({ from, to }, index) => ({ day, from, to, at: ['week', day, index], words: `${from} to ${to} of ${day}` })),
  );
  const overMidnight = given.filter((hours) => hasTimes(hours) && hours.to < hours.from);
  const rests = overMidnight.flatMap((hours) => {
    const next = WEEKDAYS[(WEEKDAYS.indexOf(hours.day) + 1) % WEEKDAYS.length];
    return next === undefined || hours.to === '00:00' ? [] : [{ ...hours, day: next, from: '00:00' }];
  });
  const cut = given.map((hours) => (overMidnight.includes(hours) ? { ...hours, to: '24:00' } : hours));
  return Object.fromEntries(
    WEEKDAYS.map((weekday): [Weekday, readonly PlacedHours[]] => [weekday, [...cut, ...rests].filter(({ day }) => day === weekday)]),
  );
}

function shiftBreaches(shift: Shift): readonly Breach[] {
  const days = shift.week === '24x7' ? [] : Object.values(byDate(shift.week));
  return [...calendarBreaches(shift), ...days.flatMap((hours) => intervalsBreaches(hours, 'must end after it begins'))];
}
