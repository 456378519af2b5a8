import { instantFrom } from '#eventsourcing';
import { recorded } from '../../../eventsourcing/src/testing/given-projected.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { restatedTicket } from './restated-ticket.js';

const at = (minute: number) => instantFrom(minute * 60_000);
const told = (type: string, data: object, effective: number, recordedAt = effective) => ({
  type,
  data,
  at: at(effective),
  metadata: { recordedAt: at(recordedAt) },
});
const opening = { client: 'northwind', kind: 'incident', summary: 's', reporter: { id: 'joe' }, channel: 'phone', tier: 'L1' };
const critical = { impact: 'high', urgency: 'critical', priority: 'critical' };

/** Opened, and believed to be breached, until an offline technician's notes are told at 300. */
const events = recorded<TicketEvents>('ticket-1', [
  told('TicketOpened', { ...opening, ...critical }, 0),
  told('SlaBreached', { clock: 'response', cycle: 1, terms: 0, target: 900_000 }, 15, 16),
  told('WorkStarted', { tier: 'L1', agent: { id: 'ada' } }, 5, 300),
  told('SlaRestated', { clock: 'response', cycle: 1, moment: { terms: 0, was: at(15) }, reason: 'r' }, 5, 300),
  told('InternalNoteAdded', { author: { id: 'ada' }, text: 't' }, 6, 300),
  told('TicketResolved', { tier: 'L1', category: 'x', article: 'KB-1' }, 200, 301),
  told('TicketClosed', {}, 400),
]);

describe('what was known of a ticket, and what is known now', () => {
  it('differ by the events that were told since, each with what it changed', () => {
    const restated = restatedTicket('1', events, { asOf: at(60), knownAt: at(60) });
    expect(restated).toMatchObject({
      then: { status: 'open', clocks: { 'response/1': { state: 'running', breachedAt: at(15) }, 'resolution/1': { state: 'running' } } },
      now: { status: 'in-progress', assignee: { id: 'ada' }, clocks: { 'response/1': { state: 'met', elapsed: 300_000 } } },
    });
    expect(restated?.because.map(({ revision, type }) => [revision, type])).toEqual([[2, 'WorkStarted']]);
    expect(restated?.because[0]?.changes).toEqual(restated?.changes);
    expect(restated?.because[0]?.inWords).toMatch(/^Work started by ada: status open → in-progress; /);
  });

  it('lead from one to the other event by event', () => {
    const restated = restatedTicket('1', events, { asOf: at(250), knownAt: at(250) });
    expect(restated?.because.map(({ type }) => type)).toEqual(['WorkStarted', 'TicketResolved']);
    expect(restated?.then).toMatchObject({ clocks: { 'resolution/1': { breachedAt: at(240) } } });
    expect(restated?.now).toMatchObject({ status: 'resolved', clocks: { 'resolution/1': { state: 'met', elapsed: 200 * 60_000 } } });
  });

  it('are the same where nothing was told late, and are not there before the ticket was', () => {
    expect(restatedTicket('1', events, { asOf: at(500), knownAt: at(500) })).toMatchObject({ changes: [], because: [] });
    expect(restatedTicket('1', events, { asOf: at(3), knownAt: at(-1) })).toMatchObject({ because: [{ type: 'TicketOpened' }] });
    expect(restatedTicket('1', events, { asOf: at(-1), knownAt: at(500) })).toBeUndefined();
  });
});
