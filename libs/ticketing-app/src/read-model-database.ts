import { QueryTooLong, StoreUnavailable } from '#eventsourcing';
import { isOverTime, isUnreachable, type Mongo } from '#mongo';

/** The database of the read models, as a separate dependency-injection token. A `Mongo` fits. */
export abstract class ReadModels {
  abstract readonly db: Mongo['db'];
}

/** How long the database may take for a query, in milliseconds. */
export const QUERY_WITHIN_MS = 60_000;

/** An answer of the database. @throws StoreUnavailable if it cannot be reached; QueryTooLong if the query took too long */
export async function databaseAnswer<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    if (isUnreachable(error)) throw new StoreUnavailable(`the database of the read models: ${error.message}`, { cause: error });
    if (isOverTime(error)) throw new QueryTooLong(error.message, { cause: error });
    throw error;
  }
}
