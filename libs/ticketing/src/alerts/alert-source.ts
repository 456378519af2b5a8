import { type Aggregate, commandsOn, event, type EventsOf, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Fields, Name, Text } from '../command-fields.js';
import { DAY } from '../contract/contract.js';
import { omitUndefined, same, without } from '../plain-json.js';
import {
  about,
  boundedList,
  faultsOf,
  fields,
  flag,
  instant,
  matching,
  name,
  oneOf,
  open,
  optional,
  recordOf,
  refer,
  type Static,
  text,
  whole,
  withRule,
} from '../schema.js';
import { actorSchema, IMPACTS, TIERS, URGENCIES } from '../vocabulary.js';

const path = matching(/^[^.\s]+(\.[^.\s]+)*$/, 'must be a path such as event.id', 200);
const words = boundedList(name(100), 1, 20, 'words');

const jsonFieldsSchema = fields({
  alerts: optional(about(path, 'Path of the list of alerts; if omitted, the body is a single alert')),
  group: optional(about(path, 'Path, in the body, of the value that alerts of one group share')),
  fingerprint: about(path, 'Path of the value that identifies an alert, however often it fires'),
  status: about(path, 'Path of the status'),
  firing: about(words, 'Values of `status` that mean firing'),
  resolved: about(words, 'Values of `status` that mean resolved'),
  startsAt: about(path, 'Path of the start: a date-time with an offset, or seconds or milliseconds since 1970'),
  endsAt: optional(about(path, 'Path of the end; if omitted, the time of delivery')),
  summary: optional(about(path, 'Path of the one-line summary')),
  description: optional(about(path, 'Path of the full description')),
  url: optional(about(path, 'Path of a link to more information')),
  labels: optional(about(path, 'Path of an object with further labels')),
});

/** Paths to the fields of a JSON body, such as `event.id`. */
export type JsonFields = Static<typeof jsonFieldsSchema>;

const ticketFields = {
  impact: about(oneOf(IMPACTS), 'How many are affected'),
  urgency: about(oneOf(URGENCIES), 'Urgency'),
  tier: optional(about(oneOf(TIERS.filter((tier) => tier !== 'L4')), 'Tier of entry; default: that of the contract')),
  team: optional(about(name(200), 'Team it is assigned to')),
  service: optional(about(name(200), 'Affected service')),
  component: optional(about(name(200), 'Affected configuration item')),
  category: optional(about(name(200), 'Category')),
  majorIncident: optional(about(flag, 'Whether it is a major incident')),
};

const ruleSchema = fields({
  labels: about(recordOf(text, 'must be an object with the value of each label'), 'Labels an alert must have, all of them'),
  set: about(
    fields({ ...ticketFields, impact: optional(ticketFields.impact), urgency: optional(ticketFields.urgency) }),
    'Attributes of the resulting ticket',
  ),
});

export const alertSettingsSchema = withRule(
  fields({
    format: about(oneOf(['alertmanager', 'json']), '`alertmanager`: Alertmanager webhook, version 4; `json`: as described by `fields`'),
    fields: optional(about(jsonFieldsSchema, 'Where each value is found in a JSON body')),
    ticketPer: about(oneOf(['alert', 'group']), 'One ticket per alert or per group of alerts'),
    onResolve: about(oneOf(['resolve', 'note']), 'Whether a resolved alert resolves the ticket or adds a note to it'),
    flapping: optional(
      about(
        fields({
          firings: about(whole(2, 50), 'Number of firings that are still processed normally'),
          within: about(whole(1, 30 * DAY), 'Period in which firings are counted, in milliseconds'),
        }),
        'An alert that fires more often is flapping: it opens and resolves nothing. No damping if omitted',
      ),
    ),
    ticket: about(fields(ticketFields), 'Default attributes of a ticket, whatever its labels'),
    labels: optional(
      about(
        fields({
          service: optional(about(name(200), 'Label of the service')),
          component: optional(about(name(200), 'Label of the component')),
          category: optional(about(name(200), 'Label of the category')),
          team: optional(about(name(200), 'Label of the team')),
        }),
        'Labels that provide the service, component, category and team of a ticket',
      ),
    ),
    rules: optional(about(boundedList(ruleSchema, 0, 100, 'rules'), 'Attributes set by labels; a later rule overrides an earlier one')),
  }),
  (settings) =>
    (settings.format === 'json') === (settings.fields !== undefined)
      ? []
      : [{ at: ['fields'], message: settings.format === 'json' ? 'is missing' : 'must be omitted with alertmanager' }],
);

/** How the alerts of a source are read and handled. */
export type AlertSettings = Static<typeof alertSettingsSchema>;

export const alertSourceSchema = about(
  open({
    source: about(text, 'Name of the source'),
    client: about(text, 'Client (tenant) whose services it monitors'),
    description: optional(about(text, 'Description')),
    settings: about(refer(alertSettingsSchema), 'How its alerts are read and turned into tickets'),
    definedBy: about(refer(actorSchema), 'Who last changed it'),
    definedAt: about(instant, 'When it was last changed'),
    retiredAt: optional(about(instant, 'When it was disabled; its alerts have been refused since')),
  }),
  "An alert source: a monitoring system for a client's services",
);

export type AlertSource = Static<typeof alertSourceSchema>;
export type AlertSourceState = AlertSource | null;

@JSONSchema({
  description: 'Defines an alert source: how its alerts are read, and what tickets they open. Replaces the previous definition.',
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
  @Name({ description: 'Client (tenant) whose services it monitors', example: 'northwind', max: 100 })
  client!: string;

  @Text({ description: 'Description', max: 500, optional: true })
  description?: string;

  @Fields({ description: 'How its alerts are read and turned into tickets: see the schema `AlertSettings`' })
  settings!: AlertSettings;
}

const events = {
  AlertSourceDefined: event<AlertSourceState, Omit<AlertSource, 'definedBy' | 'definedAt' | 'retiredAt'>>({
    personal: null,
    evolve: (_state, source, { actor, effectiveAt }) => ({ ...source, definedBy: actor, definedAt: effectiveAt }),
  }),
  AlertSourceRetired: event<AlertSourceState, { readonly source: string }>({
    personal: null,
    evolve: (state, _data, { effectiveAt }) => state && { ...state, retiredAt: effectiveAt },
  }),
};

const command = commandsOn<AlertSourceState, EventsOf<{ readonly events: typeof events }>>();

/** A system that watches services and sends alerts. One stream per source: `alertsource-<name>`. */
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
        if (faults.length > 0) return refuse('alert-source-invalid', 'Invalid alert source', faults);
        const defined = omitUndefined({ source, client, description, settings });
        const known = state !== null && same(without(state, 'definedBy', 'definedAt'), defined);
        return known ? [] : [{ type: 'AlertSourceDefined', data: defined }];
      },
    }),
    RetireAlertSource: command({
      route: 'DELETE /v1/alert-sources/{source}',
      refuses: ['alert-source-not-found'],
      decide(_command: Readonly<Record<never, never>>, state, { id: source = '' }) {
        if (state === null) return refuse('alert-source-not-found', 'There is no such alert source');
        return state.retiredAt === undefined ? [{ type: 'AlertSourceRetired', data: { source } }] : [];
      },
    }),
  },
} satisfies Aggregate<AlertSourceState>;
