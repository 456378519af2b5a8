import { type BusinessCalendar, calendarSchema, type CompiledCalendar, compileCalendar } from './business-calendar.js';
import { messageTemplateSchema } from './escalation-message.js';
import { escalationPoliciesSchema } from './escalation-policy.js';
import { handOffRequirementsSchema } from './hand-off.js';
import { ratesSchema } from './rates.js';
import { rulesSchema, thresholdBreaches } from './rule.js';
import { without } from '../plain-json.js';
import {
  about,
  asOne,
  boundedList,
  type Breach,
  count,
  fields,
  forEach,
  forSome,
  listOf,
  matching,
  name,
  oneOf,
  open,
  optional,
  recordOf,
  refer,
  type Static,
  text,
  that,
  unionOf,
  whole,
  withRule,
} from '../schema.js';
import {
  type AssistantAct,
  HOLD_REASONS,
  IMPACTS,
  PRIORITIES,
  type Priority,
  prioritySchema,
  rank,
  TIERS,
  type Tier,
  tierSchema,
  URGENCIES,
} from '../vocabulary.js';

/** Milliseconds in a minute, an hour, a day of 24 hours. */
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A longer promise is a typing error. */
const LONGEST = 3650 * DAY;

const millisecondsSchema = whole(1, LONGEST, 'must be a whole number of milliseconds above 0, at most 3650 days');

export const targetSchema = about(
  unionOf(
    [
      about(millisecondsSchema, 'Milliseconds of open time'),
      open({ businessDays: about(whole(1, 1000), 'Business days: ends when the last of them closes') }),
    ],
    'must be a whole number of milliseconds above 0, at most 3650 days, or a number of businessDays',
  ),
  'Target time: milliseconds of open time, or business days. Two business days are not sixteen hours',
);

/** How long a promise allows: milliseconds of open time, or a number of business days (see `endOfBusinessDay`). */
export type Target = Static<typeof targetSchema>;

export const clientTargetsSchema = fields({
  response: about(refer(targetSchema), 'Target for the first response'),
  resolution: about(refer(targetSchema), 'Target for the resolution'),
});

/** The SLA of a priority. */
export type ClientTargets = Static<typeof clientTargetsSchema>;

export const tierTargetsSchema = withRule(
  fields({
    accept: optional(about(refer(targetSchema), 'Target for accepting the work; not measured if omitted')),
    work: optional(about(refer(targetSchema), 'Target for the work once accepted; not measured if omitted')),
  }),
  ({ accept, work }) =>
    accept === undefined && work === undefined ? ['accept', 'work'].map((what) => ({ at: [what], message: 'is missing' })) : [],
);

/** The OLA of a tier for a priority. */
export type TierTargets = Static<typeof tierTargetsSchema>;

/** Default of `quietTime`, in milliseconds. */
export const QUIET_TIME = 120_000;

export const ASSIGNMENTS = ['manual', 'automatic'] as const;

export const priorityByUrgencySchema = forEach(URGENCIES, prioritySchema);

const CATEGORY = /^[^/]*[^/\s][^/]*(\/[^/]*[^/\s][^/]*)*$/;

const assistantsMay = oneOf(['alone', 'approval', 'never']);

const recurrenceSchema = fields({
  tickets: about(whole(2, 100), 'Number of incidents that open a problem'),
  within: about(millisecondsSchema, 'Period in which they are counted, in milliseconds'),
  recursWithin: optional(
    about(
      millisecondsSchema,
      'Milliseconds after a fix by L2 or L3 within which a similar incident counts as a recurrence; default: 90 days',
    ),
  ),
});

/** When incidents with the same fingerprint are a problem. */
export type Recurrence = Static<typeof recurrenceSchema>;

const majorIncidentRuleSchema = fields({
  tickets: about(whole(2, 1000), 'Number of incidents about one service'),
  within: about(millisecondsSchema, 'Period in which they are counted, in milliseconds'),
  then: about(oneOf(['propose', 'declare']), '`propose`: a person confirms or dismisses it; `declare`: it is declared at once'),
});

