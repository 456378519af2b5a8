import { randomUUID } from 'node:crypto';
import { ANY } from '../storage/append-rules.js';
import { dataOf, NO_BYTES } from '../storage/record.js';
import { metadataStreamOf } from '../storage/stream-metadata.js';
import { isMissing } from '../storage/visible-events.js';
import { groupDropped, groupExists, groupFailed, groupMissing } from './faults.js';
import { Group, type GroupContext } from './group.js';
import { ALL, checkpointStreamOf, configJson, keyOf, parkedStreamOf, parseConfig, type GroupSettings } from './settings.js';

const CONFIG_STREAM = '$persistentSubscriptionConfig';
const CONFIG_TYPE = Buffer.from('$PersistentConfig');
/** How far back to search for the latest settings. */
const CONFIGS_LOOKED_AT = 100;
const METADATA_TYPE = Buffer.from('$metadata');

/** All persistent subscriptions of the node. Each change is one event in `$persistentSubscriptionConfig`, which is read at the start. */
export class PersistentSubscriptions {
  private readonly groups = new Map<string, Group>();
  private readonly bySource = new Map<string, Group[]>();
  /** Changes are made one after the other: each writes the settings of all groups. */
  private changes: Promise<unknown> = Promise.resolve();
  private readonly endNotices: () => void;

  constructor(private readonly context: GroupContext) {
    const { log } = context;
    this.endNotices = log.onCommit((commit) => {
      if (this.groups.size === 0) return;
      const onAll = this.bySource.get(ALL) ?? [];
      const noticing = new Set<Group>();
      for (const [index, record] of commit.records.entries()) {
        for (const group of [...(this.bySource.get(commit.streams[index] as string) ?? []), ...onAll]) {
          group.notice(record);
          noticing.add(group);
        }
      }
      for (const group of noticing) group.noticed();
    });
    this.load();
  }

  get(source: string, group: string): Group {
    const found = this.groups.get(keyOf(source, group));
    // `a::b` with `c` has the same key, and the same streams, as `a` with `b::c`.
    if (found?.settings.source !== source) throw groupMissing(source, group);
    return found;
  }

  /** The groups of one source, or of all sources, by source. */
  list(source?: string): readonly Group[] {
    if (source !== undefined) return this.bySource.get(source) ?? [];
    return [...this.bySource.keys()].sort().flatMap((name) => this.bySource.get(name) ?? []);
  }

  create(settings: GroupSettings): Promise<void> {
    return this.change(async () => {
      this.checkStart(settings);
      if (this.groups.has(keyOf(settings.source, settings.group))) throw groupExists(settings.source, settings.group);
      checkBuffers(settings);
      await this.save([...this.settings(), settings]);
      this.add(new Group(this.context, settings));
    });
  }

  /** Replaces the settings of a group. Its consumers are dropped; its checkpoint and filter stay. */
  update(source: string, group: string, settingsAfter: (before: GroupSettings) => GroupSettings): Promise<void> {
    return this.change(async () => {
      const before = this.get(source, group);
      const settings = settingsAfter(before.settings);
      this.checkStart(settings);
      checkBuffers(settings);
      await this.retire(before);
      let after = before.settings;
      try {
        await this.save(this.settings().map((other) => (other === before.settings ? settings : other)));
        after = settings;
      } finally {
        this.replace(before, new Group(this.context, after));
      }
    });
  }

  /** Deletes a group with its checkpoint and parked events; consumers are dropped. */
  delete(source: string, group: string): Promise<void> {
    return this.change(async () => {
      const deleted = this.get(source, group);
      const { writer } = this.context;
      await this.retire(deleted);
      let after: Group | undefined = deleted;
      try {
        // Its streams first: a new group of this name must not continue from its state. Streams never written are refused, which is just as
        // good.
        await Promise.all([checkpointStreamOf(source, group), parkedStreamOf(source, group)].map((stream) => writer.delete(stream, ANY)));
        await this.save(this.settings().filter((other) => other !== deleted.settings));
        after = undefined;
      } finally {
        this.replace(deleted, after && new Group(this.context, deleted.settings));
      }
    });
  }

