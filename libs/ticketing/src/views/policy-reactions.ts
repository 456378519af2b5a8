import { type EventFace, type Instant, type ReactionEvents, streamId } from '#eventsourcing';

/** What a policy did about an event. */
export interface PolicyReaction extends Readonly<ReactionEventData> {
  readonly client: string;
  readonly correlationId: string;
  readonly reactedAt: Instant;
}
type ReactionEventData = ReactionEvents['PolicyReacted'];

/** One document an event that a policy reacted to, by the id of its record. */
export const policyReactions: EventFace<ReactionEvents> = {
  name: 'policy_reactions',
  version: 2,
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