/** When incidents about one service are a major incident. */
export type MajorIncidentRule = Static<typeof majorIncidentRuleSchema>;

const majorIncidentTermsSchema = fields({
  rule: optional(about(majorIncidentRuleSchema, 'When incidents about one service become a major incident. Not counted if omitted')),
  reviewWithin: optional(
    about(millisecondsSchema, 'Milliseconds after stand-down within which a major incident must be reviewed; default: five days'),
  ),
});

/** What is agreed about major incidents. */
export type MajorIncidentTerms = Static<typeof majorIncidentTermsSchema>;

const terms = fields({
  tiers: about(
    withRule(listOf(tierSchema, TIERS.join(', ')), tiersBreaches),
    'Existing tiers, lowest first: a hand-off goes to the next one',
  ),
  priorities: about(forEach(IMPACTS, priorityByUrgencySchema), 'Impact × urgency → priority'),
  calendar: about(refer(calendarSchema), "When SLA clocks run: in the client's time zone and hours, not the agent's"),
  targets: about(forEach(PRIORITIES, clientTargetsSchema), 'SLA promised to the client, by priority'),
  tierTargets: optional(
    about(forSome(TIERS, forEach(PRIORITIES, tierTargetsSchema)), 'OLA between tiers, by priority. An omitted tier has no clock'),
  ),
  vendorTargets: optional(
    about(
      recordOf(targetSchema, 'must be an object with a target for each vendor'),
      'Underpinning contract (UC) with each vendor, by the name used in hand-offs to L4. `*` is every vendor not named',
    ),
  ),
  thresholds: about(withRule(listOf(whole(1, 99), 'percentages'), ascending), 'Warning thresholds in per cent of the target, ascending'),
  pausedBy: about(
    listOf(oneOf(HOLD_REASONS), 'reasons for a hold'),
    "Hold reasons that pause the client's clocks. The tiers' clocks always pause while waiting for a vendor",
  ),
  reopen: about(
    oneOf(['new-cycle', 'continue']),
    '`new-cycle`: a reopened ticket gets its full resolution target again; `continue`: only what was left of it',
  ),
  pingPongLimit: about(whole(0, 1000), 'Number of returned hand-offs allowed before a hierarchical escalation'),
  handOffs: optional(about(handOffRequirementsSchema, 'What a hand-off to each tier must include; an omitted tier uses the defaults')),
  categories: optional(
    about(
      boundedList(matching(CATEGORY, 'must be a category such as hardware/printer', 200), 1, 1000, 'categories'),
      'Categories that tickets may have, including their subcategories: `hardware/printer`. Any if omitted',
    ),
  ),
  services: optional(
    about(
      that(
        recordOf(boundedList(name(200), 0, 1000, 'components'), 'must be an object with the components of each service', name(200)),
        (services) => Object.keys(services).length > 0,
        'must have at least one service',
      ),
      'Configuration items that tickets may concern: services with their components. Any if omitted',
    ),
  ),
  assignment: optional(about(oneOf(ASSIGNMENTS), '`automatic`: tickets are assigned to agents on shift; `manual` (default): they are not')),
  categorySkills: optional(
    about(
      recordOf(
        asOne(boundedList(name(100), 1, 100, 'skills'), 'must be a list of 1 to 100 skills'),
        'must be an object with skills for each category',
      ),
      'Skills an agent needs for automatic assignment of tickets of a category or its subcategories',
    ),
  ),
  escalationPolicies: optional(about(escalationPoliciesSchema, 'Escalation policies: what happens, step by step, until somebody responds')),
  escalationMessage: optional(about(messageTemplateSchema, 'Template of the messages that policy steps send')),
  reopenWindow: about(
    whole(0, LONGEST, 'must be a whole number of milliseconds, at most 3650 days'),
    'Milliseconds after resolution within which a ticket can be reopened, regardless of the calendar',
  ),
  lateReplies: optional(
    about(
      fields({
        within: optional(
          about(
            oneOf(['reopen', 'flag']),
            'Within the reopening window. `reopen` (default): the ticket is reopened; `flag`: its queue shows it as replied',
          ),
        ),
        after: optional(
          about(
            oneOf(['follow-up', 'refuse']),
            'After the window. `follow-up` (default): a follow-up ticket is opened; `refuse`: the reply is refused',
          ),
        ),
      }),
      "What a requester's reply to a resolved or closed ticket does",
    ),
  ),
  holdEnds: optional(
    about(
      oneOf(['resume', 'tell']),
      'What happens when a hold reaches its `until`. `resume` (default): work resumes; `tell`: the assignee and the lead are notified',
    ),
  ),
  touchTime: optional(
    about(
      oneOf(['one-ticket', 'several-tickets']),
      "`one-ticket` (default): starting work on a ticket ends the agent's work on any other; `several-tickets`: work on other tickets of such contracts continues",
    ),
  ),
  customer: optional(
    about(
      name(100),
      'Customer the client belongs to. Clients of the same customer may have their tickets linked and merged with each other',
    ),
  ),
  assistants: optional(
    about(
      fields({
        reply: optional(about(assistantsMay, 'Reply to the requester')),
        resolution: optional(about(assistantsMay, 'Resolve the ticket')),
        'hand-off': optional(about(assistantsMay, 'Hand the work up')),
      } satisfies Readonly<Record<AssistantAct, unknown>>),
      "What assistants do `alone`, what needs a person's `approval` (default), and what they `never` do",
    ),
  ),
  recurrence: optional(
    about(recurrenceSchema, 'When incidents of one service, component and category become a problem. Not counted if omitted'),
  ),
  majorIncidents: optional(about(majorIncidentTermsSchema, 'When tickets become a major incident, and when it is reviewed')),
  rules: optional(about(rulesSchema, 'Automation rules: what is done automatically when something happens to a ticket')),
  rates: optional(about(ratesSchema, 'What an hour of work costs, for the KPI `cost-per-ticket`. In hours of L1 if omitted')),
  statusPage: optional(
    about(
      oneOf(['public', 'identity']),
      '`public`: anybody may read the service status; `identity` (default): only those who may see the client',
    ),
  ),
  quietTime: optional(
    about(
      whole(0, 7 * DAY, 'must be a whole number of milliseconds, at most 7 days'),
      'Milliseconds to wait after a late fact, in case more follow, before recording earlier warnings and breaches; default: two minutes',
    ),
  ),
});

