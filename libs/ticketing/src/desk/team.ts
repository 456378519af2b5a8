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
  refuse,
} from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { type BusinessCalendar, calendarFaults, openIntervals, openTimeBetween, WEEKDAYS } from '../contract/business-calendar.js';
import { Fields, SomeOf, Text, TextList } from '../command-fields.js';
import { calendarFor, DAY } from '../contract/contract.js';
import { fieldsOf, isFields, present, same } from '../plain-json.js';
import { type Tier, TIERS } from '../vocabulary.js';

/**
 * Hours of the week, by the wall clock of a zone, in which some of a team work. Unlike the hours of a contract's calendar they may run
 * over midnight (`22:00` to `06:00`): those of the next date then belong to the day on which they began. A holiday closes its own date
 * alone, from midnight to midnight.
 */
export interface Shift extends BusinessCalendar {
  /** Unique in its team. */
  readonly name: string;
  /** Ids of the members who work it; all of them, unless said. */
  readonly agents?: readonly string[];
}

export interface Team {
  readonly team: string;
  readonly name: string;
  /** Tiers that it serves: one, or several. */
  readonly tiers: readonly Tier[];
  /** Clients that it serves; all of them, unless said. */
  readonly clients?: readonly string[];
  /** Ids of agents, in the order in which they joined. */
  readonly members: readonly string[];
  /** Without any, nobody of the team is ever on shift. */
  readonly shifts: readonly Shift[];
}

/** No team yet, or one. */
export type TeamState = Team | null;

@JSONSchema({
  description: 'Says which tiers and clients a team serves. What was said before is replaced; its members and shifts stay.',
  examples: [{ name: 'Service desk', tiers: ['L1', 'L2'] }],
})
export class DefineTeam {
  @Text({ description: 'Name of the team', example: 'Service desk' })
  name!: string;

  @SomeOf(TIERS, { description: 'Tiers that it serves' })
  tiers!: readonly Tier[];

  @TextList({ description: 'Clients that it serves; all of them unless said otherwise', max: 100, atLeastOne: true, optional: true })
  clients?: readonly string[];
}

