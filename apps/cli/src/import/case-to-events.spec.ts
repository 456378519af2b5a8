import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { evolve } from '#eventsourcing';
import { ticketWithoutClocks, type TicketEvents, type TicketState } from '#ticketing';
import { caseToEvents, type ImportedEvent, ticketIdOfCase } from './case-to-events.js';
import type { LogRow } from './mapped-rows.js';
import { BPIC2013 } from './ready-mappings.js';
import type { LogCase } from './row-spool.js';
import { anyCase, readCases } from './testing/log-files.js';
import { describeWith, realLog } from './testing/real-log.js';

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

function fold(events: readonly ImportedEvent[], from: TicketState = null): TicketState {
  return events.reduce<TicketState>(
    (state, event) =>
      evolve(ticketWithoutClocks, state, event, {
        actor: event.actor,
        effectiveAt: event.effectiveAt,
        recordedAt: event.effectiveAt,
        commandId: 'import',
        imported: event.imported,
      }),
    from,
  );
}

/** The statuses that a ticket may have after a row, by the sub-status of the row. */
const standing: Readonly<Record<string, readonly string[]>> = {
  'Awaiting Assignment': ['open', 'escalated'],
  'In Progress': ['in-progress'],
  Assigned: ['open'],
  Wait: ['on-hold'],
  'Wait - User': ['on-hold'],
  'Wait - Customer': ['on-hold'],
  'Wait - Vendor': ['on-hold'],
  'Wait - Implementation': ['on-hold'],
  Resolved: ['resolved'],
  'In Call': ['resolved'],
  Closed: ['closed'],
  Cancelled: ['cancelled'],
  Unmatched: ['open', 'escalated', 'in-progress', 'on-hold', 'resolved', 'closed', 'cancelled'],
};

/** Where the state after a row does not say what the row says. */
function contradictions(row: LogRow, state: TicketState): string[] {
  if (state === null) return ['no ticket'];
  const { tier, team, work, assignee } = state;
  const { status, subStatus = '', owner } = row.said;
  const unassigned = status === 'Queued' || subStatus === 'Assigned';
  const worked = status === 'Accepted' && subStatus !== 'Assigned';
  return [
    ...(standing[subStatus]?.includes(work.status) ? [] : [`${subStatus}, yet ${work.status}`]),
    ...(subStatus === 'Unmatched' || (tier === tierOf(row.said.team) && team === row.said.team)
      ? []
      : [`${row.said.team}, yet ${tier} ${team}`]),
    ...(work.status === 'on-hold' && work.reason !== (row.holdReason ?? 'customer') && status === 'Accepted'
      ? [`${subStatus}, yet for ${work.reason}`]
      : []),
    ...(unassigned && assignee !== undefined ? [`nobody's, yet ${assignee.id}'s`] : []),
    ...(worked && assignee?.id !== owner ? [`${owner}'s, yet ${assignee?.id}'s`] : []),
  ];
}

const tierOf = (team = ''): string => (team.includes('3rd') ? 'L3' : team.includes('2nd') ? 'L2' : 'L1');

/** What must hold for every case there is: all that does not. */
function unfaithful(one: LogCase): string[] {
  const { ticketId, events } = caseToEvents(one, BPIC2013);
  const faults: string[] = [];
  if (ticketId !== ticketIdOfCase(BPIC2013.name, one.caseId)) faults.push('another ticket');
  if (events.some(({ type }, index) => (type === 'TicketOpened') !== (index === 0))) faults.push('not opened once, and first');
  let state: TicketState = null;
  let next = 0;
  for (const [seq, row] of one.rows.entries()) {
    const begin = next;
    while (events[next]?.imported.row === seq) next++;
    const ofRow = events.slice(begin, next);
    if (ofRow.length === 0) faults.push(`row ${seq} is lost`);
    for (const event of ofRow) {
      if (event.effectiveAt !== row.at || event.actor.id !== row.said.owner || event.imported.key !== one.caseId)
        faults.push(`row ${seq}: another time, actor or case`);
      if (!isDeepStrictEqual(event.imported.said, row.said)) faults.push(`row ${seq}: not all of what it said`);
    }
    state = fold(ofRow, state);
    faults.push(...contradictions(row, state).map((fault) => `row ${seq}: ${fault}`));
  }
  if (next !== events.length) faults.push('out of order');
  return faults;
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
      fc.property(anyCase(), (one) => expect(unfaithful(one)).toEqual([])),
      { numRuns: 500 },
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

describeWith(realLog, 'every case of the real log', (file) => {
  it('is told row by row, and the ticket stands after each row as the row says', async () => {
    const faults: string[] = [];
    for (const one of await readCases(file)) faults.push(...unfaithful(one).map((fault) => `${one.caseId} ${fault}`));
    expect(faults).toEqual([]);
  });
});
