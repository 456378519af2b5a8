import {
  about,
  boundedList,
  type Breach,
  count,
  fields,
  literal,
  name,
  oneOf,
  oneOfKinds,
  open,
  optional,
  recordOf,
  type Static,
  text,
  that,
  uuid,
  whole,
  withRule,
} from '../schema.js';
import { CLOCK_KINDS, IMPACTS, LINK_RELATIONS, URGENCIES } from '../vocabulary.js';

/** Ticket events that can trigger rules. */
export const RULE_TRIGGERS = [
  'TicketOpened',
  'TicketTriaged',
  'TicketEscalated',
  'EscalationAccepted',
  'EscalationReturned',
  'RequesterReplied',
  'MajorIncidentDeclared',
  'TicketResolved',
  'TicketReopened',
  'SlaThresholdReached',
  'SlaBreached',
] as const;
export type RuleTrigger = (typeof RULE_TRIGGERS)[number];

/** What conditions test: the ticket right after the event; also `clock` for an SLA event, and `percent` for a warning. */
export const RULE_FIELDS = [
  'kind',
  'channel',
  'summary',
  'impact',
  'urgency',
  'priority',
  'tier',
  'team',
  'service',
  'component',
  'category',
  'clock',
  'percent',
] as const;
export type RuleField = (typeof RULE_FIELDS)[number];

const values = boundedList(
  that(text, (value) => value.length <= 200, 'must be at most 200 characters'),
  1,
  50,
  'values',
);

const conditionSchema = withRule(
  fields({
    field: about(
      oneOf(RULE_FIELDS),
      'A field of the ticket; `clock`: the kind of clock with the warning or breach; `percent`: the threshold reached, such as `75`',
    ),
    is: optional(about(values, 'The field has one of these values')),
    isNot: optional(about(values, 'The field has none of these values, or no value')),
    contains: optional(about(values, 'The field contains one of these, ignoring case')),
  }),
  ({ is, isNot, contains }): readonly Breach[] =>
    [is, isNot, contains].filter((one) => one !== undefined).length === 1
      ? []
      : [{ at: [], message: 'must have exactly one of is, isNot, contains' }],
);

export type RuleCondition = Static<typeof conditionSchema>;

const classified = {
  category: name(200),
  service: optional(about(name(200), 'Affected service')),
  component: optional(about(name(200), 'Affected configuration item')),
};

const actionSchema = oneOfKinds(
  'do',
  [
    fields({
      do: about(literal('triage'), 'Sets the category and optionally more'),
      ...classified,
      category: about(classified.category, 'Category'),
      impact: optional(about(oneOf(IMPACTS), 'How many are affected')),
      urgency: optional(about(oneOf(URGENCIES), 'How long it can wait')),
    }),
    fields({
      do: about(literal('assign'), 'Assigns it to a team or a person'),
      team: optional(about(name(100), 'Id of the team')),
      assignee: optional(about(name(100), 'Id of the person')),
    }),
    fields({
      do: about(literal('note'), 'Adds an internal note'),
      text: about(
        that(text, (it) => it.length > 0 && it.length <= 2000, 'must be text of 1 to 2000 characters'),
        'Text of the note',
      ),
    }),
    fields({
      do: about(literal('open'), 'Opens another ticket of the client, for the same requester, and links it'),
      summary: about(name(200), 'One-line summary of the work'),
      kind: about(oneOf(['incident', 'service-request']), 'What it is'),
      category: optional(about(classified.category, 'Category')),
      team: optional(about(name(100), 'Id of the team')),
    }),
    fields({
      do: about(literal('ask'), 'Asks a runner to do something'),
      action: about(name(100), 'Name of the action, as runners know it'),
      input: optional(about(recordOf(text, 'must be an object with text'), 'Input for the runner')),
      attempts: optional(about(whole(1, 10), 'Maximum number of claims, as leases expire; default: 3')),
    }),
    fields({
      do: about(literal('link'), 'Links it to a ticket'),
      ticketId: about(uuid, 'Id of the other ticket'),
      relation: about(oneOf(LINK_RELATIONS), 'Relation to the other ticket'),
    }),
  ],
  'must be one of triage, assign, note, open, ask, link',
);