  /** Drops all consumers and starts all groups from their checkpoints. */
  restart(): Promise<void> {
    return this.change(async () => {
      await Promise.all([...this.groups.values()].map((group) => this.retire(group)));
      this.groups.clear();
      this.bySource.clear();
      this.load();
    });
  }

  /** Writes the checkpoint of each group. Calls of consumers end with their connections. */
  async close(): Promise<void> {
    this.endNotices();
    await this.changes.catch(() => undefined);
    const groups = [...this.groups.values()];
    for (const group of groups) group.stop();
    await Promise.all(groups.map((group) => group.save()));
  }

  /** Stops a group for good. Its consumers are told that it was dropped, and so are those that connect before a replacement exists. */
  private async retire(group: Group): Promise<void> {
    group.stop(groupDropped(group.settings.source, group.settings.group));
    await group.save();
  }

  private change(make: () => Promise<void>): Promise<void> {
    const made = this.changes.then(make);
    this.changes = made.catch(() => undefined);
    return made;
  }

  private settings(): GroupSettings[] {
    return [...this.groups.values()].map((group) => group.settings);
  }

  private checkStart({ source, group, start }: GroupSettings): void {
    if (source !== ALL || start.kind === 'end') return;
    const { log } = this.context;
    if (start.place >= log.end) {
      throw groupFailed(
        source,
        group,
        'Invalid Start From position: commit position must be less than or equal to the last commit position in the transaction file.',
      );
    }
  }

  private async save(groups: readonly GroupSettings[]): Promise<void> {
    const { log, writer, now } = this.context;
    const event = { id: randomUUID(), json: true, customMetadata: NO_BYTES };
    if (!log.stream(CONFIG_STREAM).hasMetadata) {
      await writer.append(metadataStreamOf(CONFIG_STREAM), ANY, [
        { ...event, id: randomUUID(), type: METADATA_TYPE, data: Buffer.from('{"$maxCount":2}') },
      ]);
    }
    await writer.append(CONFIG_STREAM, ANY, [{ ...event, type: CONFIG_TYPE, data: Buffer.from(configJson(groups, now())) }]);
  }

  private load(): void {
    const { log } = this.context;
    const stream = log.stream(CONFIG_STREAM);
    if (isMissing(stream)) return;
    // Anyone allowed to write to system streams may write anything there: the last valid event counts.
    const newest = log.readStream(stream.number, stream.lastRevision, { lowest: 0, highest: stream.lastRevision }, CONFIGS_LOOKED_AT, true);
    const [groups = []] = newest.flatMap((record) => {
      const parsed = parseConfig(dataOf(record).toString('utf8'));
      return parsed ? [parsed] : [];
    });
    for (const settings of groups) this.add(new Group(this.context, settings));
  }

  private add(group: Group): void {
    const { source, group: name } = group.settings;
    this.groups.set(keyOf(source, name), group);
    this.bySource.set(source, [...(this.bySource.get(source) ?? []), group]);
    group.start();
  }

  private replace(before: Group, after?: Group): void {
    const { source, group } = before.settings;
    const others = (this.bySource.get(source) ?? []).flatMap((other) => (other === before ? (after ?? []) : other));
    if (others.length === 0) this.bySource.delete(source);
    else this.bySource.set(source, others);
    if (after) {
      this.groups.set(keyOf(source, group), after);
      after.start();
    } else this.groups.delete(keyOf(source, group));
  }
}

function checkBuffers({ source, group, readBatchSize, historyBufferSize }: GroupSettings): void {
  if (readBatchSize < historyBufferSize) return;
  throw groupFailed(
    source,
    group,
    "Specified argument was out of the range of valid values. (Parameter 'ReadBatchSize may not be greater than or equal to BufferSize')",
  );
}
