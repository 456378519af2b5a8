import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { NO_EVENTS } from '#audit';
import {
  appendChained,
  deterministicId,
  eventIdFor,
  type EventStore,
  instantFrom,
  type Instant,
  type NewEvent,
  schemaVersion,
  streamName,
} from '#eventsourcing';
import { ticket } from '#ticketing';
import { readBpic2013Log } from './bpic2013-log.js';
import { CaseSpool } from './case-spool.js';
import { BPIC2013, BPIC2013_CLIENT, caseToEvents, type ImportedTicket } from './case-to-events.js';
import type { LogCase } from './log-case.js';
import { manyAtOnce } from './many-at-once.js';

export interface ImportProgress {
  /** First the whole log is checked, in bytes of the file; then it is imported, in rows. */
  readonly phase: 'checking' | 'importing';
  readonly done: number;
  readonly of: number;
}

export interface ImportOptions {
  /** XES or CSV, gzipped or not. */
  readonly file: string;
  readonly store: EventStore;
  readonly onProgress?: (progress: ImportProgress) => void;
  /** Stops the import: cases on their way are finished, others are not begun. Importing again takes up the rest. */
  readonly signal?: AbortSignal;
  /** How many cases are on their way to the store at once; 64 unless said otherwise. */
  readonly concurrency?: number;
  /** The clock that `recordedAt` is read from. */
  readonly now?: () => Instant;
}

export interface ImportResult {
  /** Of the log. */
  readonly cases: number;
  readonly rows: number;
  /** Cases and events that this run appended. */
  readonly imported: number;
  readonly events: number;
  /** Cases that the store had already. */
  readonly alreadyThere: number;
  /** Cases that the store has from a log that said something else of them: left as they are. */
  readonly different: readonly string[];
  /** How many of the cases imported now the domain's rules would have refused at some step, and by which rule. A case may break several. */
  readonly deviating: number;
  readonly deviations: Readonly<Record<string, number>>;
  /** False when it was stopped before the end. */
  readonly complete: boolean;
}

/**
 * Imports the log: a ticket a case, one atomic append each, so no case is ever there in part. The whole log is read and checked before
 * anything is appended. Ids follow from what a case says, so importing again, after a crash or for no reason, adds what is missing and
 * nothing twice. Memory does not grow with the log, but for the ids of its cases.
 * @throws LogError when something is wrong with the log: then nothing was appended. StoreUnavailable when the store stays out of reach.
 */
export async function importBpic2013({
  file,
  store,
  onProgress = () => {},
  signal,
  concurrency = 64,
  now = systemClock,
}: ImportOptions): Promise<ImportResult> {
  const missing = await CaseSpool.open();
  try {
    const survey = await surveyLog(file, await importedBefore(store), missing, onProgress, signal);
    let { rowsDone } = survey;
    let imported = 0;
    let events = 0;
    let deviating = 0;
    const deviations: Record<string, number> = {};
    const importCase = async (one: LogCase): Promise<void> => {
      const told = caseToEvents(one);
      await appendChained(store, streamName(ticket, told.ticketId), NO_EVENTS, newEvents(one, told, now()));
      imported++;
      events += told.events.length;
      const codes = new Set(told.events.flatMap((event) => event.imported.deviations ?? []));
      if (codes.size > 0) deviating++;
      for (const code of codes) deviations[code] = (deviations[code] ?? 0) + 1;
      rowsDone += one.rows.length;
      onProgress({ phase: 'importing', done: rowsDone, of: survey.rows });
    };
    const complete = await manyAtOnce(missing.cases(), importCase, concurrency, signal);
    return {
      cases: survey.cases,
      rows: survey.rows,
      imported,
      events,
      alreadyThere: survey.alreadyThere,
      different: survey.different,
      deviating,
      deviations: Object.fromEntries(Object.entries(deviations).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))),
      complete,
    };
  } finally {
    await missing.close();
  }
}

/** What the log holds, once all of it was checked, and what of it the store has. */
interface Survey {
  readonly cases: number;
  readonly rows: number;
  /** Rows of the cases that need not be imported. */
  readonly rowsDone: number;
  readonly alreadyThere: number;
  readonly different: readonly string[];
}

/** Reads and checks the whole log, and puts aside what the store has not. */
async function surveyLog(
  file: string,
  before: ReadonlyMap<string, string>,
  missing: CaseSpool,
  onProgress: (progress: ImportProgress) => void,
  signal: AbortSignal | undefined,
): Promise<Survey> {
  const { size } = await stat(file);
  const onBytes = (done: number): void => onProgress({ phase: 'checking', done, of: size });
  const different: string[] = [];
  let cases = 0;
  let rows = 0;
  let rowsDone = 0;
  let alreadyThere = 0;
  for await (const one of readBpic2013Log(file, { onBytes, ...(signal === undefined ? {} : { signal }) })) {
    cases++;
    rows += one.rows.length;
    const digest = before.get(one.caseId);
    if (digest === undefined) {
      await missing.add(one);
      continue;
    }
    rowsDone += one.rows.length;
    if (digest === digestOf(one)) alreadyThere++;
    else different.push(one.caseId);
  }
  return { cases, rows, rowsDone, alreadyThere, different };
}

/**
 * The cases that the store has, with the digests of what was imported. Asked once of the whole log, by the type of the first event
 * of a ticket, which the server filters: a read of each case's stream takes ten times as long.
 */
async function importedBefore(store: EventStore): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  for await (const { metadata } of store.readAll({ eventTypes: ['TicketOpened'] })) {
    const { imported, commandType, commandDigest = '' } = metadata;
    if (commandType === IMPORT_COMMAND && imported?.system === BPIC2013) digests.set(imported.key, commandDigest);
  }
  return digests;
}

const IMPORT_COMMAND = 'ImportCase';

function newEvents(one: LogCase, { events }: ImportedTicket, recordedAt: Instant): NewEvent[] {
  const commandId = deterministicId('import', BPIC2013, one.caseId);
  const commandDigest = digestOf(one);
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
      client: BPIC2013_CLIENT,
      effectiveAt,
      recordedAt,
      schemaVersion: schemaVersion(ticket, type),
      imported,
    },
  }));
}

/** Digest (SHA-256, hexadecimal) of what a case says: the same whichever format it was read from. */
function digestOf({ caseId, rows }: LogCase): string {
  const said = rows.map(({ line: _, ...row }) => row);
  return createHash('sha256')
    .update(JSON.stringify([caseId, said]))
    .digest('hex');
}

const systemClock = (): Instant => instantFrom(Date.now());
