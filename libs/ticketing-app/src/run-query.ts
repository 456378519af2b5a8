import { isRefusal } from '#eventsourcing';
import { type Forbidden, type Principal, type QueryName, queryScope } from '#ticketing';
import { unlessOfOtherLog } from './log-guard.js';
import { isRecorded, RecordedReads } from './recorded-reads.js';
import { scopedSources, type Sources, type Stores } from './read-models.js';

/** A question that may be asked, with its row in the table of who may ask it. */
export interface AppQuery<Asked, Answer> {
  readonly name: QueryName;
  read(sources: Sources, asked: Asked): Promise<Answer>;
  /** Reads no view: it answers truly whatever log the views were made from, and while their database is away. */
  readonly fromLog?: boolean;
}

/** Declares a query. */
export function query<Asked, Answer>(name: QueryName, read: (sources: Sources, asked: Asked) => Promise<Answer>): AppQuery<Asked, Answer> {
  return { name, read };
}

/** Declares a query that reads no view. */
export function queryOfLog<Asked, Answer>(
  name: QueryName,
  read: (sources: Sources, asked: Asked) => Promise<Answer>,
): AppQuery<Asked, Answer> {
  return { name, read, fromLog: true };
}

/** Who asks, and on whose behalf, if they do. */
export interface Asker {
  readonly principal: Principal;
  /** Id of the person on whose behalf a service asks. */
  readonly onBehalfOf?: string;
}

/**
 * Answers a query. Every one passes here, whoever asks: what it reads from is cut to what the principal may see, and what auditors and
 * administrators read is recorded before it is answered.
 * @throws as the query does
 */
export async function runQuery<Asked, Answer>(
  stores: Stores,
  { name, read, fromLog = false }: AppQuery<Asked, Answer>,
  { principal, onBehalfOf }: Asker,
  asked: Asked,
): Promise<Answer | Forbidden> {
  const scope = queryScope(principal, name, onBehalfOf);
  if (isRefusal(scope)) return scope;
  if (!fromLog) await unlessOfOtherLog(stores);
  const answer = await read(scopedSources(stores, scope), asked);
  if (isRecorded(principal, name)) await RecordedReads.of(stores.store).record(principal, name, asked, answer);
  return answer;
}
