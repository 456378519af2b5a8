import type { Fault } from '#eventsourcing';
import { type EscalationPolicy, escalationPolicyFaults } from './escalation-policy.js';
import { fieldsOf, isFields, isWhole } from '../plain-json.js';
import { HAND_OFF_ITEMS, type HandOffRequirements, RECEIVING_TIERS } from './hand-off.js';
import { type BusinessCalendar, calendarFaults, type CompiledCalendar, compileCalendar } from './business-calendar.js';
import {
  HOLD_REASONS,
  type HoldReason,
  IMPACTS,
  type Impact,
  PRIORITIES,
  type Priority,
  rank,
  TIERS,
  type Tier,
  URGENCIES,
  type Urgency,
} from '../vocabulary.js';

/** Milliseconds in a minute, an hour, a day of 24 hours. */
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/**
 * How long a promise gives: milliseconds of open time, or a number of business days, which end with the open time of the last of them
 * (see `endOfBusinessDay`). Two business days are not sixteen hours.
 */
export type Target = number | { readonly businessDays: number };

/** The SLA of a priority. */
export interface ClientTargets {
  readonly response: Target;
  readonly resolution: Target;
}

/** The OLA of a tier for a priority: to take the work once it is there, and to do it once it is taken. What is left out is not measured. */
export interface TierTargets {
  readonly accept?: Target;
  readonly work?: Target;
}

/** What was agreed with a client: plain JSON. What can be wrong with one is told by `contractFaults`. */
export interface Contract {
  /** Tiers that exist, lowest first. */
  readonly tiers: readonly Tier[];
  readonly priorities: Readonly<Record<Impact, Readonly<Record<Urgency, Priority>>>>;
  /** When the clocks of this contract may run: in the client's zone and hours, not in the agent's. */
  readonly calendar: BusinessCalendar;
  /** The SLA promised to the client: time to the first response and to the resolution. */
  readonly targets: Readonly<Record<Priority, ClientTargets>>;
  /** The OLA between tiers. A tier that is left out has no clock. */
  readonly tierTargets?: Readonly<Partial<Record<Tier, Readonly<Record<Priority, TierTargets>>>>>;
  /** The UC with each vendor, by the name that hand-offs to L4 give: how long one may be waited for. `*` is every vendor not named. */
  readonly vendorTargets?: Readonly<Record<string, Target>>;
  /** Per cent of a target at which someone is warned, ascending. */
  readonly thresholds: readonly number[];
  /** Holds that pause the client's clocks. Waiting for a vendor does not, unless the contract says so; it pauses those of the tiers always. */
  readonly pausedBy: readonly HoldReason[];
  /** Whether a reopened ticket has its whole resolution target again, or what was left of it. */
  readonly reopen: 'new-cycle' | 'continue';
  /** Returned hand-offs that are borne before someone higher up is told. */
  readonly pingPongLimit: number;
  /** What a hand-off must carry to each tier; a tier that is left out asks for what is customary (see hand-off.ts). */
  readonly handOffs?: HandOffRequirements;
  /** Categories that tickets may have, each with all below it: `hardware/printer`. Any, where it lists none. */
  readonly categories?: readonly string[];
  /** Configuration items that tickets may be about: services, each with its components. Any, where it is left out. */
  readonly services?: Readonly<Record<string, readonly string[]>>;
  /** Whether tickets are given to agents automatically; they are not, unless it says so. See assignment.ts. */
  readonly assignment?: (typeof ASSIGNMENTS)[number];
  /** Skills that an agent must have to be given a ticket of a category, or of one below it, automatically. */
  readonly categorySkills?: Readonly<Record<string, readonly string[]>>;
  /** What is done, step by step, while nobody sees to something. */
  readonly escalationPolicies?: readonly EscalationPolicy[];
  /** How long after its resolution a ticket can be reopened: milliseconds, whatever the calendar. */
  readonly reopenWindow: number;
}

export const ASSIGNMENTS = ['manual', 'automatic'] as const;

/** Which contract a ticket goes by, in full: what a ticket was promised must not change because something else did. */
export interface PinnedContract {
  /** Version of the client's contract, from 1. */
  readonly version: number;
  /** Version of the time zone data that its calendar was read with, such as `2025b`. */
  readonly tzdata: string;
  readonly terms: Contract;
}

