import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { NO_EVENTS } from '#audit';
import {
  type Actor,
  appendChained,
  deterministicId,
  eventIdFor,
  type EventStore,
  instantFrom,
  type Instant,
  type NewEvent,
  type PersonalFields,
  personalFieldsOf,
  schemaVersion,
  type StateOf,
  streamName,
} from '#eventsourcing';
import { ticket } from '#ticketing';
import { caseToEvents, type ImportedTicket, type LogSource, NOT_RECORDED } from './case-to-events.js';
import { type CourseFigure, CourseFigures } from './course-figures.js';
import { isGzip } from './log-text.js';
import { manyAtOnce } from './many-at-once.js';
import { compileMapping, type LogRow } from './mapped-rows.js';
import type { Mapping } from './mapping.js';
import { readLog } from './read-log.js';
import { hasTime, type LogCase, RowSpool, type TimelessCase } from './row-spool.js';

export interface ImportProgress {
  /** First the entire log is checked, in bytes of the file; then it is imported, in rows. */
  readonly phase: 'checking' | 'importing';
  readonly done: number;
  readonly of: number;
}

export interface ImportOptions {
  /** CSV, NDJSON or XES, gzipped or not. */
  readonly file: string;
  readonly mapping: Mapping;
  readonly source: LogSource;
  /** For times without an offset, if the mapping names no zone. */
  readonly zone?: string;
  /** Without a store, only reports the result. */
  readonly store?: EventStore;
  readonly onProgress?: (progress: ImportProgress) => void;
  /** Called for each ticket. */
  readonly onTicket?: (told: ImportedTicket) => void;
  /** Stops the import: cases in progress are finished, others not started. Importing again continues with the rest. */
  readonly signal?: AbortSignal;
  /** Number of cases stored concurrently; default 16: more would only wait longer, and use more memory. */
  readonly concurrency?: number;
  /** The clock for `recordedAt`. */
  readonly now?: () => Instant;
}

export interface ImportResult {
  /** Of the log. */
  readonly cases: number;
  readonly rows: number;
  /** Cases and events appended by this run, or that it would append without a store. */
  readonly imported: number;
  readonly events: number;
  /** Cases that the store had already. */
  readonly alreadyThere: number;
  /** Cases already imported with other content, from another log or mapping: left as they are. */
  readonly different: readonly string[];
  /**
   * Number of imported cases with a step that the domain's rules would have refused, or with faulty rows, by code. A case may have several.
   */
  readonly deviating: number;
  readonly deviations: Readonly<Record<string, number>>;
  /** Rows that gave no fact, by reason: how many, and the first of them. */
  readonly leftOut: Readonly<Record<string, LeftOut>>;
  /** Figures from the rows of the imported cases, and from their tickets. */
  readonly figures: readonly CourseFigure[];
  /** False if it was stopped before the end. */
  readonly complete: boolean;
}

export interface LeftOut {
  readonly rows: number;
  readonly line: number;
  readonly message: string;
}

/**
 * Imports a log: one ticket per case, with one atomic append each, so no case is ever partly imported. The entire log is read and checked
 * before anything is appended. Ids are derived from the content of a case, so importing again, after a crash or otherwise, adds what is
 * missing and nothing twice. Memory does not grow with the log, except for the ids of its cases.
 * @throws LogError for a fault in the log: nothing was appended. Complaint for a fault in the mapping. StoreUnavailable if the store stays
 * out of reach.
 */
export async function importLog(options: ImportOptions): Promise<ImportResult> {
  const { file, source, store, onProgress = () => {}, signal, concurrency = 16, now = systemClock } = options;
  const spool = await RowSpool.open(await textSize(file));
  try {
    const survey = await surveyLog(options, spool);
    const before = store === undefined ? new Map<string, string>() : await importedBefore(store, source.name);
    const figures = new CourseFigures();
    const different: string[] = [];
    const deviations: Record<string, number> = {};
    let [cases, rowsDone, imported, events, alreadyThere, deviating] = [0, 0, 0, 0, 0, 0];
    const importCase = async (one: LogCase | TimelessCase): Promise<void> => {
      if (!hasTime(one)) {
        survey.leaveOut({ code: 'time-missing', message: `no row of case ${one.caseId} has a time`, line: one.line });
        return;
      }
      cases++;
      const digest = digestOf(one);
      const known = before.get(one.caseId);
      if (known === digest) alreadyThere++;
      else if (known !== undefined) different.push(one.caseId);
      else {
        const told = caseToEvents(markedIfToCome(one, now()), source);
        if (store !== undefined)
          await appendChained(store, streamName(ticket, told.ticketId), NO_EVENTS, newEvents(one, told, source, digest, now()));
        imported++;
        events += told.events.length;
        figures.add(one, told.events);
        options.onTicket?.(told);
        const codes = new Set(told.events.flatMap((event) => event.imported.deviations ?? []));
        if (codes.size > 0) deviating++;
        for (const code of codes) deviations[code] = (deviations[code] ?? 0) + 1;
      }
      rowsDone += one.rows.length;
      onProgress({ phase: 'importing', done: rowsDone, of: survey.rows });
    };
    const complete = await manyAtOnce(spool.cases(), importCase, concurrency, signal);
    return {
      cases,
      rows: survey.rows,
      imported,
      events,
      alreadyThere,
      different,
      deviating,
      deviations: Object.fromEntries(Object.entries(deviations).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))),
      leftOut: survey.leftOut,
      figures: figures.figures(),
      complete,
    };
  } finally {
    await spool.close();
  }
}

