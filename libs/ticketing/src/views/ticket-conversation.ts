import { evolve, type RecordedEvent, type StateOf } from '#eventsourcing';
import { type TicketEvents, ticketWithoutClocks } from '../events/ticket-events.js';
import { openingSchema, resolvedAt, type Work } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import { about, count, instant, listOf, oneOf, open, optional, parts, type Static, text, uuid } from '../schema.js';
import { ticketDetailsSchema } from './ticket-details.js';

/** What requesters are told of a status: nothing of tiers, hand-offs or vendors. */
const CONVERSATION_STATES = [
  ...(['open', 'in-progress', 'waiting-for-requester', 'on-hold'] as const),
  ...(['resolved', 'closed', 'cancelled', 'merged'] as const),
] as const;
type ConversationState = (typeof CONVERSATION_STATES)[number];

const stateSchema = oneOf(CONVERSATION_STATES);

const messageSchema = open({
  messageId: about(uuid, 'Id of the message'),
  at: about(instant, 'When it was said'),
  from: about(oneOf(['requester', 'desk']), 'Which side said it'),
  name: optional(about(text, 'Name of the person who said it, if known')),
  text: about(text, 'The message'),
});
type ConversationMessage = Static<typeof messageSchema>;

const progressSchema = open({
  state: about(stateSchema, 'State that it reached'),
  at: about(instant, 'When'),
});

const saidSchema = open({
  ticketId: about(uuid, 'Id of the ticket'),
  revision: about(count, 'Revision of the last event included'),
  ...parts(openingSchema, 'client', 'kind', 'summary', 'description', 'reporter', 'follows'),
  state: about(
    stateSchema,
    'Current state: `open` until somebody works on it, `waiting-for-requester` while the desk waits for an answer, `on-hold` while it waits for anything else',
  ),
  ...parts(ticketDetailsSchema, 'openedAt', 'resolvedAt', 'followUp'),
  mergedInto: optional(about(uuid, 'Ticket that it was merged into')),
  progress: about(listOf(progressSchema), 'States it has been in, in order'),
  messages: about(listOf(messageSchema), "The requester's messages and the desk's public replies, oldest first"),
});

export const ticketConversationSchema = about(
  open({
    ...saidSchema.entries,
    article: optional(
      about(
        open({ article: about(text, 'Id of the article'), title: about(text, 'Title of the article') }),
        'Published article that solved it, if requesters may read it',
      ),
    ),
  }),
  'A ticket as its requester may see it: its progress and what was said to and by the requester',
);

/** A ticket as its requester may see it. Whatever is not named here is internal. */
export type TicketConversation = Static<typeof ticketConversationSchema>;

/** A conversation, and the id of the article that the ticket was resolved with, whoever may read that one. */
export interface Conversation {
  readonly said: Static<typeof saidSchema>;
  readonly resolvedWith?: string;
}

/** The conversation of a ticket, from its events in order; undefined if it was never opened. */
export function conversationOf(ticketId: string, events: readonly RecordedEvent<TicketEvents>[]): Conversation | undefined {
  let ticket: StateOf<typeof ticketWithoutClocks> = null;
  let revision = 0;
  const progress: Static<typeof progressSchema>[] = [];
  const messages: ConversationMessage[] = [];
  for (const event of events) {
    ticket = evolve(ticketWithoutClocks, ticket, event, event.metadata);
    revision = event.revision;
    if (ticket === null) continue;
    const at = event.metadata.effectiveAt;
    const reached = stateOf(ticket.work, progress.at(-1)?.state);
    if (reached !== progress.at(-1)?.state) {
      // Told late: it undoes what time or a policy had brought about since.
      while (progress.length > 1 && at < (progress.at(-1)?.at ?? at)) progress.pop();
      if (reached !== progress.at(-1)?.state) progress.push({ state: reached, at });
    }
    messages.push(...messageOf(event));
  }
  const [first] = progress;
  const last = progress.at(-1);
  if (ticket === null || first === undefined || last === undefined) return undefined;
  const { client, kind, summary, description, reporter, follows, work, followUp, resolution } = ticket;
  const said = omitUndefined({
    ticketId,
    revision,
    client,
    kind,
    summary,
    description,
    reporter,
    follows,
    state: last.state,
    openedAt: first.at,
    resolvedAt: resolvedAt(work),
    followUp,
    mergedInto: work.status === 'merged' ? work.into : undefined,
    progress,
    messages: messages.sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0)),
  });
  return omitUndefined({ said, resolvedWith: resolution?.article });
}

/** @param before the state until now: once work has begun, no hand-off makes it `open` again, only a reopening */
function stateOf(work: Work, before: ConversationState | undefined): ConversationState {
  switch (work.status) {
    case 'open':
      return before === 'in-progress' || before === 'waiting-for-requester' || before === 'on-hold' ? 'in-progress' : 'open';
    case 'in-progress':
    case 'escalated':
      return 'in-progress';
    case 'on-hold':
      return work.reason === 'customer' ? 'waiting-for-requester' : 'on-hold';
    default:
      return work.status;
  }
}

/** What an event says to or by the requester, if anything. */
function messageOf({ id: messageId, type, data, metadata }: RecordedEvent<TicketEvents>): readonly ConversationMessage[] {
  if (type !== 'PublicReplySent' && type !== 'RequesterReplied') return [];
  const from = type === 'PublicReplySent' ? 'desk' : 'requester';
  // Replies that a policy or a program sends are the desk's, whatever it is called.
  const name = from === 'desk' && metadata.actor.kind === 'system' ? undefined : data.author.name;
  return [omitUndefined({ messageId, at: metadata.effectiveAt, from, name, text: data.text } as const)];
}
