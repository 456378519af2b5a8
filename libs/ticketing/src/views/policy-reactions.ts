import { type EventFace, REACTION_OUTCOMES, type ReactionEvents, streamId } from '#eventsourcing';
import { about, count, instant, listOf, oneOf, open, optional, type Static, text, uuid } from '../schema.js';
import { documentSchema } from './stored.js';

export const policyReactionSchema = about(
  open({
    policy: about(text, 'Name of the policy'),
    to: about(
      open({
        stream: about(text, 'Stream of the event'),
        revision: about(count, 'Revision of the event in the stream'),
        eventId: about(uuid, 'Id of the event'),
        type: about(text, 'Type of the event'),
      }),
      'Event the policy reacted to',
    ),
    reactions: about(
      listOf(
        open({
          category: about(text, 'Kind of the aggregate the command was sent to, such as `ticket`'),
          id: about(text, 'Id of that aggregate'),
          command: about(text, 'Name of the command'),
          commandId: about(uuid, 'Id of the command'),
          outcome: about(oneOf(REACTION_OUTCOMES), '`done`, `quiet` (no change needed) or `refused`'),
          refusal: optional(
            about(
              open({
                refused: about(text, 'Code of the refusal'),
                message: about(text, 'Reason in words'),
                faults: optional(
                  about(
                    listOf(open({ field: about(text, 'JSON path of the field'), message: about(text, 'What is wrong with it') })),
                    'Faults, by field',
                  ),
                ),
              }),
              'Why it was refused',
            ),
          ),
        }),
      ),
      'Resulting commands, in order',
    ),
    client: about(text, 'Client (tenant); empty if it concerns the desk itself'),
    correlationId: about(text, 'Correlation id'),
    reactedAt: about(instant, 'When the policy reacted'),
  }),
  'How a policy reacted to an event',
);

/** How a policy reacted to an event. */
export type PolicyReaction = Static<typeof policyReactionSchema>;

/** One document per event that a policy reacted to, by the id of its record. */
export const policyReactions: EventFace<ReactionEvents> = {
  name: 'policy_reactions',
  version: 2,
  schema: () =>
    documentSchema(policyReactionSchema, 'Derived from the policy and the event; the reaction is recorded in the stream `reaction-<_id>`'),
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
