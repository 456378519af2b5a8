import { type Instant, type Projection, REACTIONS, type ReactionEvents, streamId } from '#eventsourcing';

/** What a policy did about an event. */
export interface PolicyReaction extends Readonly<ReactionEventData> {
  readonly client: string;
  readonly correlationId: string;
  readonly reactedAt: Instant;
}
type ReactionEventData = ReactionEvents['PolicyReacted'];

/** One document an event that a policy reacted to, by the id of its record. */
export const policyReactions: Projection<PolicyReaction, ReactionEvents> = {
  name: 'policy_reactions',
  version: 1,
  streamPrefix: `${REACTIONS}-`,
  aggregate: { events: {} },
  key: ({ stream }) => streamId(stream),
  apply: (_doc, { data, metadata: { client, correlationId, recordedAt } }) => ({ ...data, client, correlationId, reactedAt: recordedAt }),
  indexes: [
    { key: { position: 1 } },
    { key: { 'reactions.outcome': 1, position: 1 } },
    { key: { 'reactions.id': 1 } },
    { key: { 'to.stream': 1 } },
  ],
};
