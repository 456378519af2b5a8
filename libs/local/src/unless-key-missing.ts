import type { Mongo } from '#mongo';
import { keptKey, keyIn } from '#platform';
import { CannotStart, keyUnusable } from './cannot-start.js';

/** A key for deriving secrets that are not stored. */
export interface DerivingKey {
  readonly file: string;
  /** The setting that names the file. */
  readonly variable: string;
  /** The owners of such secrets: documents of a view, in words and as a condition. */
  readonly owners: { readonly noun: string; readonly view: string; readonly where: object };
}

/**
 * Ensures that a key is there before anything derives from it. It is made here, and not with the first secret: something may own secrets before
 * any is asked for. No new one replaces a missing one, since all secrets derived before would change.
 * @throws CannotStart
 */
export async function unlessKeyMissing({ db }: Pick<Mongo, 'db'>, { file, variable, owners }: DerivingKey): Promise<void> {
  const missing = await keyIn(file).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return error;
      throw keyUnusable(variable, error);
    },
  );
  if (missing === undefined) return;
  if ((await db.collection(owners.view).findOne(owners.where)) === null) {
    await keptKey(file).catch((error: Error) => {
      throw new CannotStart(`The key that ${variable} names cannot be made (${error.message}).`, { cause: error });
    });
    return;
  }
  throw new CannotStart(
    `${file} is missing, from which the secrets of ${owners.noun} derive. Put the key back that ${variable} named before; if it is lost, docs/operation.md says how to go on without it.`,
    { cause: missing },
  );
}
