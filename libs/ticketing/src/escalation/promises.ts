import type { EventMetadata, EventOf } from '#eventsourcing';
import { termsOf } from '../contract/contract.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { evolvePinnedClocks, type PinnedClocks, pinnedClocksSchema } from '../sla/sla-terms.js';
import { escalationChainSchema, evolveChains } from './escalation-chains.js';
import { about, listOf, open, type Static } from '../schema.js';

export const ticketPromisesSchema = open({
  ...pinnedClocksSchema.entries,
  chains: about(listOf(escalationChainSchema), 'Escalation policies that are or were active'),
});

/** The clocks and the escalation policies that are, or were, at work. */
export type TicketPromises = PinnedClocks & Pick<Static<typeof ticketPromisesSchema>, 'chains'>;

/**
 * The clocks and escalation policies after one more event of the ticket; null before its opening.
 * @param revision of the event
 */
export function evolvePromises(
  promises: TicketPromises | null,
  event: EventOf<TicketEvents>,
  facts: Pick<EventMetadata, 'effectiveAt' | 'recordedAt' | 'imported'> & Partial<Pick<EventMetadata, 'actor'>>,
  revision: number,
): TicketPromises | null {
  const clocks = evolvePinnedClocks(promises, event, facts);
  if (clocks === null) return null;
  const before = promises?.chains ?? [];
  const chains = evolveChains(termsOf(clocks), before, event, facts, clocks, revision, promises?.priority);
  return promises !== null && clocks === promises && chains === before ? promises : { ...clocks, chains };
}