/** The terms agreed with a client: plain JSON. */
export type Contract = Static<typeof terms>;

/** The schema of a contract, with the rules across its terms. */
export const contractSchema = about(withRule(terms, contractBreaches), "Promises to a client and rules for working the client's tickets");

export const pinnedContractSchema = open({
  version: about(count, "Version of the client's contract, from 1"),
  tzdata: about(text, 'Version of the time zone data that its calendar is read with, such as `2025b`'),
  terms: about(refer(contractSchema), 'Full terms'),
});

/** The contract that a ticket goes by, in full: what was promised for a ticket must not change because something else did. */
export type PinnedContract = Static<typeof pinnedContractSchema>;

/** The terms of a ticket: of its pinned contract, or of the default contract as it was when the ticket was opened. */
export function termsOf({ contract, defaultTerms }: { readonly contract?: PinnedContract; readonly defaultTerms?: number }): Contract {
  return contract?.terms ?? (defaultTerms === undefined ? firstDefault : defaultContract);
}

/** Whether two tickets belong to one client, or to clients that are one customer by the contracts of both. */
export function areOfOneCustomer(one: Belonging, other: Belonging): boolean {
  const { customer } = termsOf(one);
  return one.client === other.client || (customer !== undefined && customer === termsOf(other).customer);
}

/** The owner of a ticket. */
export interface Belonging {
  readonly client: string;
  readonly contract?: PinnedContract;
}

