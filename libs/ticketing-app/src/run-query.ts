import { isRefusal } from '#eventsourcing';
import { type Forbidden, type Principal, type QueryName, queryScope } from '#ticketing';
import { unlessOfOtherLog } from './log-guard.js';
import { isRecorded, RecordedReads } from './recorded-reads.js';
import { scopedSources, type Sources, type Stores } from './read-models.js';

/** A query, with its row in the access table. */
export interface AppQuery<Asked, Answer> {
  readonly name: QueryName;
  read(sources: Sources, asked: Asked): Promise<Answer>;
  /** Reads no view: it is correct whatever log the views were made from, and while their database is unavailable. */
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

/** Who asks, and on whose behalf, if anyone's. */
export interface Asker {
  readonly principal: Principal;
  /** Id of the person on whose behalf a service asks. */
  readonly onBehalfOf?: string;
}

/**
 * Answers a query. All queries pass through here: their sources are restricted to what the principal may see, and reads by auditors and
 * administrators are recorded before the answer.
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
