import type { Mongo } from '#mongo';

type Db = Mongo['db'];

/** One request for an event, and its outcome. */
export interface Attempt {
  readonly at: string;
  /** Milliseconds. */
  readonly ms: number;
  readonly status?: number;
  readonly error?: string;
  /** The beginning of the response body. */
  readonly excerpt?: string;
}

/** `waiting`: to be sent (again); `delivered`: accepted; `dead`: given up, to be inspected and resent manually. */
export type DeliveryState = 'waiting' | 'delivered' | 'dead';

/** The delivery of one event to one webhook. */
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
  /** Sorts as text like positions. */
  readonly order: string;
  readonly state: DeliveryState;
  /** The content, if it cannot be derived from the log. Otherwise no copy is stored, since the content of an event may be erased. */
  readonly body?: string;
  /** The latest attempts, oldest first. */
  readonly attempts: readonly Attempt[];
  /** Total number of attempts. */
  readonly tries: number;
  /** Its first failure since it was last started, in milliseconds since 1970. */
  readonly failingSince?: number;
  /** Number of failures since then. */
  readonly failures?: number;
  /** When it is sent next, in milliseconds since 1970. */
  readonly dueAt?: number;
  /** When it is deleted. */
  readonly expiresAt?: Date;
}

/** The progress of a webhook. */
export interface Progress {
  /** Id of the webhook. */
  readonly _id: string;
  readonly generation: number;
  /** Everything up to here has been sent, or is stored as a delivery. */
  readonly place: string;
  readonly owner: string | null;
  readonly leaseUntil: Date | null;
  /** That of the destination when delivery last started. */
  readonly revision?: number;
  /** Consecutive failures, and until when nothing is sent because of them, in milliseconds since 1970. */
  readonly failures: number;
  readonly brokenUntil?: number;
  /** Numbers of the last test event and the last replay that were started. */
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
 * Deletes the deliveries about subjects such as `ticket/<id>`; of waiting ones, only the receivers' responses: they contain nothing else of
 * an event. A request in flight may add its response afterwards.
 */
export async function forgetDeliveries(db: Db, subjects: readonly string[]): Promise<void> {
  const subject = { $in: [...subjects] };
  await deliveries(db).deleteMany({ subject, state: { $ne: 'waiting' } });
  await deliveries(db).updateMany({ subject }, { $set: { attempts: [] }, $unset: { body: '' } });
}

/** Whether there have ever been deliveries. */
export async function isDelivering(db: Db): Promise<boolean> {
  return (await progress(db).findOne({}, { projection: { _id: 1 } })) !== null;
}

/**
 * Deletes everything about a deleted webhook. A process that still delivers to it keeps it until it releases it: @returns whether it is
 * deleted
 */
export async function dropDeliveries(db: Db, webhook: string): Promise<boolean> {
  const isFree = { _id: webhook, $or: [{ owner: null }, { leaseUntil: { $lt: new Date() } }] };
  if ((await progress(db).findOne(isFree)) === null) return false;
  await deliveries(db).deleteMany({ webhook });
  await progress(db).deleteOne(isFree);
  return true;
}

/** Creates the indexes of deliveries if they are missing. */
export async function prepareDeliveries(db: Db): Promise<void> {
  await deliveries(db).createIndexes([
    { key: { webhook: 1, state: 1, order: 1 } },
    { key: { subject: 1 } },
    { key: { expiresAt: 1 }, expireAfterSeconds: 0 },
  ]);
}