/** What a ticket goes by: the contract that it pins, or the default one. */
export function termsOf({ contract }: { readonly contract?: PinnedContract }): Contract {
  return contract?.terms ?? defaultContract;
}

/** The figures of the field's practice, for every client that has agreed nothing else. */
export const defaultContract: Contract & {
  readonly targets: Readonly<Record<Priority, { readonly response: number; readonly resolution: number }>>;
} = {
  tiers: TIERS,
  priorities: {
    major: { critical: 'critical', high: 'critical', medium: 'high', low: 'high' },
    high: { critical: 'critical', high: 'high', medium: 'high', low: 'medium' },
    medium: { critical: 'high', high: 'high', medium: 'medium', low: 'medium' },
    low: { critical: 'medium', high: 'medium', medium: 'low', low: 'low' },
  },
  calendar: { zone: 'UTC', week: '24x7' },
  targets: {
    critical: { response: 15 * MINUTE, resolution: 4 * HOUR },
    high: { response: 15 * MINUTE, resolution: 8 * HOUR },
    medium: { response: 30 * MINUTE, resolution: 24 * HOUR },
    low: { response: 30 * MINUTE, resolution: 48 * HOUR },
  },
  thresholds: [50, 75, 90],
  pausedBy: ['customer', 'planned-change'],
  reopen: 'new-cycle',
  pingPongLimit: 2,
  reopenWindow: 14 * DAY,
};

/** The next higher tier that the contract has. */
export function nextTier(contract: Contract, tier: Tier): Tier | undefined {
  return contract.tiers.find((other) => rank(other) > rank(tier));
}

/** Where a ticket enters when nobody says otherwise: the lowest tier with people in it. */
export function entryTier(contract: Contract): Tier {
  return contract.tiers.find((tier) => tier !== 'L0') ?? 'L1';
}

/** By object, and by content: every ticket brings its contract along, and most of them the same. */
const compiled = new WeakMap<BusinessCalendar, CompiledCalendar>();
const compiledByContent = new Map<string, CompiledCalendar>();
const MOST_CALENDARS = 1_000;

/**
 * The contract's calendar, ready to be asked: compiled when it is first needed, once for what it says.
 * @throws RangeError when the calendar is faulty: see `contractFaults`
 */
export function calendarOf({ calendar }: Contract): CompiledCalendar {
  return calendarFor(calendar);
}

/** @throws RangeError when the calendar is faulty: see `calendarFaults` */
export function calendarFor(calendar: BusinessCalendar): CompiledCalendar {
  let ready = compiled.get(calendar);
  if (ready === undefined) {
    const content = JSON.stringify(calendar);
    ready = compiledByContent.get(content) ?? compileCalendar(calendar);
    compiled.set(calendar, ready);
    if (compiledByContent.size >= MOST_CALENDARS) compiledByContent.clear();
    compiledByContent.set(content, ready);
  }
  return ready;
}

/** A promise for longer than this is a slip of the keyboard. */
const LONGEST = 3650 * DAY;
const MOST_BUSINESS_DAYS = 1000;

