import { type Aggregate, commandsOn, event, type EventsOf } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Name, Text, WholeNumber } from '../command-fields.js';
import { omitUndefined, same } from '../plain-json.js';
import { about, count, forSome, instant, listOf, open, optional, refer, type Static, text } from '../schema.js';
import { actorSchema, TICKET_KINDS } from '../vocabulary.js';

const forgottenSchema = open({
  person: about(text, 'Id of the person'),
  reason: about(text, 'Why'),
  at: about(instant, 'When'),
  by: about(refer(actorSchema), 'Who requested it'),
});

/** Kind of ticket → days after its end. */
const retentionSchema = about(
  forSome(TICKET_KINDS, about(count, 'Days')),
  'Days for which personal data is kept after a ticket of each kind has ended; if omitted, forever',
);

export type Retention = Static<typeof retentionSchema>;

export const privacySchema = about(
  open({
    client: about(text, 'Client (tenant)'),
    retention: optional(retentionSchema),
    forgotten: about(listOf(forgottenSchema), 'People who were forgotten, oldest first'),
  }),
  "Retention and erasure of the personal data of a client's people",
);

export type Privacy = Static<typeof privacySchema>;

/** Nothing yet, or the record. */
export type PrivacyState = Privacy | null;

@JSONSchema({
  description:
    'Forgets a person: permanently destroys the keys of their personal data. From then on their name and what they wrote read as `[erased]` everywhere.',
  examples: [{ person: 'j.doe', reason: 'Asked for by letter of 12 November' }],
})
export class ForgetPerson {
  @Name({ description: 'Id of the person: the `reporter.id` of their tickets', example: 'j.doe' })
  person!: string;

  @Text({ description: 'Reason. It is kept, so it should not contain personal data', max: 500 })
  reason!: string;
}

/** A century: longer means forever. */
const MOST_DAYS = 36_500;

@JSONSchema({
  description:
    'Agrees how long personal data is kept after a ticket has ended (closed, cancelled, merged), by kind of ticket; forever for kinds not named. ' +
    'Once a day the keys of older data are permanently destroyed.',
  examples: [{ incident: 730, serviceRequest: 365 }],
})
export class AgreeRetention {
  @WholeNumber({ description: 'Days to keep data of incidents', min: 1, max: MOST_DAYS, optional: true })
  incident?: number;

  @WholeNumber({ description: 'Days to keep data of service requests', min: 1, max: MOST_DAYS, optional: true })
  serviceRequest?: number;
}

const events = {
  PersonForgotten: event<PrivacyState, { readonly client: string; readonly person: string; readonly reason: string }>({
    personal: null,
    evolve: (state, { client, person, reason }, { actor, effectiveAt }) => ({
      ...state,
      client,
      forgotten: [...(state?.forgotten ?? []), { person, reason, at: effectiveAt, by: actor }],
    }),
  }),
  RetentionAgreed: event<PrivacyState, { readonly client: string; readonly retention: Retention }>({
    personal: null,
    evolve: (state, { client, retention }) => ({ client, retention, forgotten: state?.forgotten ?? [] }),
  }),
};

const command = commandsOn<PrivacyState, EventsOf<{ readonly events: typeof events }>>();

/** Privacy settings and erasures of a client. One stream per client: `privacy-<client>`. */
export const privacy = {
  category: 'privacy',
  noun: 'privacy',
  idName: 'client',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    ForgetPerson: command({
      body: ForgetPerson,
      route: 'POST /v1/privacy/{client}/forgotten-persons',
      refuses: [],
      // Also someone who was forgotten before: they may have come back.
      decide({ person, reason }, _state, { id: client = '' }) {
        return [{ type: 'PersonForgotten', data: { client, person, reason } }];
      },
    }),
    AgreeRetention: command({
      body: AgreeRetention,
      route: 'PUT /v1/privacy/{client}/retention',
      refuses: [],
      decide({ incident, serviceRequest }, state, { id: client = '' }) {
        const retention = omitUndefined({ incident, 'service-request': serviceRequest });
        return same(retention, state?.retention ?? {}) ? [] : [{ type: 'RetentionAgreed', data: { client, retention } }];
      },
    }),
  },
} satisfies Aggregate<PrivacyState>;

export type PrivacyEvents = EventsOf<typeof privacy>;
