import type { Mongo } from '#mongo';
import { keyIn, whyUnwritable } from '#platform';
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
 * Ensures that a key can be used or created, and that no new one replaces a missing one: all secrets derived before would change.
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
    const why = await whyUnwritable(file, 'file');
    if (why === undefined) return;
    throw new CannotStart(`The key that ${variable} names cannot be made (${why}).`, { cause: missing });
  }
  throw new CannotStart(
    `${file} is missing, from which the secrets of ${owners.noun} derive. Put the key back that ${variable} named before; if it is lost, docs/operation.md says how to go on without it.`,
    { cause: missing },
  );
}
