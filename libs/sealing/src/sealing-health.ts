import type { EventStore, Position } from '#eventsourcing';
import type { Mongo } from '#mongo';

/** What prevents sealing, or publishing of tree heads. */
export interface SealingTrouble {
  readonly code: 'not-sealed' | 'log-contradicts-seal' | 'not-published' | 'not-witnessed';
  readonly message: string;
  readonly at: string;
}

/** The condition of sealing, in any process. */
export interface SealingHealth {
  /**
   * `overdue`: events have waited for a tree head for two intervals; `failing`: `trouble` is being retried; `stopped`: no process seals.
   */
  readonly state: 'running' | 'overdue' | 'failing' | 'stopped';
  /** Age of the oldest event without a tree head, in milliseconds. */
  readonly lagMs: number;
  /** The last tree head. */
  readonly head?: { readonly size: number; readonly at: string };
  readonly trouble?: SealingTrouble;
}

/** The sealer's own report. */
interface SealerDocument {
  readonly _id: 'sealer';
  readonly lookedAt: Date;
  readonly everyMs: number;
  readonly head?: SealingHealth['head'];
  /** The last tree head covers everything up to here. */
  readonly position?: { readonly commit: string; readonly prepare: string };
  readonly trouble?: SealingTrouble | null;
}

function sealers(db: Mongo['db']) {
  return db.collection<SealerDocument>('audit_sealer');
}

/** Reports the condition of sealing. */
export async function tellSealing(
  db: Mongo['db'],
  { sealedTo, ...told }: Pick<SealerDocument, 'everyMs' | 'head' | 'trouble'> & { readonly sealedTo?: Position | undefined },
): Promise<void> {
  const position = sealedTo && { commit: String(sealedTo.commit), prepare: String(sealedTo.prepare) };
  const looked = { ...told, ...(position && { position }), lookedAt: new Date() };
  await sealers(db).updateOne({ _id: 'sealer' }, { $set: looked }, { upsert: true });
}

/** The condition of sealing; undefined if it never began. @param categories whose events are leaves @throws StoreUnavailable */
export async function sealingHealth(db: Mongo['db'], store: EventStore, categories: readonly string[]): Promise<SealingHealth | undefined> {
  const told = await sealers(db).findOne({ _id: 'sealer' });
  if (told === null) return undefined;
  const { lookedAt, everyMs, head, position, trouble } = told;
  const after = position && { commit: BigInt(position.commit), prepare: BigInt(position.prepare) };
  let lagMs = 0;
  for await (const { metadata } of store.readAll({ streamPrefixes: categories.map((category) => `${category}-`) }, after)) {
    lagMs = Math.max(0, Date.now() - Date.parse(metadata.recordedAt));
    break;
  }
  const isStopped = Date.now() - lookedAt.getTime() > everyMs;
  return {
    state: isStopped ? 'stopped' : trouble ? 'failing' : lagMs > 2 * everyMs ? 'overdue' : 'running',
    lagMs,
    ...(head && { head }),
    ...(trouble && { trouble }),
  };
}
