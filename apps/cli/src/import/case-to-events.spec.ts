import fc from 'fast-check';
import type { TicketEvents } from '#ticketing';
import { caseToEvents } from './case-to-events.js';
import { BPIC2013 } from './ready-mappings.js';
import type { LogCase } from './row-spool.js';
import { anyCase, readCases } from './testing/log-files.js';
import { importFaults } from './testing/import-faults.js';
import { runs } from '../../../../test/runs.js';

const fixture = new URL('./fixtures/small.csv', import.meta.url).pathname;
const cases = new Map<string, LogCase>();
beforeAll(async () => {
  for (const one of await readCases(fixture)) cases.set(one.caseId, one);
});

/** `row Type (deviations)` of each event. */
function outline(caseId: string): string[] {
  return caseToEvents(cases.get(caseId)!, BPIC2013).events.map(
    ({ type, imported: { row, deviations } }) => `${row} ${type}${deviations === undefined ? '' : ` (${deviations.join(', ')})`}`,
  );
}

describe('a case as the facts of a ticket', () => {
  it('solved in call', () => {
    expect(outline('1-100')).toEqual(['0 TicketOpened', '0 WorkStarted', '1 TicketResolved (resolution-incomplete)']);
    const { events } = caseToEvents(cases.get('1-100')!, BPIC2013);
    expect(events[0]).toEqual({
      type: 'TicketOpened',
      data: {
        client: 'volvo-it-belgium',
        kind: 'incident',
        summary: 'Incident 1-100 with PROD7',
        reporter: { id: 'not recorded in the log' },
        channel: 'phone',
        impact: 'medium',
        urgency: 'medium',
        priority: 'medium',
        defaultTerms: 2,
        tier: 'L1',
        team: 'D5',
        component: 'PROD7',
      },
      effectiveAt: '2012-04-02T07:00:00.000Z',
      actor: { id: 'Ada', kind: 'agent', name: 'Ada' },
      imported: {
        system: 'bpic2013',
        key: '1-100',
        row: 0,
        said: {
          at: '2012-04-02T09:00:00+02:00',
          status: 'Accepted',
          subStatus: 'In Progress',
          impact: 'Medium',
          product: 'PROD7',
          team: 'D5',
          orgLine: 'Org line C',
          functionDiv: 'E_10',
          owner: 'Ada',
          ownerCountry: 'Sweden',
          orgCountry: 'se',
        },
      },
    });
    expect(events[2]!.data).toEqual({ tier: 'L1', team: 'D5', category: 'not recorded in the log' });
  });

  it('handed up, accepted, held for a vendor, resolved, closed by the system', () => {
    expect(outline('1-101')).toEqual([
      '0 TicketOpened',
      '0 WorkStarted',
      '1 ImportedNoteRecorded',
      '2 TicketEscalated (hand-off-incomplete)',
      '3 EscalationAccepted',
      '4 TicketPutOnHold',
      '5 TicketResumed',
      '5 TicketResolved (resolution-incomplete)',
      '6 TicketClosed',
    ]);
    const { events } = caseToEvents(cases.get('1-101')!, BPIC2013);
    expect(events[3]!.data).toMatchObject({ from: 'L1', fromTeam: 'D5', to: 'L2', toTeam: 'G97 2nd', handOff: {} });
    expect(events[4]!.data).toMatchObject({
      escalationId: (events[3]!.data as TicketEvents['TicketEscalated']).escalationId,
      agent: { id: 'Börje & söner' },
    });
    expect(events[8]!.actor).toEqual({ id: 'Siebel', kind: 'system', name: 'Siebel' });
  });

  it('returned, skipping a tier, held for every reason, reopened too late, moved when it was closed', () => {
    expect(outline('1-102')).toEqual([
      '0 TicketOpened',
      '1 WorkStarted',
      '2 TicketEscalated (tier-skipped)',
      '3 EscalationReturned',
      '3 TicketAssigned', // The return gives it back to whom it came from; the log queues it for anyone of the team.
      '4 ImportedNoteRecorded',
      '5 WorkStarted',
      '5 TicketPutOnHold (hold-reason-missing)',
      '6 ImportedNoteRecorded',
      '7 TicketResumed',
      '7 TicketPutOnHold',
      '8 TicketResumed',
      '8 TicketEscalated (tier-skipped)',
      '8 EscalationAccepted',
      '9 TicketPutOnHold',
      '10 TicketResumed',
      '10 TicketResolved (root-cause-required)',
      '11 ImportedNoteRecorded',
      '12 TicketReopened (reopen-window-passed)',
      '12 TicketDeescalated (solution-missing)',
      '13 WorkStarted',
      '14 WorkStarted',
      '15 TicketResolved (resolution-incomplete)',
      '16 TicketClosed',
      '17 TicketDeescalated (ticket-closed, solution-missing)',
      '17 TicketClosed (not-resolved)',
    ]);
    const holds = caseToEvents(cases.get('1-102')!, BPIC2013).events.flatMap(({ type, data }) =>
      type === 'TicketPutOnHold' ? [data] : [],
    );
    expect(holds).toEqual([
      { reason: 'customer', note: 'Wait' },
      { reason: 'planned-change', note: 'Wait - Implementation' },
      { reason: 'customer', note: 'Wait - User' },
    ]);
  });

  it('opened on the 3rd line and cancelled', () => {
    expect(outline('1-103')).toEqual(['0 TicketOpened (tier-skipped)', '0 WorkStarted', '1 TicketCancelled']);
    expect(caseToEvents(cases.get('1-103')!, BPIC2013).events[0]!.data).toMatchObject({ tier: 'L3', impact: 'major', priority: 'high' });
  });

  it('handed back to another team of the sending tier', () => {
    const one = cases.get('1-102')!;
    const [first, second, third, back] = one.rows;
    const { events } = caseToEvents({ caseId: '1-104', rows: [first, second!, third!, { ...back!, team: 'G96' }] }, BPIC2013);
    expect(events.find(({ type }) => type === 'EscalationReturned')).toMatchObject({
      data: { from: 'L3', to: 'L1', toTeam: 'G96', pingPong: 1 },
      imported: { deviations: ['returned-elsewhere'] },
    });
  });
});

describe('any case', () => {
  it('is told row by row, and the ticket stands after each row as the row says', () => {
    fc.assert(
      fc.property(anyCase(), (one) => expect(importFaults(one)).toEqual([])),
      { numRuns: runs(500) },
    );
  });

  it('is told the same every time, as JSON, and the rows to come change nothing of what is told of those before', () => {
    fc.assert(
      fc.property(anyCase(), fc.nat(), (one, cut) => {
        const whole = caseToEvents(one, BPIC2013);
        expect(caseToEvents(one, BPIC2013)).toEqual(whole);
        expect(JSON.parse(JSON.stringify(whole))).toEqual(whole);
        const some = one.rows.slice(0, 1 + (cut % one.rows.length)) as unknown as LogCase['rows'];
        const part = caseToEvents({ caseId: one.caseId, rows: some }, BPIC2013);
        expect(whole.events.slice(0, part.events.length)).toEqual(part.events);
      }),
    );
  });
});
