import { HOLD_REASONS, IMPACTS, PRIORITIES, TIERS, URGENCIES, WEEKDAYS } from '#ticketing';

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

export const contractSchema = {
  type: 'object',
  description: 'What is promised to a client, and how it is worked',
  required: ['tiers', 'priorities', 'calendar', 'targets', 'thresholds', 'pausedBy', 'reopen', 'pingPongLimit', 'reopenWindow'],
  properties: {
    tiers: { ...listOf(TIERS), description: 'Tiers that exist, lowest first' },
    priorities: { ...forEach(IMPACTS, forEach(URGENCIES, { type: 'string', enum: [...PRIORITIES] })), description: 'Impact × urgency' },
    calendar: {
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
    },
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
    pingPongLimit: { type: 'integer', minimum: 0, description: 'Returned hand-offs that are borne before someone higher up is told' },
    reopenWindow: { type: 'integer', minimum: 0, description: 'Milliseconds after its resolution in which a ticket can be reopened' },
  },
};