@JSONSchema({
  description: 'Sets when who of a team works. What was set before is replaced.',
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
  @Fields({ description: 'Shifts, each in a zone of its own. See the schema `Shift`.', list: true })
  shifts!: readonly Shift[];
}

@JSONSchema({ description: 'An agent joins a team. An agent may be in several.', examples: [{ agent: 'ada' }] })
export class AddTeamMember {
  @Text({ description: 'Id of the agent', example: 'ada', max: 100 })
  agent!: string;
}

@JSONSchema({ description: 'An agent is of a team no longer.', examples: [{ agent: 'ada', reason: 'Moves to second level' }] })
export class RemoveTeamMember {
  @Text({ description: 'Id of the agent', example: 'ada', max: 100 })
  agent!: string;

  @Text({ description: 'Why', max: 2000, optional: true })
  reason?: string;
}

const events = {
  TeamDefined: event<
    TeamState,
    { readonly team: string; readonly name: string; readonly tiers: readonly Tier[]; readonly clients?: readonly string[] }
  >({
    evolve: (state, { team, name, tiers, clients }) =>
      present({ team, name, tiers, clients, members: state?.members ?? [], shifts: state?.shifts ?? [] }),
  }),
  TeamShiftsSet: event<TeamState, { readonly team: string; readonly shifts: readonly Shift[] }>({
    evolve: (state, { shifts }) => state && { ...state, shifts },
  }),
  TeamMemberAdded: event<TeamState, { readonly team: string; readonly agent: string }>({
    evolve: (state, { agent }) => state && { ...state, members: [...state.members, agent] },
  }),
  TeamMemberRemoved: event<TeamState, { readonly team: string; readonly agent: string; readonly reason?: string }>({
    evolve: (state, { agent }) => state && { ...state, members: state.members.filter((member) => member !== agent) },
  }),
};

const command = commandsOn<TeamState, EventsOf<{ readonly events: typeof events }>>();

const MOST_MEMBERS = 500;
const noTeam = () => refuse('team-not-found', 'There is no such team');

/** A group of agents who serve the same tiers; of no client. One stream a team: `team-<id>`. */
export const team = {
  category: 'team',
  noun: 'team',
  initial: null,
  client: () => '',
  events,
  commands: {
    DefineTeam: command({
      body: DefineTeam,
      route: 'POST /v1/teams/{team}',
      refuses: [],
      decide({ name, tiers, clients }, state, { id = '' }) {
        const defined = present({ team: id, name, tiers: TIERS.filter((tier) => tiers.includes(tier)), clients });
        if (state !== null) {
          const { team, name, tiers, clients } = state;
          if (same(defined, present({ team, name, tiers, clients }))) return [];
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
        const faults = shiftFaults(shifts);
        if (faults.length > 0) return refuse('team-invalid', 'Invalid shifts', faults);
        return same(state.shifts, shifts) ? [] : [{ type: 'TeamShiftsSet', data: { team: state.team, shifts } }];
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
        return state.members.includes(agent) ? [{ type: 'TeamMemberRemoved', data: present({ team: state.team, agent, reason }) }] : [];
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
  return shifts.find((shift) => works(shift, agent) && openTimeBetween(hoursOf(shift), at, instantFrom(epochMillis(at) + 1)) > 0);
}

/** Shifts recur by the week; only holidays can put one off for longer. */
const FORESIGHT = 35 * DAY;

/** When the next shift of an agent in a team begins, after an instant; undefined when none does within 35 days. */
export function nextShiftOf({ shifts, members }: Team, agent: string, after: Instant): Instant | undefined {
  if (!members.includes(agent)) return undefined;
  return shifts
    .filter((shift) => works(shift, agent))
    .flatMap((shift) => nextStartOf(shift, after) ?? [])
    .sort()[0];
}

/** When a shift begins next, after an instant; undefined when it does not within 35 days. */
export function nextStartOf(shift: Shift, after: Instant): Instant | undefined {
  const until = instantFrom(epochMillis(after) + FORESIGHT);
  return openIntervals(hoursOf(shift), after, until).find(({ from }) => from > after)?.from;
}

function works({ agents }: Shift, agent: string): boolean {
  return agents === undefined || agents.includes(agent);
}

function hoursOf({ zone, week, holidays }: Shift) {
  return calendarFor(present({ zone, week: byDate(week).week as BusinessCalendar['week'], holidays }));
}

/**
 * The hours of a week with those that run over midnight cut there, as a calendar wants them. What has another shape stays as it is.
 * @returns the week, and for each of the hours that came of a cut where they were in the one given: `tuesday[1]` → `monday[0]`
 */
function byDate(week: unknown): { readonly week: unknown; readonly origins: ReadonlyMap<string, string> } {
  const origins = new Map<string, string>();
  if (!isFields(week)) return { week, origins };
  const cut: Record<string, unknown> = {};
  const rests: { readonly day: string; readonly to: string; readonly origin: string }[] = [];
  for (const [day, hours] of Object.entries(week)) {
    cut[day] = !Array.isArray(hours)
      ? hours
      : hours.map((one: unknown, index) => {
          const { from, to } = fieldsOf(one);
          const next = WEEKDAYS[(WEEKDAYS.indexOf(day as never) + 1) % 7];
          if (typeof from !== 'string' || typeof to !== 'string' || !(to < from) || !/^\d\d:\d\d$/.test(to) || next === undefined)
            return one;
          if (to !== '00:00') rests.push({ day: next, to, origin: `${day}[${index}]` });
          return { from, to: '24:00' };
        });
  }
  for (const { day, to, origin } of rests) {
    const hours = cut[day] ?? [];
    if (!Array.isArray(hours)) continue;
    origins.set(`${day}[${hours.length}]`, origin);
    cut[day] = [...hours, { from: '00:00', to }];
  }
  return { week: cut, origins };
}

const MOST_SHIFTS = 50;
const isName = (text: unknown) => typeof text === 'string' && /\S/.test(text) && text.length <= 200;

function shiftFaults(shifts: readonly unknown[]): readonly Fault[] {
  if (shifts.length > MOST_SHIFTS) return [{ field: 'shifts', message: `must be a list of at most ${MOST_SHIFTS} shifts` }];
  const seen = new Set<unknown>();
  return shifts.flatMap((shift, index): readonly Fault[] => {
    const place = `shifts[${index}]`;
    if (!isFields(shift)) return [{ field: place, message: 'must be an object' }];
    const { name, zone, week, holidays, agents, ...unknown } = shift;
    const { week: dated, origins } = byDate(week);
    const asGiven = (text: string) => text.replace(/(?<=\.week\.)\w+\[\d+\]/g, (hours) => origins.get(hours) ?? hours);
    const again = seen.has(name);
    seen.add(name);
    return [
      ...Object.keys(unknown).map((field) => ({ field: `${place}.${field}`, message: 'is not a known field' })),
      ...(isName(name) && !again ? [] : [{ field: `${place}.name`, message: 'must be text that no other shift of the team has' }]),
      ...calendarFaults(present({ zone, week: dated, holidays }), place).map(({ field, message }) => ({
        field: asGiven(field),
        message: asGiven(message).replace(': overnight is two intervals, one to 24:00 and one from 00:00', ''),
      })),
      ...(agents === undefined || (Array.isArray(agents) && agents.length > 0 && agents.length <= MOST_MEMBERS && agents.every(isName))
        ? []
        : [{ field: `${place}.agents`, message: `must be a list of 1 to ${MOST_MEMBERS} ids of agents` }]),
    ];
  });
}
