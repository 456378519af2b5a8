import { type EventFace, REACTION_OUTCOMES, type ReactionEvents, streamId } from '#eventsourcing';
import { about, count, instant, listOf, oneOf, open, optional, type Static, text, uuid } from '../schema.js';
import { documentSchema } from './stored.js';

export const policyReactionSchema = about(
  open({
    policy: about(text, 'Name of the policy'),
    to: about(
      open({
        stream: about(text, 'Its stream'),
        revision: about(count, 'Its revision there'),
        eventId: about(uuid, 'Its id'),
        type: about(text, 'Its type'),
      }),
      'The event that was reacted to',
    ),
    reactions: about(
      listOf(
        open({
          category: about(text, 'Kind of the aggregate that the command was for, such as `ticket`'),
          id: about(text, 'Id of that aggregate'),
          command: about(text, 'Name of the command'),
          commandId: about(uuid, 'Id of the command'),
          outcome: about(oneOf(REACTION_OUTCOMES), '`done`; `quiet`: no change needed; or `refused`'),
          refusal: optional(
            about(
              open({
                refused: about(text, 'Code of the refusal'),
                message: about(text, 'Why, for people'),
                faults: optional(
                  about(
                    listOf(open({ field: about(text, 'JSON path of the field'), message: about(text, 'What is wrong with it') })),
                    'What is wrong',
                  ),
                ),
              }),
              'Why it was refused',
            ),
          ),
        }),
      ),
      'The commands that it led to, in order',
    ),
    client: about(text, 'The client (tenant); empty where it is the desk’s own'),
    correlationId: about(text, 'What it belongs to'),
    reactedAt: about(instant, 'When the policy reacted'),
  }),
  'What a policy did about an event',
);

/** What a policy did about an event. */
export type PolicyReaction = Static<typeof policyReactionSchema>;

/** One document an event that a policy reacted to, by the id of its record. */
export const policyReactions: EventFace<ReactionEvents> = {
  name: 'policy_reactions',
  version: 2,
  schema: () => documentSchema(policyReactionSchema, 'Of the policy and the event: its record is the stream `reaction-<_id>`'),
  key: ({ stream }) => streamId(stream),
  entry: ({ data, metadata: { client, correlationId, recordedAt } }): PolicyReaction => ({
    ...data,
    client,
    correlationId,
    reactedAt: recordedAt,
  }),
  indexes: [
    { key: { position: 1 } },
    { key: { 'reactions.outcome': 1, position: 1 } },
    { key: { 'reactions.id': 1 } },
    { key: { 'to.stream': 1 } },
  ],
};
