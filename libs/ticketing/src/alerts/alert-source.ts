import { type Aggregate, commandsOn, event, type EventsOf, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Fields, Name, Text } from '../command-fields.js';
import { DAY } from '../contract/contract.js';
import { omitUndefined, same, without } from '../plain-json.js';
import {
  about,
  faultsOf,
  boundedList,
  fields,
  flag,
  instant,
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
  whole,
} from '../schema.js';
import { actorSchema, IMPACTS, TIERS, URGENCIES } from '../vocabulary.js';

const path = matching(/^[^.\s]+(\.[^.\s]+)*$/, 'must be a path such as event.id', 200);
const words = boundedList(name(100), 1, 20, 'words');

const jsonFieldsSchema = fields({
  alerts: optional(about(path, 'Where the list of alerts is; the body is one alert, unless said')),
  group: optional(about(path, 'What alerts of one group have in common, from the body')),
  fingerprint: about(path, 'What tells an alert from others, however often it fires'),
  status: about(path, 'Whether it fires'),
  firing: about(words, 'Values of `status` with which it fires'),
  resolved: about(words, 'Values of `status` with which it fires no more'),
  startsAt: about(path, 'Since when it fires: a date-time with an offset, or seconds or milliseconds since 1970'),
  endsAt: optional(about(path, 'Until when it fired; when it is told, unless said')),
  summary: optional(about(path, 'What is wrong, in a line')),
  description: optional(about(path, 'What is wrong, in full')),
  url: optional(about(path, 'Where more is to be read')),
  labels: optional(about(path, 'An object with what else is known')),
});

/** Where a body of JSON says what: paths such as `event.id`. */
export type JsonFields = Static<typeof jsonFieldsSchema>;

const ticketFields = {
  impact: about(oneOf(IMPACTS), 'How many are affected'),
  urgency: about(oneOf(URGENCIES), 'How long it can wait'),
  tier: optional(about(oneOf(TIERS.filter((tier) => tier !== 'L4')), 'Tier of entry; that of the contract, unless said')),
  team: optional(about(name(200), 'Team that it goes to')),
  service: optional(about(name(200), 'Affected service')),
  component: optional(about(name(200), 'Affected configuration item')),
  category: optional(about(name(200), 'Category')),
  majorIncident: optional(about(flag, 'Whether it is a major incident')),
};

const ruleSchema = fields({
  labels: about(recordOf(text, 'must be an object with the value of each label'), 'Labels that an alert must have, all of them'),
  set: about(
    fields({ ...ticketFields, impact: optional(ticketFields.impact), urgency: optional(ticketFields.urgency) }),
    'What its ticket then is',
  ),
});

export const alertSettingsSchema = withRule(
  fields({
    format: about(oneOf(['alertmanager', 'json']), '`alertmanager`: its webhook, version 4; `json`: what `fields` says'),
    fields: optional(about(jsonFieldsSchema, 'Where a body of JSON says what')),
    ticketPer: about(oneOf(['alert', 'group']), 'One ticket for each alert, or for each group of them'),
    onResolve: about(oneOf(['resolve', 'note']), 'What a resolve does to the ticket: it resolves it, or is a note on it'),
    flapping: optional(
      about(
        fields({
          firings: about(whole(2, 50), 'Firings that are still taken as they come'),
          within: about(whole(1, 30 * DAY), 'Milliseconds within which they come'),
        }),
        'An alert that fires more often is flapping: it opens and resolves nothing. Nothing is damped, if left out',
      ),
    ),
    ticket: about(fields(ticketFields), 'What a ticket is, whatever its labels'),
    labels: optional(
      about(
        fields({
          service: optional(about(name(200), 'Label of the service')),
          component: optional(about(name(200), 'Label of the component')),
          category: optional(about(name(200), 'Label of the category')),
          team: optional(about(name(200), 'Label of the team')),
        }),
        'The labels whose values are the service, the component, the category and the team of a ticket',
      ),
    ),
    rules: optional(
      about(boundedList(ruleSchema, 0, 100, 'rules'), 'What a ticket is by its labels; a later rule overrides an earlier one'),
    ),
  }),
  (settings) =>
    (settings.format === 'json') === (settings.fields !== undefined)
      ? []
      : [{ at: ['fields'], message: settings.format === 'json' ? 'is missing' : 'must be left out with alertmanager' }],
);

