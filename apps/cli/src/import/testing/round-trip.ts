import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type RecordedEvent, streamName } from '#eventsourcing';
import { FORMATS } from '#exports';
import { type EventLogRow, loggedEvents, ticket, type TicketEvents } from '#ticketing';
import { EVENT_LOG_SET } from '#ticketing-app';
import { caseToEvents, type ImportedTicket, isDone } from '../case-to-events.js';
import { type CourseFigure, CourseFigures } from '../course-figures.js';
import { importLog } from '../import-log.js';
import { readMapping } from '../mapping.js';
import type { LogCase } from '../row-spool.js';
import type { temporaryFolder } from './log-files.js';

const mapping = await readMapping('tierline');
const source = { name: 'bpic2013', client: 'acme' };

function recorded({ ticketId, events }: ImportedTicket): RecordedEvent<TicketEvents>[] {
  return events.map(({ type, data, effectiveAt, actor }, revision) => ({
    stream: streamName(ticket, ticketId),
    id: `${ticketId}/${revision}`,
    revision,
    position: { commit: BigInt(revision), prepare: BigInt(revision) },
    type,
    data,
    metadata: { client: source.client, effectiveAt, recordedAt: effectiveAt, actor },
  })) as unknown as RecordedEvent<TicketEvents>[];
}

/** Figures in tickets. The number of rows depends on the format. */
const inTickets = (figures: readonly CourseFigure[], moreReopenings = 0) =>
  Object.fromEntries(
    figures
      .filter(({ name }) => name !== 'rows')
      .map(({ name, inTickets }) => [name, inTickets + (name === 'reopenings' ? moreReopenings : 0)]),
  );

/** Logs hand on finished work, which no command does. It is then open again, and a row can only say so. */
const handedOnWhenDone = (rows: readonly EventLogRow[]): number =>
  rows.filter(
    ({ type, status }, index) =>
      ['TicketEscalated', 'TicketDeescalated'].includes(type) && !isDone(status) && isDone(rows[index - 1]?.status ?? 'open'),
  ).length;

/** The figures of imported cases, and of their exported event log after importing that. */
export async function roundTrip(
  files: Pick<ReturnType<typeof temporaryFolder>, 'write'>,
  cases: readonly LogCase[],
  format: 'xes' | 'csv' | 'ndjson',
) {
  const before = new CourseFigures();
  let moreReopenings = 0;
  async function* batches() {
    for (const one of cases) {
      const imported = caseToEvents(one, source);
      before.add(one, imported.events);
      const logged = loggedEvents(recorded(imported));
      moreReopenings += handedOnWhenDone(logged);
      yield logged;
    }
  }
  const file = files.write(`log.${format}`, '');
  await pipeline(Readable.from(FORMATS[format].write(EVENT_LOG_SET, batches())), createWriteStream(file));
  const { figures, leftOut, rows } = await importLog({ file, mapping, source: { name: 'again', client: 'acme' } });
  return { before: inTickets(before.figures(), moreReopenings), again: inTickets(figures), leftOut, rows };
}
