import {
  ASSIGNMENTS,
  CLOCK_KINDS,
  HAND_OFF_ITEMS,
  HOLD_REASONS,
  IMPACTS,
  PRIORITIES,
  RECEIVING_TIERS,
  TIERS,
  URGENCIES,
  WEEKDAYS,
} from '#ticketing';

/** JSON Schema of a contract's terms, as `contractFaults` checks them. */

const forEach = (keys: readonly string[], schema: object, required = keys) => ({
  type: 'object',
  required: [...required],
  properties: Object.fromEntries(keys.map((key) => [key, schema])),
  additionalProperties: false,
});
const milliseconds = { type: 'integer', minimum: 1 };
const target = {
  description: 'Milliseconds of open time, or business days: the open time of the last of them ends it',
  oneOf: [
    milliseconds,
    { type: 'object', required: ['businessDays'], properties: { businessDays: { type: 'integer', minimum: 1, maximum: 1000 } } },
  ],
};
const hours = {
  type: 'array',
  description: 'Half-open intervals of the wall clock; `to` may be `24:00`',
  items: {
    type: 'object',
    required: ['from', 'to'],
    properties: { from: { type: 'string', pattern: '^\\d\\d:\\d\\d$' }, to: { type: 'string', pattern: '^\\d\\d:\\d\\d$' } },
  },
};
const listOf = (words: readonly string[]) => ({ type: 'array', items: { type: 'string', enum: [...words] } });

const calendar = {
  type: 'object',
  description: 'When the clocks may run',
  required: ['zone', 'week'],
  properties: {
    zone: { type: 'string', description: 'IANA name, such as `Europe/Rome`' },
    week: { oneOf: [{ const: '24x7' }, forEach(WEEKDAYS, hours, [])] },
    holidays: {
      type: 'array',
      items: {
        type: 'object',
        required: ['date'],
        properties: { date: { type: 'string', format: 'date' }, name: { type: 'string' }, hours },
      },
    },
  },
};

export const contractSchema = {
  type: 'object',
  description: 'What is promised to a client, and how it is worked',
  required: ['tiers', 'priorities', 'calendar', 'targets', 'thresholds', 'pausedBy', 'reopen', 'pingPongLimit', 'reopenWindow'],
  properties: {
    tiers: { ...listOf(TIERS), description: 'Tiers that exist, lowest first' },
    priorities: { ...forEach(IMPACTS, forEach(URGENCIES, { type: 'string', enum: [...PRIORITIES] })), description: 'Impact × urgency' },
    calendar,
    targets: { ...forEach(PRIORITIES, forEach(['response', 'resolution'], target)), description: 'The SLA of each priority' },
    tierTargets: {
      ...forEach(TIERS, forEach(PRIORITIES, forEach(['accept', 'work'], target, [])), []),
      description: 'The OLA between tiers. A tier that is left out has no clock',
    },
    vendorTargets: { type: 'object', additionalProperties: target, description: 'The UC with each vendor; `*` is every vendor not named' },
    thresholds: {
      type: 'array',
      items: { type: 'integer', minimum: 1, maximum: 99 },
      description: 'Per cent of a target at which someone is warned, ascending',
    },
    pausedBy: { ...listOf(HOLD_REASONS), description: "Holds that pause the client's clocks" },
    reopen: {
      enum: ['new-cycle', 'continue'],
      description: 'Whether a reopened ticket has its whole resolution target again, or what was left of it',
    },
    handOffs: {
      ...forEach(RECEIVING_TIERS, listOf(HAND_OFF_ITEMS), []),
      description: 'What a hand-off must carry to each tier; a tier that is left out asks for what is customary',
    },
    categories: {
      type: 'array',
      items: { type: 'string' },
      description: 'Categories that tickets may have, each with all below it; any, where none is listed',
    },
    services: {
      type: 'object',
      additionalProperties: { type: 'array', items: { type: 'string' } },
      description: 'Configuration items that tickets may be about: services, each with its components; any, where it is left out',
    },
    assignment: {
      enum: [...ASSIGNMENTS],
      default: 'manual',
      description: 'Whether tickets are given to agents of teams that are on shift automatically',
    },
    categorySkills: {
      type: 'object',
      additionalProperties: { type: 'array', items: { type: 'string' } },
      description: 'Skills that an agent must have to be given a ticket of a category, or of one below it, automatically',
    },
    escalationPolicies: {
      type: 'array',
      description: 'What is done, step by step, while nobody sees to something',
      items: {
        type: 'object',
        required: ['name', 'trigger', 'steps'],
        properties: {
          name: { type: 'string', description: 'Names it within the contract' },
          trigger: {
            type: 'object',
            description:
              'What sets it going: `threshold` and `breach` name a `clock` (and a `percent`), `opened` may name `priorities`, `handed-over` a tier (`to`), `returned` and `reopened` say how many `times`',
            required: ['on'],
            properties: {
              on: { enum: ['threshold', 'breach', 'opened', 'handed-over', 'returned', 'reopened', 'major-incident'] },
              clock: { enum: [...CLOCK_KINDS] },
              percent: { type: 'integer' },
              priorities: listOf(PRIORITIES),
              to: { enum: [...TIERS] },
              times: { type: 'integer', minimum: 1 },
            },
          },
          steps: {
            type: 'array',
            items: {
              type: 'object',
              required: ['after', 'targets'],
              properties: {
                after: { type: 'integer', minimum: 0, description: 'Milliseconds after the step before was dispatched' },
                targets: {
                  type: 'array',
                  items: {
                    type: 'object',
                    required: ['kind'],
                    properties: {
                      kind: { enum: ['person', 'team', 'assignee', 'on-call'] },
                      person: { type: 'object', required: ['id'], properties: { id: { type: 'string' }, name: { type: 'string' } } },
                      team: { type: 'string' },
                      schedule: { type: 'string' },
                    },
                  },
                },
                escalateToNextTier: { type: 'boolean', description: 'Hands the work on, with what the ticket holds' },
                window: { ...calendar, description: 'When it may be dispatched; outside it waits' },
              },
            },
          },
          rounds: { type: 'integer', minimum: 1, maximum: 10, default: 1 },
          acknowledgedFor: {
            type: 'integer',
            minimum: 1,
            description: 'Milliseconds that an acknowledgement lasts; without it, it ends the chain',
          },
          then: { type: 'string', description: 'The policy that is set going after the last step' },
        },
      },
    },
    pingPongLimit: { type: 'integer', minimum: 0, description: 'Returned hand-offs that are borne before someone higher up is told' },
    reopenWindow: { type: 'integer', minimum: 0, description: 'Milliseconds after its resolution in which a ticket can be reopened' },
  },
};
