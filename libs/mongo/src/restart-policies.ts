import type { Db } from 'mongodb';
import type { EventStore } from '#eventsourcing';
import {
  acquireByHandover,
  ensurePoliciesControl,
  followerControls,
  isOfThisLog,
  partitionName,
  policiesName,
  release,
  type FollowerControl,
} from './control.js';

/**
 * Lets the policies of an aggregate begin again at the start of the log, if they have followed another log. Events to which this log has
 * recorded reactions are skipped.
 * @returns whether they had followed another log
 * @throws Error if an owner does not hand over; StoreUnavailable
 */
export async function restartPolicies(
  db: Db,
  store: EventStore,
  category: string,
  owner: string,
  { leaseMs = 10_000, signal = new AbortController().signal }: { readonly leaseMs?: number; readonly signal?: AbortSignal } = {},
): Promise<boolean> {
  const { partitions } = await ensurePoliciesControl(db, category);
  let restarted = false;
  for (let partition = 0; partition < partitions; partition++) {
    const name = partitionName(policiesName(category), partition);
    const known = await followerControls(db).findOne({ _id: name });
    if (known === null || (await isOfThisLog(store, known.checkpoint))) continue;
    try {
      await acquireByHandover(db, name, owner, leaseMs, 3 * leaseMs + 5_000, signal);
      const fresh: Partial<FollowerControl> = { checkpoint: null, policies: {}, trouble: null };
      await followerControls(db).updateOne({ _id: name, owner }, { $set: fresh });
      restarted = true;
    } finally {
      await release(db, name, owner);
    }
  }
  return restarted;
}
