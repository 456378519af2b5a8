import { StoreUnavailable } from '#eventsourcing';
import { isUnreachable, type Mongo } from '#mongo';

/** The database of the read models; its own dependency-injection token. A `Mongo` fits. */
export abstract class ReadModels {
  abstract readonly db: Mongo['db'];
}

/** An answer of the database. @throws StoreUnavailable when it is out of reach */
export async function reached<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    if (isUnreachable(error)) throw new StoreUnavailable(`the database of the read models: ${error.message}`, { cause: error });
    throw error;
  }
}