/** Version of the default contract; tickets opened under it pin it. */
export const DEFAULT_TERMS = 2;

/** Customary figures, for every client without an agreement. */
export const defaultContract: Contract & {
  readonly targets: Readonly<Record<Priority, { readonly response: number; readonly resolution: number }>>;
  readonly tierTargets: NonNullable<Contract['tierTargets']>;
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
  tierTargets: {
    L1: {
      critical: { accept: 15 * MINUTE, work: HOUR },
      high: { accept: 15 * MINUTE, work: HOUR },
      medium: { accept: 30 * MINUTE, work: HOUR },
      low: { accept: 30 * MINUTE, work: HOUR },
    },
    L2: {
      critical: { accept: HOUR, work: 4 * HOUR },
      high: { accept: HOUR, work: 8 * HOUR },
      medium: { accept: 2 * HOUR, work: DAY },
      low: { accept: 2 * HOUR, work: 2 * DAY },
    },
    L3: {
      critical: { accept: HOUR, work: 2 * DAY },
      high: { accept: 4 * HOUR, work: 4 * DAY },
      medium: { accept: DAY, work: 7 * DAY },
      low: { accept: 2 * DAY, work: 14 * DAY },
    },
  },
  thresholds: [50, 75, 90],
  pausedBy: ['customer', 'planned-change'],
  reopen: 'new-cycle',
  pingPongLimit: 2,
  reopenWindow: 14 * DAY,
};

/** The default contract before it had targets for tiers: earlier promises stay as they were. */
const firstDefault: Contract = without(defaultContract, 'tierTargets');

/** The next higher tier in the contract. */
export function nextTier(contract: Contract, tier: Tier): Tier | undefined {
  return contract.tiers.find((other) => rank(other) > rank(tier));
}

/** Where a ticket enters by default: the lowest tier with people in it. */
export function entryTier(contract: Contract): Tier {
  return contract.tiers.find((tier) => tier !== 'L0') ?? 'L1';
}

/** Cached by object and by content: every ticket carries its contract, and most carry the same one. */
const compiled = new WeakMap<BusinessCalendar, CompiledCalendar>();
const compiledByContent = new Map<string, CompiledCalendar>();
const MOST_CALENDARS = 1_000;

/**
 * The contract's compiled calendar: compiled when first needed, once per content.
 * @throws RangeError if the calendar is invalid
 */
export function calendarOf({ calendar }: Contract): CompiledCalendar {
  return calendarFor(calendar);
}

/** @throws RangeError if the calendar is invalid */
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

function tiersBreaches(tiers: readonly Tier[]): readonly Breach[] {
  if (tiers.length === 0) return [{ at: [], message: 'must name at least one tier' }];
  return tiers.flatMap((tier, index) => {
    const before = tiers[index - 1];
    return before === undefined || rank(tier) > rank(before)
      ? []
      : [{ at: [index], message: `must be in the order ${TIERS.join(', ')}, each once` }];
  });
}

function ascending(numbers: readonly number[]): readonly Breach[] {
  return numbers.flatMap((number, index) =>
    number > (numbers[index - 1] ?? -Infinity) ? [] : [{ at: [index], message: 'must be higher than the one before' }],
  );
}

function contractBreaches({ tiers, tierTargets = {}, thresholds, escalationPolicies = [], rules = [] }: Contract): readonly Breach[] {
  return [
    ...Object.keys(tierTargets)
      .filter((tier) => !tiers.includes(tier as Tier))
      .map((tier) => ({ at: ['tierTargets', tier], message: 'must be a tier of the contract' })),
    ...escalationPolicies.flatMap(({ trigger }, index) =>
      trigger.on === 'threshold' && !thresholds.includes(trigger.percent)
        ? [{ at: ['escalationPolicies', index, 'trigger', 'percent'], message: 'must be one of the thresholds of the contract' }]
        : [],
    ),
    ...thresholdBreaches(rules, thresholds),
  ];
}