/** How alerts of a source are read, and what becomes of them. */
export type AlertSettings = Static<typeof alertSettingsSchema>;

export const alertSourceSchema = about(
  open({
    source: about(text, 'Name of the source'),
    client: about(text, 'The client (tenant) whose services it watches'),
    description: optional(about(text, 'What it is')),
    settings: about(refer(alertSettingsSchema), 'How its alerts are read, and what becomes of them'),
    definedBy: about(refer(actorSchema), 'Who last changed it'),
    definedAt: about(instant, 'When it was last changed'),
    retiredAt: optional(about(instant, 'Since when its alerts are refused')),
  }),
  'A source of alerts: something that watches services of a client',
);

export type AlertSource = Static<typeof alertSourceSchema>;
export type AlertSourceState = AlertSource | null;

@JSONSchema({
  description: 'Defines a source of alerts: how they are read, and what tickets they open. What was defined before is replaced.',
  examples: [
    {
      client: 'northwind',
      settings: {
        format: 'alertmanager',
        ticketPer: 'alert',
        onResolve: 'resolve',
        flapping: { firings: 3, within: 3600000 },
        ticket: { impact: 'medium', urgency: 'medium' },
        labels: { service: 'service', component: 'instance' },
        rules: [{ labels: { severity: 'critical' }, set: { impact: 'high', urgency: 'critical', tier: 'L2' } }],
      },
    },
  ],
})
export class DefineAlertSource {
  @Name({ description: 'The client (tenant) whose services it watches', example: 'northwind', max: 100 })
  client!: string;

  @Text({ description: 'What it is', max: 500, optional: true })
  description?: string;

  @Fields({ description: 'How its alerts are read, and what becomes of them: see the schema `AlertSettings`' })
  settings!: AlertSettings;
}

const events = {
  AlertSourceDefined: event<AlertSourceState, Omit<AlertSource, 'definedBy' | 'definedAt' | 'retiredAt'>>({
    evolve: (_state, source, { actor, effectiveAt }) => ({ ...source, definedBy: actor, definedAt: effectiveAt }),
  }),
  AlertSourceRetired: event<AlertSourceState, { readonly source: string }>({
    evolve: (state, _data, { effectiveAt }) => state && { ...state, retiredAt: effectiveAt },
  }),
};

const command = commandsOn<AlertSourceState, EventsOf<{ readonly events: typeof events }>>();

/** Something that watches services and sends alerts. One stream a source: `alertsource-<name>`. */
export const alertSource = {
  category: 'alertsource',
  noun: 'alert source',
  idName: 'source',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    DefineAlertSource: command({
      body: DefineAlertSource,
      route: 'PUT /v1/alert-sources/{source}',
      refuses: ['alert-source-invalid'],
      decide({ client, description, settings }, state, { id: source = '' }) {
        const faults = faultsOf(alertSettingsSchema, settings, 'settings');
        if (faults.length > 0) return refuse('alert-source-invalid', 'Invalid source of alerts', faults);
        const defined = omitUndefined({ source, client, description, settings });
        const known = state !== null && same(without(state, 'definedBy', 'definedAt'), defined);
        return known ? [] : [{ type: 'AlertSourceDefined', data: defined }];
      },
    }),
    RetireAlertSource: command({
      route: 'DELETE /v1/alert-sources/{source}',
      refuses: ['alert-source-not-found'],
      decide(_command: Readonly<Record<never, never>>, state, { id: source = '' }) {
        if (state === null) return refuse('alert-source-not-found', 'There is no such source of alerts');
        return state.retiredAt === undefined ? [{ type: 'AlertSourceRetired', data: { source } }] : [];
      },
    }),
  },
} satisfies Aggregate<AlertSourceState>;

export type AlertSourceEvents = EventsOf<typeof alertSource>;
