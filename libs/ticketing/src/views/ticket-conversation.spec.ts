import { recorded } from '../../../eventsourcing/src/testing/given-projected.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { at, Life } from '../testing/ticket-life.js';
import { conversationOf } from './ticket-conversation.js';

const gateway = { id: 'gateway', kind: 'system', name: 'secret' } as const;

/** What its requester sees of a life. */
function seenOf({ events }: Life) {
  const isOfGateway = (data: unknown) => (data as { readonly author?: { readonly id: string } }).author?.id === gateway.id;
  const told = events.map((event) => ({ ...event, ...(isOfGateway(event.data) && { metadata: { actor: gateway } }) }));
  return conversationOf('1', recorded<TicketEvents>('ticket-1', told));
}

it('is what both sides said, and the states that it was in, without hand-offs and what only the desk knows', () => {
  const life = new Life().open('low', { reporter: { id: 'joe', name: 'Joe' }, description: 'Nothing comes out' });
  life.actor = { id: 'ada', kind: 'agent', name: 'Ada' };
  life.do(1, 'AddInternalNote', { text: 'secret' });
  life.do(2, 'StartWork', {});
  life.do(3, 'SendPublicReply', { text: 'Which printer?' });
  life.do(4, 'PutOnHold', { reason: 'customer', note: 'secret' });
  life.do(5, 'RecordRequesterReply', { text: 'FIN-2' });
  life.do(6, 'PutOnHold', { reason: 'planned-change', note: 'secret' });
  life.do(7, 'Resume', {});
  life.do(8, 'ResolveTicket', { category: 'secret', article: 'KB-1', cause: 'secret', fix: 'secret' });
  life.do(9, 'ReopenTicket', { reason: 'secret' });
  life.actor = gateway;
  life.do(10, 'SendPublicReply', { text: 'We look again' });
  const seen = seenOf(life);
  expect(seen).toEqual({
    said: {
      ticketId: '1',
      revision: life.events.length - 1,
      client: 'northwind',
      kind: 'incident',
      summary: 's',
      description: 'Nothing comes out',
      reporter: { id: 'joe', name: 'Joe' },
      state: 'open',
      openedAt: at(0),
      progress: [
        { state: 'open', at: at(0) },
        { state: 'in-progress', at: at(2) },
        { state: 'waiting-for-requester', at: at(4) },
        { state: 'in-progress', at: at(5) },
        { state: 'on-hold', at: at(6) },
        { state: 'in-progress', at: at(7) },
        { state: 'resolved', at: at(8) },
        { state: 'open', at: at(9) },
      ],
      messages: [
        { messageId: expect.any(String), at: at(3), from: 'desk', name: 'Ada', text: 'Which printer?' },
        { messageId: expect.any(String), at: at(5), from: 'requester', name: 'Joe', text: 'FIN-2' },
        { messageId: expect.any(String), at: at(10), from: 'desk', text: 'We look again' },
      ],
    },
  });
  expect(JSON.stringify(seen)).not.toContain('secret');
});

it('says when it was resolved, and the article that solved it, to look up whether it may be read', () => {
  const life = new Life().open('low');
  life.do(1, 'ResolveTicket', { category: 'c', article: 'KB-1' });
  expect(seenOf(life)).toMatchObject({ said: { state: 'resolved', resolvedAt: at(1) }, resolvedWith: 'KB-1' });
  life.do(2, 'CloseTicket', {});
  expect(seenOf(life)?.said).toMatchObject({ state: 'closed', resolvedAt: at(1) });
});

it('puts what is told late where it was said', () => {
  const life = new Life().open('low');
  life.do(5, 'SendPublicReply', { text: 'second' });
  life.do(3, 'SendPublicReply', { text: 'first' });
  expect(seenOf(life)?.said.messages.map(({ text }) => text)).toEqual(['first', 'second']);
});

it('is none where nothing was opened', () => {
  expect(conversationOf('1', [])).toBeUndefined();
});
