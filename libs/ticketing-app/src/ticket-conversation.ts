import { type RecordedEvent, refuse, type Refusal, upcast } from '#eventsourcing';
import { conversationOf, ticket, type TicketConversation, type TicketEvents } from '#ticketing';
import type { Sources } from './read-models.js';
import { readSuggestions } from './self-service-queries.js';

/** A ticket as its requester may see it; for requesters, only one that they reported. */
export async function readConversation(
  sources: Sources,
  { ticketId }: { readonly ticketId: string },
): Promise<TicketConversation | Refusal<'ticket-not-found'>> {
  const events: RecordedEvent<TicketEvents>[] = [];
  for await (const stored of sources.store.readTicket(ticketId)) events.push(upcast(ticket, stored));
  const conversation = conversationOf(ticketId, events);
  if (conversation === undefined) return refuse('ticket-not-found', 'There is no such ticket');
  const { said, resolvedWith } = conversation;
  if (resolvedWith === undefined) return said;
  const [found] = await readSuggestions(sources, { client: said.client, articles: [resolvedWith] });
  return found === undefined ? said : { ...said, article: { article: found.article, title: found.title } };
}