export type RuleAction = Static<typeof actionSchema>;

export const ruleSchema = about(
  withRule(
    fields({
      name: about(name(100), 'Name, unique within the contract'),
      on: about(oneOf(RULE_TRIGGERS), 'Event that triggers it'),
      if: optional(about(boundedList(conditionSchema, 0, 20, 'conditions'), 'Conditions, all of which must hold; default: none')),
      then: about(boundedList(actionSchema, 1, 10, 'actions'), 'Actions, in order'),
    }),
    ({ on, if: conditions = [] }) => conditions.flatMap((condition, index) => momentBreaches(on, condition, ['if', index])),
  ),
  'Automation rules: what is done automatically when something happens to a ticket',
);

/** Automation rules: what happens automatically after an event of a ticket. */
export type Rule = Static<typeof ruleSchema>;

export const rulesSchema = withRule(boundedList(ruleSchema, 0, 50, 'rules'), (rules) =>
  rules.flatMap(({ name }, index) =>
    rules.findIndex((other) => other.name === name) === index ? [] : [{ at: [index, 'name'], message: 'must be unique in its contract' }],
  ),
);

export const ruleTallySchema = open({
  rule: about(text, 'Name of the rule'),
  tickets: about(count, 'Tickets it would have affected'),
  fired: about(count, 'Number of times it would have fired'),
});

/** What a rule would have done to past tickets. */
export type RuleTally = Static<typeof ruleTallySchema>;

/** A condition on a clock or threshold must be satisfiable: otherwise the rule would never fire, and nobody would notice. */
function momentBreaches(on: RuleTrigger, condition: RuleCondition, at: readonly (string | number)[]): readonly Breach[] {
  const { field } = condition;
  if (field === 'percent' && on !== 'SlaThresholdReached')
    return [{ at: [...at, 'field'], message: 'must not be percent, which only SlaThresholdReached has' }];
  if (field !== 'clock') return [];
  if (on !== 'SlaThresholdReached' && on !== 'SlaBreached')
    return [{ at: [...at, 'field'], message: 'must not be clock, which only SlaThresholdReached and SlaBreached have' }];
  return namedValues(condition).flatMap(({ value, place }) =>
    (CLOCK_KINDS as readonly string[]).includes(value)
      ? []
      : [{ at: [...at, ...place], message: `must be one of ${CLOCK_KINDS.join(', ')}` }],
  );
}

/** The thresholds that rules wait for must be thresholds of the contract. */
export function thresholdBreaches(rules: readonly Rule[], thresholds: readonly number[]): readonly Breach[] {
  return rules.flatMap(({ if: conditions = [] }, rule) =>
    conditions.flatMap((condition, index) =>
      (condition.field === 'percent' ? namedValues(condition) : []).flatMap(({ value, place }) =>
        thresholds.some((threshold) => String(threshold) === value)
          ? []
          : [{ at: ['rules', rule, 'if', index, ...place], message: 'must be one of the thresholds of the contract' }],
      ),
    ),
  );
}

/** The values that a field must or must not have, and where each is in the condition. */
function namedValues(condition: RuleCondition): readonly { readonly value: string; readonly place: readonly [string, number] }[] {
  return (['is', 'isNot'] as const).flatMap((operator) =>
    (condition[operator] ?? []).map((value, index) => ({ value, place: [operator, index] as const })),
  );
}

/** The rules that an event of a ticket fires. Pure. @param ticket right after the event */
export function rulesThatFire(
  rules: readonly Rule[] | undefined,
  type: string,
  ticket: Readonly<Partial<Record<RuleField, string>>>,
): readonly Rule[] {
  return (rules ?? []).filter(({ on, if: conditions = [] }) => on === type && conditions.every((condition) => holds(condition, ticket)));
}

function holds({ field, is, isNot, contains }: RuleCondition, ticket: Readonly<Partial<Record<RuleField, string>>>): boolean {
  const value = ticket[field];
  if (isNot !== undefined) return value === undefined || !isNot.includes(value);
  if (value === undefined) return false;
  if (is !== undefined) return is.includes(value);
  return contains?.some((part) => value.toLowerCase().includes(part.toLowerCase())) ?? true;
}
