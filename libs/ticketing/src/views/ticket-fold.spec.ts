import { instantFrom } from '#eventsourcing';
import { given } from '../../../eventsourcing/src/testing/given-projected.js';
import { ticketDetails } from './ticket-details.js';
import { ticketFacts } from './ticket-facts.js';
import { ticketList } from './ticket-list.js';
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

describe('when a ticket was resolved and closed, and by whom', () => {
  it('stays a fact of its day when it is reopened', () => {
    const by = (id: string) => ({ metadata: { recordedAt: at(10), actor: { id, kind: 'agent' as const } } });
    const resolved = (minute: number, id: string) => ({
      type: 'TicketResolved',
      at: at(minute),
      data: { tier: 'L1', category: 'network' },
      ...by(id),
    });
    const closed = { type: 'TicketClosed', at: at(2), data: {}, ...by('bob') };
    const reopened = { type: 'TicketReopened', at: at(3), data: { reason: 'again', tier: 'L1', cycle: 2 }, ...by('joe') };
    const life = [opening, resolved(1, 'ada'), closed, reopened, resolved(4, 'cyd')];
    expect(given(ticketViews, life).document(ticketFacts)).toMatchObject({
      resolutions: [
        { at: at(1), by: 'ada', closedAt: at(2), closedBy: 'bob', reopenedAt: at(3) },
        { at: at(4), by: 'cyd' },
      ],
    });
    const line = given(ticketViews, life).document(ticketList);
    expect(line).toMatchObject({ resolvedAt: at(4), resolvedTimes: [at(1), at(4)], closedTimes: [at(2)] });
    expect(line).not.toHaveProperty('closedAt');
  });
});