/** Reads and checks the entire log, and sets its rows aside. */
async function surveyLog({ file, mapping, zone, onProgress = () => {}, signal }: ImportOptions, spool: RowSpool) {
  const { size } = await stat(file);
  const onBytes = (done: number): void => onProgress({ phase: 'checking', done, of: size });
  const leftOut: Record<string, LeftOut> = {};
  const leaveOut = ({ code, message, line }: { readonly code: string; readonly message: string; readonly line: number }): void => {
    const { rows, ...first } = leftOut[code] ?? { rows: 0, line, message };
    leftOut[code] = { ...first, rows: rows + 1 };
  };
  let rows = 0;
  for await (const read of readLog(file, mapping, compileMapping(mapping, zone), { onBytes, ...(signal && { signal }) })) {
    if ('leftOut' in read) leaveOut(read.leftOut);
    else {
      rows++;
      await spool.add(read.caseId, read.row);
    }
  }
  return { rows, leftOut, leaveOut };
}

/** Approximate size of a file's text in bytes. Logs compress to a twentieth. */
async function textSize(file: string): Promise<number> {
  const { size } = await stat(file);
  return (await isGzip(file)) ? 20 * size : size;
}

/**
 * The cases in the store, with the digests of the imported content. One query for the entire log, by the type of a ticket's first event,
 * which the server filters: reading each case's stream takes ten times as long.
 */
async function importedBefore(store: EventStore, source: string): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  for await (const { metadata } of store.readAll({ eventTypes: ['TicketOpened'] })) {
    const { imported, commandType, commandDigest = '' } = metadata;
    if (commandType === IMPORT_COMMAND && imported?.system === source) digests.set(imported.key, commandDigest);
  }
  return digests;
}

const IMPORT_COMMAND = 'ImportCase';

function newEvents(one: LogCase, { events }: ImportedTicket, source: LogSource, commandDigest: string, recordedAt: Instant): NewEvent[] {
  const commandId = deterministicId('import', source.name, one.caseId);
  const { reporter = NOT_RECORDED } = one.rows[0];
  return events.map(({ type, data, effectiveAt, actor, imported }, index) => ({
    id: eventIdFor(commandId, index, commandDigest),
    type,
    data,
    metadata: {
      commandId,
      commandType: IMPORT_COMMAND,
      commandDigest,
      correlationId: commandId,
      causationId: commandId,
      actor,
      client: source.client,
      effectiveAt,
      recordedAt,
      schemaVersion: schemaVersion(ticket, type),
      imported,
    },
    ...(reporter !== NOT_RECORDED && { personal: personalOf(reporter, type, data, actor) }),
  }));
}

/** Personal data of an imported event, including the content of its row, since any column may be personal. */
function personalOf(reporter: string, type: string, data: unknown, actor: Actor): PersonalFields[] {
  const { events } = ticket;
  const fields = personalFieldsOf<StateOf<typeof ticket>>({ events, person: () => reporter }, { type, data }, null, actor);
  return [
    { person: reporter, fields: [...fields.flatMap((one) => (one.person === reporter ? one.fields : [])), 'metadata.imported.said'] },
  ];
}

/** Marks rows with future times: commands with such times are refused. */
function markedIfToCome({ rows: [first, ...others], ...one }: LogCase, now: Instant): LogCase {
  const marked = (row: LogRow): LogRow => (row.at <= now ? row : { ...row, faults: [...(row.faults ?? []), 'effective-in-the-future'] });
  return { ...one, rows: [marked(first), ...others.map(marked)] };
}

/** Digest (SHA-256, hexadecimal) of a case by its mapping: the same for every file format. */
function digestOf({ caseId, rows }: LogCase): string {
  const said = rows.map(({ line: _, ...row }) => row);
  return createHash('sha256')
    .update(JSON.stringify([caseId, said]))
    .digest('hex');
}

const systemClock = (): Instant => instantFrom(Date.now());
