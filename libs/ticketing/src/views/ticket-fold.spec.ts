import { instantFrom } from '#eventsourcing';
import { given } from '../../../eventsourcing/src/testing/given-projected.js';
import { ticketDetails } from './ticket-details.js';
import { ticketViews } from './projections.js';

const at = (minute: number) => instantFrom(minute * 60_000);
const opening = {
  type: 'TicketOpened',
  at: at(0),
  data: {
    client: 'c',
    kind: 'incident',
    summary: 's',
    reporter: { id: 'joe' },
    channel: 'phone',
    impact: 'low',
    urgency: 'low',
    priority: 'low',
    tier: 'L1',
  },
  metadata: { recordedAt: at(10) },
};
const note = (effective: number, recorded: number) => ({
  type: 'InternalNoteAdded',
  at: at(effective),
  data: { author: { id: 'ada' }, text: 't' },
  metadata: { recordedAt: at(recorded) },
});

describe('when a ticket was last updated', () => {
  it('goes by when it was told, not by when it happened, and never goes back', () => {
    expect(given(ticketViews, [opening, note(1, 20)]).document(ticketDetails)).toMatchObject({ openedAt: at(0), updatedAt: at(20) });
    // Of two machines one may be behind.
    expect(given(ticketViews, [opening, note(9, 9)]).document(ticketDetails)).toMatchObject({ updatedAt: at(10) });
  });
});
