import type { Mongo } from '#mongo';

type Db = Mongo['db'];

/** One request for an event, and what came of it. */
export interface Attempt {
  readonly at: string;
  /** Milliseconds. */
  readonly ms: number;
  readonly status?: number;
  readonly error?: string;
  /** The beginning of the answer's body. */
  readonly excerpt?: string;
}

/** `waiting`: to be sent (again); `delivered`: taken; `dead`: given up, to be looked at and sent again by hand. */
export type DeliveryState = 'waiting' | 'delivered' | 'dead';

/** One event on its way to one webhook. */
export interface DeliveryDocument {
  /** `<webhook>/<generation>/<event>`. */
  readonly _id: string;
  readonly webhook: string;
  readonly generation: number;
  /** Id, type and subject of the event. */
  readonly event: string;
  readonly type: string;
  readonly subject: string;
  readonly position: string;
  /** Sorts by position, as text does. */
  readonly order: string;
  readonly state: DeliveryState;
  /** What is sent, where it does not follow from the log: of others no copy is kept, since what an event says may be erased. */
  readonly body?: string;
  /** The latest, oldest first. */
  readonly attempts: readonly Attempt[];
  /** How often it was sent, in all. */
  readonly tries: number;
  /** When it first failed since it was last taken up, in milliseconds since 1970. */
  readonly failingSince?: number;
  /** How often it has failed since then. */
  readonly failures?: number;
  /** When it is sent next, in milliseconds since 1970. */
  readonly dueAt?: number;
  /** When it is forgotten. */
  readonly expiresAt?: Date;
}

/** How a webhook is doing. */
export interface Progress {
  /** Id of the webhook. */
  readonly _id: string;
  readonly generation: number;
  /** Everything up to here was sent, or is among the deliveries. */
  readonly place: string;
  readonly owner: string | null;
  readonly leaseUntil: Date | null;
  /** The destination's when it was last taken up. */
  readonly revision?: number;
  /** Failures in a row, and until when nothing is sent because of them, in milliseconds since 1970. */
  readonly failures: number;
  readonly brokenUntil?: number;
  /** Numbers of the last test event and the last replay that were taken up. */
  readonly pinged: number;
  readonly replayed: number;
}

export function deliveries(db: Db) {
  return db.collection<DeliveryDocument>('webhook_deliveries');
}

/** One of many writes to deliveries. */
export type DeliveryWrite = Parameters<ReturnType<typeof deliveries>['bulkWrite']>[0][number];

export function progress(db: Db) {
  return db.collection<Progress>('webhook_progress');
}

/**
 * Drops what is kept of deliveries about subjects such as `ticket/<id>`, and of those that wait what receivers have answered: they hold nothing else of
 * what an event says. What is in flight may add to it what it is answered.
 */
export async function forgetDeliveries(db: Db, subjects: readonly string[]): Promise<void> {
  const subject = { $in: [...subjects] };
  await deliveries(db).deleteMany({ subject, state: { $ne: 'waiting' } });
  await deliveries(db).updateMany({ subject }, { $set: { attempts: [] }, $unset: { body: '' } });
}

/** Whether anything was ever delivered anywhere. */
export async function isDelivering(db: Db): Promise<boolean> {
  return (await progress(db).findOne({}, { projection: { _id: 1 } })) !== null;
}

/** Drops all that is kept of a webhook that is no more. A process that still delivers to it keeps it until it lets go: @returns whether it is dropped */
export async function dropDeliveries(db: Db, webhook: string): Promise<boolean> {
  const isFree = { _id: webhook, $or: [{ owner: null }, { leaseUntil: { $lt: new Date() } }] };
  if ((await progress(db).findOne(isFree)) === null) return false;
  await deliveries(db).deleteMany({ webhook });
  await progress(db).deleteOne(isFree);
  return true;
}

/** Makes the indexes that deliveries are found by, where they are missing. */
export async function prepareDeliveries(db: Db): Promise<void> {
  await deliveries(db).createIndexes([
    { key: { webhook: 1, state: 1, order: 1 } },
    { key: { subject: 1 } },
    { key: { expiresAt: 1 }, expireAfterSeconds: 0 },
  ]);
}
