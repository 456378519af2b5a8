import { isDeepStrictEqual } from 'node:util';
import { evolve } from '#eventsourcing';
import { ticketWithoutClocks, type TicketState } from '#ticketing';
import { caseToEvents, type ImportedEvent, ticketIdOfCase } from '../case-to-events.js';
import type { LogRow } from '../mapped-rows.js';
import { BPIC2013 } from '../ready-mappings.js';
import type { LogCase } from '../row-spool.js';

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

/** The possible statuses of a ticket after a row, by the sub-status of the row. */
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

/** Differences between the state after a row and the row. */
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

/** The violations of what must hold for every case. */
export function importFaults(one: LogCase): string[] {
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