/** All that is wrong with a contract as it came from outside, each fault with its field. None means that it is sound. */
export function contractFaults(contract: unknown): readonly Fault[] {
  const {
    tiers,
    priorities,
    calendar,
    targets,
    tierTargets,
    vendorTargets,
    thresholds,
    pausedBy,
    reopen,
    pingPongLimit,
    reopenWindow,
    escalationPolicies,
    handOffs,
    categories,
    assignment,
    categorySkills,
    services,
  } = fieldsOf(contract);
  return [
    ...orderedFaults(tiers, TIERS, 'tiers'),
    ...(Array.isArray(tiers) && tiers.length === 0 ? [{ field: 'tiers', message: 'must name at least one tier' }] : []),
    ...gridFaults(priorities, 'priorities', IMPACTS, (urgencies, field) =>
      gridFaults(urgencies, field, URGENCIES, (priority, place) => oneOfFaults(priority, PRIORITIES, place)),
    ),
    ...calendarFaults(calendar),
    ...gridFaults(targets, 'targets', PRIORITIES, (ofPriority, field) =>
      gridFaults(ofPriority, field, ['response', 'resolution'], targetFaults),
    ),
    ...(tierTargets === undefined ? [] : tierTargetFaults(tierTargets, tiers)),
    ...(vendorTargets === undefined ? [] : gridFaults(vendorTargets, 'vendorTargets', Object.keys(fieldsOf(vendorTargets)), targetFaults)),
    ...thresholdFaults(thresholds),
    ...(Array.isArray(pausedBy)
      ? pausedBy.flatMap((reason: unknown, index) => oneOfFaults(reason, HOLD_REASONS, `pausedBy[${index}]`))
      : [{ field: 'pausedBy', message: 'must be a list of reasons for a hold' }]),
    ...(handOffs === undefined ? [] : handOffFaults(handOffs)),
    ...(categories === undefined || (Array.isArray(categories) && categories.length > 0 && categories.length <= 1000)
      ? ((categories ?? []) as unknown[]).flatMap((category, index) =>
          typeof category === 'string' && category.length <= 200 && /^[^/]*[^/\s][^/]*(\/[^/]*[^/\s][^/]*)*$/.test(category)
            ? []
            : [{ field: `categories[${index}]`, message: 'must be a category such as hardware/printer' }],
        )
      : [{ field: 'categories', message: 'must be a list of 1 to 1000 categories' }]),
    ...(assignment === undefined ? [] : oneOfFaults(assignment, ASSIGNMENTS, 'assignment')),
    ...(services === undefined ? [] : serviceFaults(services)),
    ...(categorySkills === undefined ? [] : categorySkillFaults(categorySkills)),
    ...(escalationPolicies === undefined ? [] : escalationPolicyFaults(escalationPolicies, thresholds)),
    ...oneOfFaults(reopen, ['new-cycle', 'continue'], 'reopen'),
    ...(isWhole(pingPongLimit, 0, 1000) ? [] : [{ field: 'pingPongLimit', message: 'must be a whole number from 0 to 1000' }]),
    ...(isWhole(reopenWindow, 0, LONGEST)
      ? []
      : [{ field: 'reopenWindow', message: 'must be a whole number of milliseconds, at most 3650 days' }]),
  ];
}

const MOST_ITEMS = 1000;

function serviceFaults(services: unknown): readonly Fault[] {
  if (!isFields(services)) return [{ field: 'services', message: 'must be an object with the components of each service' }];
  const isName = (name: unknown) => typeof name === 'string' && /\S/.test(name) && name.length <= 200;
  return [
    ...(Object.keys(services).length === 0 ? [{ field: 'services', message: 'must have at least one service' }] : []),
    ...Object.entries(services).flatMap(([service, components]) => {
      const field = `services.${service}`;
      if (!isName(service)) return [{ field, message: 'must be named by 1 to 200 characters' }];
      if (!Array.isArray(components) || components.length > MOST_ITEMS)
        return [{ field, message: `must be a list of at most ${MOST_ITEMS} components` }];
      return components.flatMap((component: unknown, index) =>
        isName(component) ? [] : [{ field: `${field}[${index}]`, message: 'must be the name of a component: 1 to 200 characters' }],
      );
    }),
  ];
}

function categorySkillFaults(categorySkills: unknown): readonly Fault[] {
  if (!isFields(categorySkills)) return [{ field: 'categorySkills', message: 'must be an object with skills for each category' }];
  const isSkill = (skill: unknown) => typeof skill === 'string' && /\S/.test(skill) && skill.length <= 100;
  return Object.entries(categorySkills).flatMap(([category, skills]) =>
    Array.isArray(skills) && skills.length > 0 && skills.length <= 100 && skills.every(isSkill)
      ? []
      : [{ field: `categorySkills.${category}`, message: 'must be a list of 1 to 100 skills' }],
  );
}

