import { type BusinessCalendar, calendarSchema, type CompiledCalendar, compileCalendar } from './business-calendar.js';
import { messageTemplateSchema } from './escalation-message.js';
import { escalationPoliciesSchema } from './escalation-policy.js';
import { handOffRequirementsSchema } from './hand-off.js';
import { rulesSchema, thresholdBreaches } from './rule.js';
import { without } from '../plain-json.js';
import {
  about,
  asOne,
  type Breach,
  count,
  unionOf,
  boundedList,
  fields,
  forEach,
  forSome,
  listOf,
  matching,
  name,
  withRule,
  oneOf,
  open,
  optional,
  recordOf,
  refer,
  type Static,
  text,
  that,
  whole,
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

/** A promise for longer than this is a slip of the keyboard. */
const LONGEST = 3650 * DAY;

const millisecondsSchema = whole(1, LONGEST, 'must be a whole number of milliseconds above 0, at most 3650 days');

export const targetSchema = about(
  unionOf(
    [
      about(millisecondsSchema, 'Milliseconds of open time'),
      open({ businessDays: about(whole(1, 1000), 'Business days: it ends with the open time of the last of them') }),
    ],
    'must be a whole number of milliseconds above 0, at most 3650 days, or a number of businessDays',
  ),
  'How long a promise gives: milliseconds of open time, or business days. Two business days are not sixteen hours',
);

/** How long a promise gives: milliseconds of open time, or a number of business days (see `endOfBusinessDay`). */
export type Target = Static<typeof targetSchema>;

export const clientTargetsSchema = fields({
  response: about(refer(targetSchema), 'Until the first response'),
  resolution: about(refer(targetSchema), 'Until the resolution'),
});

/** The SLA of a priority. */
export type ClientTargets = Static<typeof clientTargetsSchema>;

export const tierTargetsSchema = withRule(
  fields({
    accept: optional(about(refer(targetSchema), 'To take the work once it is there; not measured, if left out')),
    work: optional(about(refer(targetSchema), 'To do it once it is taken; not measured, if left out')),
  }),
  ({ accept, work }) =>
    accept === undefined && work === undefined ? ['accept', 'work'].map((what) => ({ at: [what], message: 'is missing' })) : [],
);

/** The OLA of a tier for a priority. */
export type TierTargets = Static<typeof tierTargetsSchema>;

/** `quietTime` of a contract that names none, in milliseconds. */
export const QUIET_TIME = 120_000;

export const ASSIGNMENTS = ['manual', 'automatic'] as const;

export const priorityByUrgencySchema = forEach(URGENCIES, prioritySchema);

const CATEGORY = /^[^/]*[^/\s][^/]*(\/[^/]*[^/\s][^/]*)*$/;

const assistantsMay = oneOf(['alone', 'approval', 'never']);

const recurrenceSchema = fields({
  tickets: about(whole(2, 100), 'How many incidents open a problem'),
  within: about(millisecondsSchema, 'Milliseconds within which they come'),
  recursWithin: optional(
    about(
      millisecondsSchema,
      'Milliseconds after a fix by L2 or L3 within which an incident like it is its recurrence. 90 days, unless said otherwise',
    ),
  ),
});

/** When incidents with the same fingerprint are a problem. */
export type Recurrence = Static<typeof recurrenceSchema>;

const majorIncidentRuleSchema = fields({
  tickets: about(whole(2, 1000), 'How many incidents about one service'),
  within: about(millisecondsSchema, 'Milliseconds within which they come'),
  then: about(oneOf(['propose', 'declare']), '`propose`: somebody confirms it or dismisses it; `declare`: it is one at once'),
});

/** When incidents about one service are a major incident. */
export type MajorIncidentRule = Static<typeof majorIncidentRuleSchema>;

const majorIncidentTermsSchema = fields({
  rule: optional(about(majorIncidentRuleSchema, 'When incidents about one service are a major incident. None are counted, if left out')),
  reviewWithin: optional(
    about(
      millisecondsSchema,
      'Milliseconds after it is stood down within which a major incident is reviewed. Five days, unless said otherwise',
    ),
  ),
});

/** What is agreed about major incidents. */
export type MajorIncidentTerms = Static<typeof majorIncidentTermsSchema>;

const terms = fields({
  tiers: about(
    withRule(listOf(tierSchema, TIERS.join(', ')), tiersBreaches),
    'Tiers that exist, lowest first: a hand-off goes to the next one',
  ),
  priorities: about(forEach(IMPACTS, priorityByUrgencySchema), 'Impact × urgency → priority'),
  calendar: about(refer(calendarSchema), "When the clocks may run: in the client's zone and hours, not in the agent's"),
  targets: about(forEach(PRIORITIES, clientTargetsSchema), 'The SLA of each priority, promised to the client'),
  tierTargets: optional(
    about(
      forSome(TIERS, forEach(PRIORITIES, tierTargetsSchema)),
      'The OLA between tiers, for each priority. A tier that is left out has no clock',
    ),
  ),
  vendorTargets: optional(
    about(
      recordOf(targetSchema, 'must be an object with a target for each vendor'),
      'The UC with each vendor, by the name that hand-offs to L4 give. `*` is every vendor not named',
    ),
  ),
  thresholds: about(
    withRule(listOf(whole(1, 99), 'percentages'), ascending),
    'Shares of a target at which someone is warned, in per cent, ascending',
  ),
  pausedBy: about(
    listOf(oneOf(HOLD_REASONS), 'reasons for a hold'),
    "Holds that pause the client's clocks. Those of the tiers are always paused while a vendor is waited for",
  ),
  reopen: about(
    oneOf(['new-cycle', 'continue']),
    '`new-cycle`: a reopened ticket has its whole resolution target again; `continue`: what was left of it',
  ),
  pingPongLimit: about(whole(0, 1000), 'How many hand-offs may be returned before someone higher up is told'),
  handOffs: optional(
    about(handOffRequirementsSchema, 'What a hand-off must carry to each tier; a tier that is left out asks for what is customary'),
  ),
  categories: optional(
    about(
      boundedList(matching(CATEGORY, 'must be a category such as hardware/printer', 200), 1, 1000, 'categories'),
      'Categories that tickets may have, each with all below it: `hardware/printer`. Any, if left out',
    ),
  ),
  services: optional(
    about(
      that(
        recordOf(boundedList(name(200), 0, 1000, 'components'), 'must be an object with the components of each service', name(200)),
        (services) => Object.keys(services).length > 0,
        'must have at least one service',
      ),
      'Configuration items that tickets may be about: services, each with its components. Any, if left out',
    ),
  ),
  assignment: optional(
    about(oneOf(ASSIGNMENTS), '`automatic`: tickets are given to agents on shift; `manual`, unless said otherwise, they are not'),
  ),
  categorySkills: optional(
    about(
      recordOf(
        asOne(boundedList(name(100), 1, 100, 'skills'), 'must be a list of 1 to 100 skills'),
        'must be an object with skills for each category',
      ),
      'Skills that an agent must have to be given a ticket of a category, or of one below it, automatically',
    ),
  ),
  escalationPolicies: optional(about(escalationPoliciesSchema, 'What is done, step by step, until somebody responds')),
  escalationMessage: optional(about(messageTemplateSchema, 'How the messages read that steps of policies send')),
  reopenWindow: about(
    whole(0, LONGEST, 'must be a whole number of milliseconds, at most 3650 days'),
    'Milliseconds after its resolution in which a ticket can be reopened, whatever the calendar',
  ),
  lateReplies: optional(
    about(
      fields({
        within: optional(
          about(
            oneOf(['reopen', 'flag']),
            'Within the reopening window. `reopen`: the ticket is reopened, unless said otherwise; `flag`: it is shown in its queue as replied to',
          ),
        ),
        after: optional(
          about(
            oneOf(['follow-up', 'refuse']),
            'After it. `follow-up`: a ticket that follows the old one is opened, unless said otherwise; `refuse`: the reply is refused',
          ),
        ),
      }),
      "What a requester's reply to a resolved or closed ticket does",
    ),
  ),
  holdEnds: optional(
    about(
      oneOf(['resume', 'tell']),
      'What happens when a hold has lasted until the instant that was named. `resume`: the work goes on, unless said otherwise; `tell`: its assignee and the lead are told',
    ),
  ),
  touchTime: optional(
    about(
      oneOf(['one-ticket', 'several-tickets']),
      '`one-ticket`: an agent who begins to work on a ticket works on no other, unless said otherwise; `several-tickets`: on others of such contracts, too',
    ),
  ),
  customer: optional(
    about(
      name(100),
      'The customer that the client belongs to. Clients whose contracts name the same customer are one: their tickets may be linked and merged',
    ),
  ),
  assistants: optional(
    about(
      fields({
        reply: optional(about(assistantsMay, 'Reply to the requester')),
        resolution: optional(about(assistantsMay, 'Resolve the ticket')),
        'hand-off': optional(about(assistantsMay, 'Hand the work up')),
      } satisfies Readonly<Record<AssistantAct, unknown>>),
      'What assistants do `alone`, what takes the `approval` of a person (which is so unless said otherwise), and what they `never` do',
    ),
  ),
  recurrence: optional(
    about(recurrenceSchema, 'When incidents of one service, component and category are a problem. Nothing is counted, if left out'),
  ),
  majorIncidents: optional(about(majorIncidentTermsSchema, 'When tickets are a major incident, and when it is reviewed')),
  rules: optional(about(rulesSchema, 'What is done by itself when something happens to a ticket')),
  statusPage: optional(
    about(
      oneOf(['public', 'identity']),
      '`public`: everybody may read how the services are; `identity`, unless said otherwise: whoever may see the client',
    ),
  ),
  quietTime: optional(
    about(
      whole(0, 7 * DAY, 'must be a whole number of milliseconds, at most 7 days'),
      'Milliseconds to wait after a fact that was told late, in case more are told, before warnings and breaches from before it are. Two minutes, unless said otherwise',
    ),
  ),
});

/** What was agreed with a client: plain JSON. */
export type Contract = Static<typeof terms>;

/** What a contract is, with the rules across its terms. */
export const contractSchema = about(
  withRule(terms, contractBreaches),
  "What is promised to a client, and how the client's tickets are worked",
);

export const pinnedContractSchema = open({
  version: about(count, "Version of the client's contract, from 1"),
  tzdata: about(text, 'Version of the time zone data that its calendar is read with, such as `2025b`'),
  terms: about(refer(contractSchema), 'Its terms, in full'),
});

/** Which contract a ticket goes by, in full: what a ticket was promised must not change because something else did. */
export type PinnedContract = Static<typeof pinnedContractSchema>;

/** What a ticket goes by: the contract that it pins, or the default one as it was when the ticket was opened. */
export function termsOf({ contract, defaultTerms }: { readonly contract?: PinnedContract; readonly defaultTerms?: number }): Contract {
  return contract?.terms ?? (defaultTerms === undefined ? firstDefault : defaultContract);
}

/** Whether tickets are of one client, or of clients that are one customer by the contracts of both. */
export function areOfOneCustomer(one: Belonging, other: Belonging): boolean {
  const { customer } = termsOf(one);
  return one.client === other.client || (customer !== undefined && customer === termsOf(other).customer);
}

/** Whose a ticket is. */
export interface Belonging {
  readonly client: string;
  readonly contract?: PinnedContract;
}

/** Version of the default contract, which tickets that are opened under it pin. */
export const DEFAULT_TERMS = 2;

/** The figures of the field's practice, for every client that has agreed nothing else. */
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

/** The default contract before it had targets for the tiers: what was promised then stays as it was. */
const firstDefault: Contract = without(defaultContract, 'tierTargets');

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
 * @throws RangeError when the calendar is invalid
 */
export function calendarOf({ calendar }: Contract): CompiledCalendar {
  return calendarFor(calendar);
}

/** @throws RangeError when the calendar is invalid */
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
