import { type Aggregate, type CommandsOf, commandsOn, event, type EventsOf } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Name, Text } from '../command-fields.js';
import { about, instant, listOf, open, refer, type Static, text } from '../schema.js';
import { actorSchema } from '../vocabulary.js';

const forgottenSchema = open({
  person: about(text, 'Id of the person'),
  reason: about(text, 'Why'),
  at: about(instant, 'When'),
  by: about(refer(actorSchema), 'Who had it done'),
});

export const privacySchema = about(
  open({
    client: about(text, 'Client (tenant)'),
    forgotten: about(listOf(forgottenSchema), 'Who was forgotten, oldest first'),
  }),
  "What became of the personal data of a client's people",
);

export type Privacy = Static<typeof privacySchema>;

/** Nothing yet, or what was done. */
export type PrivacyState = Privacy | null;

@JSONSchema({
  description:
    'Forgets a person: the keys of their personal data are destroyed, for good. What they are called and wrote reads as `[erased]` from then on, everywhere.',
  examples: [{ person: 'j.doe', reason: 'Asked for by letter of 12 November' }],
})
export class ForgetPerson {
  @Name({ description: 'Id of the person: the `reporter.id` of their tickets', example: 'j.doe' })
  person!: string;

  @Text({ description: 'Why. It is kept: it should not say more of the person', max: 500 })
  reason!: string;
}

const events = {
  PersonForgotten: event<PrivacyState, { readonly client: string; readonly person: string; readonly reason: string }>({
    evolve: (state, { client, person, reason }, { actor, effectiveAt }) => ({
      client,
      forgotten: [...(state?.forgotten ?? []), { person, reason, at: effectiveAt, by: actor }],
    }),
  }),
};

const command = commandsOn<PrivacyState, EventsOf<{ readonly events: typeof events }>>();

/** The privacy of a client's people. One stream a client: `privacy-<client>`. */
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
      // Also who was forgotten before: they may have come back.
      decide({ person, reason }, _state, { id: client = '' }) {
        return [{ type: 'PersonForgotten', data: { client, person, reason } }];
      },
    }),
  },
} satisfies Aggregate<PrivacyState>;

export type PrivacyEvents = EventsOf<typeof privacy>;
export type PrivacyCommands = CommandsOf<typeof privacy>;