function handOffFaults(handOffs: unknown): readonly Fault[] {
  if (!isFields(handOffs)) return [{ field: 'handOffs', message: `must be an object with some of ${RECEIVING_TIERS.join(', ')}` }];
  return Object.entries(handOffs).flatMap(([tier, asked]) => {
    const field = `handOffs.${tier}`;
    if (!RECEIVING_TIERS.includes(tier as never)) return [{ field, message: `must be one of ${RECEIVING_TIERS.join(', ')}` }];
    if (!Array.isArray(asked)) return [{ field, message: `must be a list of ${HAND_OFF_ITEMS.join(', ')}` }];
    return asked.flatMap((item: unknown, index) => oneOfFaults(item, HAND_OFF_ITEMS, `${field}[${index}]`));
  });
}

function tierTargetFaults(tierTargets: unknown, tiers: unknown): readonly Fault[] {
  const named = Object.keys(fieldsOf(tierTargets));
  const existing = Array.isArray(tiers) ? tiers : [];
  return gridFaults(tierTargets, 'tierTargets', named, (ofTier, field, tier) =>
    existing.includes(tier)
      ? gridFaults(ofTier, field, PRIORITIES, (ofPriority, place) => {
          const promised = ['accept', 'work'].filter((what) => Object.hasOwn(fieldsOf(ofPriority), what));
          return promised.length === 1
            ? gridFaults(ofPriority, place, promised, targetFaults)
            : gridFaults(ofPriority, place, ['accept', 'work'], targetFaults);
        })
      : [{ field, message: 'must be a tier of the contract' }],
  );
}

function targetFaults(target: unknown, field: string): readonly Fault[] {
  if (isWhole(target, 1, LONGEST)) return [];
  if (typeof target === 'object' && target !== null && 'businessDays' in target) {
    if (isWhole(target.businessDays, 1, MOST_BUSINESS_DAYS)) return [];
    return [{ field: `${field}.businessDays`, message: `must be a whole number from 1 to ${MOST_BUSINESS_DAYS}` }];
  }
  return [{ field, message: 'must be a whole number of milliseconds above 0, at most 3650 days, or a number of businessDays' }];
}

function thresholdFaults(thresholds: unknown): readonly Fault[] {
  if (!Array.isArray(thresholds)) return [{ field: 'thresholds', message: 'must be a list of percentages' }];
  return thresholds.flatMap((percent: unknown, index) => {
    const field = `thresholds[${index}]`;
    if (!isWhole(percent, 1, 99)) return [{ field, message: 'must be a whole number from 1 to 99: the breach comes by itself' }];
    return index > 0 && !(percent > Number(thresholds[index - 1])) ? [{ field, message: 'must be higher than the one before' }] : [];
  });
}

/** Words from an ordered vocabulary, each once and in its order. */
function orderedFaults(words: unknown, vocabulary: readonly string[], field: string): readonly Fault[] {
  if (!Array.isArray(words)) return [{ field, message: `must be a list of ${vocabulary.join(', ')}` }];
  return words.flatMap((word: unknown, index) => {
    const place = `${field}[${index}]`;
    const unknown = oneOfFaults(word, vocabulary, place);
    if (unknown.length > 0 || index === 0) return unknown;
    const ascends = vocabulary.indexOf(word as string) > vocabulary.indexOf(words[index - 1] as string);
    return ascends ? [] : [{ field: place, message: `must come in the order ${vocabulary.join(', ')}, each once` }];
  });
}

/** An object with exactly the given keys: what is missing is a gap, what is more is unknown, what is there is checked. */
function gridFaults(
  grid: unknown,
  field: string,
  keys: readonly string[],
  check: (value: unknown, field: string, key: string) => readonly Fault[],
): readonly Fault[] {
  if (!isFields(grid))
    return [{ field, message: `must be an object with ${keys.length > 0 ? keys.join(', ') : 'a target for each name'}` }];
  return [
    ...keys.flatMap((key) =>
      Object.hasOwn(grid, key) ? check(grid[key], `${field}.${key}`, key) : [{ field: `${field}.${key}`, message: 'is missing' }],
    ),
    ...Object.keys(grid).flatMap((key) =>
      keys.includes(key) ? [] : [{ field: `${field}.${key}`, message: `must be one of ${keys.join(', ')}` }],
    ),
  ];
}

function oneOfFaults(word: unknown, vocabulary: readonly string[], field: string): readonly Fault[] {
  return vocabulary.includes(word as string) ? [] : [{ field, message: `must be one of ${vocabulary.join(', ')}` }];
}
