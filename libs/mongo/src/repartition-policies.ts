import type { Db } from 'mongodb';
import {
  acquireByHandover,
  checkPartitions,
  ensureFollower,
  ensurePoliciesControl,
  followerControls,
  partitionName,
  policiesControls,
  policiesName,
  release,
  type Checkpoint,
  type FollowerControl,
} from './control.js';

/**
 * Changes the number of partitions of an aggregate's policies. Each new partition continues from the least progress of the old ones: events
 * already handled are looked at again, and skipped.
 * @throws RangeError if the number is not a power of two; Error if an owner does not hand over
 */
export async function repartitionPolicies(
  db: Db,
  category: string,
  partitions: number,
  owner: string,
  { leaseMs = 10_000, signal = new AbortController().signal }: { readonly leaseMs?: number; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const group = policiesName(category);
  checkPartitions(group, partitions);
  const { generation, partitions: before } = await ensurePoliciesControl(db, category, partitions);
  if (before === partitions) return;
  const nameOf = (_: unknown, partition: number): string => partitionName(group, partition);
  const [old, fresh] = [Array.from({ length: before }, nameOf), Array.from({ length: partitions }, nameOf)];
  try {
    const held: FollowerControl[] = [];
    for (const name of old) {
      await ensureFollower(db, name, generation);
      held.push(await acquireByHandover(db, name, owner, leaseMs, 3 * leaseMs + 5_000, signal));
    }
    const checkpoint = least(held.map((control) => control.checkpoint));
    const names = [...new Set(held.flatMap((control) => Object.keys(control.policies ?? {})))];
    const policies = Object.fromEntries(
      names.map((name) => [name, { checkpoint: least(held.map((control) => control.policies?.[name]?.checkpoint ?? null)) }]),
    );
    // The new number last: until then nobody else follows, and dying here changes nothing that a second try would not.
    const control = { generation: generation + 1, checkpoint, policies, owner, leaseUntil: new Date(Date.now() + leaseMs), handover: null };
    for (const name of fresh) await followerControls(db).replaceOne({ _id: name }, control, { upsert: true });
    await policiesControls(db).updateOne({ _id: group, generation }, { $set: { partitions, generation: generation + 1 } });
    await followerControls(db).deleteMany({ _id: { $in: old.filter((name) => !fresh.includes(name)) } });
  } finally {
    for (const name of new Set([...old, ...fresh])) await release(db, name, owner);
  }
}

function least(checkpoints: readonly (Checkpoint | null)[]): Checkpoint | null {
  return checkpoints.reduce((one, other) =>
    one === null || other === null ? null : BigInt(one.commit) < BigInt(other.commit) ? one : other,
  );
}
