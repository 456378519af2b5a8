import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { ANY } from '../storage/append-rules.js';
import type { EventFilter } from '../streams/event-filter.js';
import { eventFilter } from '../streams/event-filter.js';
import type { EventLog } from '../storage/event-log.js';
import { asFault, type Fault } from '../wire/faults.js';
import type { LogWriter, NewEvent, WriteOutcome } from '../storage/log-writer.js';
import type { UuidForm } from '../streams/read-messages.js';
import {
  customMetadataOf,
  dataOf,
  idOf,
  NO_BYTES,
  positionOf,
  revisionOf,
  streamNameOf,
  typeOf,
  type LogRecord,
} from '../storage/record.js';
import { metadataStreamOf } from '../storage/stream-metadata.js';
import { followLink, isMissing, isTombstoned, lowestVisible } from '../storage/visible-events.js';
import { groupDropped } from './faults.js';
import { Latencies } from './latencies.js';
import { deliveryMessage, isEvent, type ConnectionInfo, type Delivery, type GroupInfo } from './messages.js';
import {
  ALL,
  checkpointStreamOf,
  isWrittenByGroupOnAll,
  parkedStreamOf,
  parsePlace,
  placeText,
  startText,
  type GroupSettings,
} from './settings.js';
import { BUCKETS, strategyFor, type Strategy } from './strategies.js';

export interface GroupContext {
  readonly log: EventLog;
  readonly writer: LogWriter;
  readonly now: () => number;
}

/** The server's end of a consumer's call. */
export interface ConsumerCall {
  readonly username: string;
  readonly name: string;
  /** Events that the client accepts before it has responded to earlier ones. */
  readonly slots: number;
  readonly uuid: UuidForm;
  /** Whether the client has read what was written to it. */
  keepsUp(): boolean;
  write(message: Buffer): void;
  drop(fault: Fault): void;
}

/** What a consumer did with events that it did not acknowledge. */
export type NackAction = 'retry' | 'park' | 'skip';

class Consumer {
  inFlight = 0;
  total = 0;
  measured = 0;
  readonly latencies = new Latencies();

  constructor(readonly call: ConsumerCall) {}

  get freeSlots(): number {
    return this.call.slots - this.inFlight;
  }

  hasRoom(): boolean {
    return this.freeSlots > 0 && this.call.keepsUp();
  }
}
export type { Consumer };

/**
 * An event that is not yet settled. Only its position is kept, and it is read when it is sent: memory does not depend on the size of
 * events.
 */
interface Message {
  /** The id by which consumers respond: that of the link, if there is one. */
  readonly id: string;
  /** Position of its record in the log. */
  readonly position: number;
  /** Its place in its source: revision or position; for a replayed event, the revision in the parked stream. */
  readonly place: number;
  readonly replayed: boolean;
  readonly retries: number;
  bucket: number | undefined;
}

interface InFlight {
  readonly message: Message;
  readonly consumer: Consumer;
  readonly sentAt: number;
}

/** How far a group has read: `count` events since it was started, the last of them at `place`. */
interface Progress {
  readonly place: number | undefined;
  readonly count: number;
}

/** Records processed in one turn of the event loop. */
const PAGE = 512;
/** The genuine server checks for timeouts every second, so no timeout is shorter than that; 0 is treated as one second. */
const TIMEOUT_OF_ZERO = 1000;
/** The parked stream is truncated this long after a replayed event was settled, so that many of them need only one write. */
const TRUNCATE_AFTER = 100;
/** Replayed events waiting for a consumer; the others stay in the parked stream meanwhile. */
const REPLAYED_AT_ONCE = 500;
/** The most events that a group holds for its consumers, whatever its settings say. */
const LARGEST_BUFFER = 50_000;
const LONGEST_TIMER = 2 ** 31 - 1;

const LINK_TYPE = Buffer.from('$>');
const CHECKPOINT_TYPE = Buffer.from('SubscriptionCheckpoint');
const METADATA_TYPE = Buffer.from('$metadata');
const FOR_ADMINS = { $r: '$admins', $w: '$admins', $d: '$admins', $mr: '$admins', $mw: '$admins' };

/**
 * A persistent subscription: reads its source, distributes the events to its consumers, and records what they have settled. Every event is
 * delivered until it is acknowledged, parked or skipped.
 */
export class Group {
  private readonly strategy: Strategy<Consumer>;
  private readonly filter: EventFilter | undefined;
  private readonly consumers = new Set<Consumer>();
  /** Events from the source not yet sent to a consumer, in order. */
  private readonly buffer: Message[] = [];
  /** Events to be retried, in order of their place in the source. */
  private readonly retry: Message[] = [];
  /** Parked events to be sent again, in order. */
  private readonly replayed: Message[] = [];
  /** By event id, in the order in which they were sent. */
  private readonly inFlight = new Map<string, InFlight>();
  /** Place of each unsettled event of the source, in order, and how far the group had read before it. */
  private readonly unsettled = new Map<number, Progress>();
  /** Where to continue reading: the next revision, or the position of the next record. */
  private next: number;
  private looked: Progress;
  private checkpointed: Progress;
  private lastKnown: number | undefined;
  /** Whether the group has read everything, so that commits are passed to it directly. */
  private live = false;
  private reading = false;
  private stopped = false;
  private failure: Fault | undefined;
  /** Its settings make reading its source impossible. The genuine server creates such a group, and drops each of its consumers. */
  private readonly unreadable: boolean;
  /** Live events, as the genuine server counts them: the last ones, up to the size of its buffer. */
  private liveCount = 0;
  private replay: { readonly next: number; readonly end: number } | undefined;
  /** Revisions in the parked stream of replayed events that are not settled, in order. */
  private readonly unsettledReplays = new Set<number>();
  /** Parked events below this revision have been replayed since the group was started. */
  private replayedBelow = 0;
  private readonly parking = new Set<Promise<void>>();
  private writingCheckpoint: Promise<void> | undefined;
  private readonly timers: {
    timeout?: NodeJS.Timeout | undefined;
    checkpoint?: NodeJS.Timeout | undefined;
    truncation?: NodeJS.Timeout | undefined;
  } = {};
  private total = 0;
  private measured = { total: 0, at: performance.now() };

  constructor(
    private readonly context: GroupContext,
    readonly settings: GroupSettings,
  ) {
    this.strategy = strategyFor(settings.strategy);
    this.filter = settings.filter && eventFilter(settings.filter);
    const checkpoint = this.readCheckpoint();
    this.looked = { place: checkpoint, count: 0 };
    this.checkpointed = this.looked;
    const { start } = settings;
    // A position has to be that of a record, so the record at the checkpoint is read again and skipped.
    this.next = checkpoint !== undefined ? checkpoint : start.kind === 'end' ? settings.end : start.place;
    const readsHistory = checkpoint !== undefined || start.kind !== 'end';
    this.unreadable = readsHistory && (settings.readBatchSize < 0 || (settings.source === ALL && !context.log.isBoundary(this.next)));
  }

  get subscriberLimitReached(): boolean {
    const { maxSubscriberCount } = this.settings;
    return maxSubscriberCount !== 0 && this.consumers.size >= maxSubscriberCount;
  }

  start(): void {
    this.readOn();
  }

  /** Stops all deliveries and writes. With a reason, ends the calls of consumers with it, also of later ones. */
  stop(reason?: Fault): void {
    this.stopped = true;
    this.clearTimers();
    if (reason) this.end(reason);
  }

  /** After `stop`: writes the checkpoint. If the disk is full, the only effect is that events are delivered again. */
  async save(): Promise<void> {
    await Promise.all([this.writingCheckpoint, ...this.parking]);
    const writes = [this.truncateParked(), ...(this.settledSince() > 0 ? [this.writeCheckpoint()] : [])];
    await Promise.allSettled(writes);
  }

  /** Connects a consumer; undefined, with the call ended, if the group has met an unrecoverable error. */
  connect(call: ConsumerCall): Consumer | undefined {
    if (this.failure) {
      call.drop(this.failure);
      return undefined;
    }
    const consumer = new Consumer(call);
    this.consumers.add(consumer);
    this.strategy.add(consumer);
    this.deliver();
    return consumer;
  }

  /** The consumer has gone: its unsettled events go to others. */
  disconnect(consumer: Consumer): void {
    if (!this.consumers.delete(consumer)) return;
    this.strategy.remove(consumer);
    const lost = [...this.inFlight.values()].filter((entry) => entry.consumer === consumer).map(({ message }) => message);
    for (const message of lost) this.inFlight.delete(message.id);
    this.sendAgain(lost);
    this.deliver();
  }

  /** Tries again to send waiting events, because a consumer has read more. */
  resume(): void {
    this.deliver();
  }

  ack(ids: readonly string[]): void {
    for (const id of ids) {
      const message = this.takeBack(id);
      if (message) this.settle(message);
    }
    this.deliver();
  }

  nack(ids: readonly string[], action: NackAction, reason: string): void {
    const messages = ids.flatMap((id) => this.takeBack(id) ?? []);
    if (action === 'retry') this.sendAgainOrPark(messages);
    else if (action === 'skip') for (const message of messages) this.settle(message);
    else for (const message of messages) this.park(message, `Client explicitly NAK'ed message.\n${reason}`);
    this.deliver();
  }

  /** Sends parked events again, up to the revision `stopAt` in the parked stream (exclusive). */
  async replayParked(stopAt: number | undefined): Promise<void> {
    // Those parked earlier are included.
    await Promise.all(this.parking);
    if (this.stopped) return;
    const parked = this.context.log.stream(this.parkedStream);
    if (this.replay || isMissing(parked)) return;
    this.replay = { next: this.firstParked(), end: Math.min(stopAt ?? Infinity, parked.lastRevision + 1) };
    this.deliver();
  }

  /** A record of the source was committed. */
  notice(record: LogRecord): void {
    if (this.stopped || this.failure) return;
    try {
      const place = this.placeOf(record);
      if (!this.isAhead(place) || !isEvent(record)) return;
      const wanted = this.wants(record);
      if (wanted) {
        this.know(place);
        this.liveCount = Math.min(this.liveCount + 1, Math.max(this.settings.liveBufferSize, 0));
      }
      if (!this.live) return;
      // What does not fit is read from the log later.
      if (wanted && this.buffer.length >= Math.min(this.settings.historyBufferSize, LARGEST_BUFFER)) this.live = false;
      else this.look(record, place, wanted);
    } catch (error) {
      this.fail(error);
    }
  }

  /** All records of a commit have been passed on. */
  noticed(): void {
    this.deliver();
  }

  info(): GroupInfo {
    const { settings } = this;
    const now = performance.now();
    const seconds = Math.max((now - this.measured.at) / 1000, 0.001);
    const since = this.total - this.measured.total;
    this.measured = { total: this.total, at: now };
    const parked = this.context.log.stream(this.parkedStream);
    return {
      source: settings.source,
      group: settings.group,
      status: this.status(),
      connections: [...this.consumers].map((consumer) => this.connectionInfo(consumer, seconds)),
      averagePerSecond: Math.trunc(since / seconds),
      totalItems: this.total,
      countSinceLastMeasurement: since,
      lastCheckpointed: this.text(this.checkpointed.place),
      lastKnown: this.text(this.lastKnown),
      resolveLinks: settings.resolveLinks,
      startFrom: startText(settings),
      messageTimeout: settings.messageTimeout,
      extraStatistics: settings.extraStatistics,
      maxRetryCount: settings.maxRetryCount,
      liveBufferSize: settings.liveBufferSize,
      historyBufferSize: settings.historyBufferSize,
      readBatchSize: settings.readBatchSize,
      checkpointAfter: settings.checkpointAfter === 0 ? LONGEST_TIMER : settings.checkpointAfter,
      minCheckpointCount: settings.minCheckpointCount,
      maxCheckpointCount: settings.maxCheckpointCount,
      readBufferCount: this.buffer.length,
      liveBufferCount: this.liveCount,
      retryBufferCount: this.retry.length + this.replayed.length,
      inFlight: this.inFlight.size,
      outstanding: this.inFlight.size,
      strategy: settings.strategy,
      maxSubscriberCount: settings.maxSubscriberCount,
      parkedCount: isMissing(parked) ? 0 : Math.max(0, parked.lastRevision + 1 - this.firstParked()),
    };
  }

  private status(): GroupInfo['status'] {
    if (this.unreadable || this.reading) return 'Behind, OutstandingPageRequest';
    // The genuine server cannot create a live buffer of negative size and stays behind forever; this one only reports it.
    return this.live && this.settings.liveBufferSize >= 0 ? 'Live' : 'Behind';
  }

  private connectionInfo(consumer: Consumer, seconds: number): ConnectionInfo {
    const since = consumer.total - consumer.measured;
    consumer.measured = consumer.total;
    return {
      username: consumer.call.username,
      averagePerSecond: Math.trunc(since / seconds),
      totalItems: consumer.total,
      countSinceLastMeasurement: since,
      measurements: this.settings.extraStatistics ? consumer.latencies.measurements() : [],
      availableSlots: consumer.freeSlots,
      inFlight: consumer.inFlight,
      name: consumer.call.name,
    };
  }

  private text(place: number | undefined): string {
    return place === undefined ? '' : placeText(this.settings.source, place);
  }

  private get parkedStream(): string {
    return parkedStreamOf(this.settings.source, this.settings.group);
  }

  private get checkpointStream(): string {
    return checkpointStreamOf(this.settings.source, this.settings.group);
  }

  private placeOf(record: LogRecord): number {
    return this.settings.source === ALL ? positionOf(record) : revisionOf(record);
  }

  private wants(record: LogRecord): boolean {
    if (this.settings.source !== ALL) return true;
    return !isWrittenByGroupOnAll(streamNameOf(record).toString('utf8')) && (!this.filter || this.filter(record));
  }

  /** Whether the group has not read this place yet. */
  private isAhead(place: number): boolean {
    return place >= this.next && (this.looked.place === undefined || place > this.looked.place);
  }

  private pass(record: LogRecord): void {
    this.next = this.settings.source === ALL ? positionOf(record) + record.length : revisionOf(record) + 1;
  }

  private know(place: number): void {
    if (this.lastKnown === undefined || place > this.lastKnown) this.lastKnown = place;
  }

  /** Puts the next event of the source into the buffer, or skips it. */
  private look(record: LogRecord, place: number, wanted: boolean): void {
    this.pass(record);
    if (wanted) {
      this.unsettled.set(place, this.looked);
      this.buffer.push({ id: idOf(record), position: positionOf(record), place, replayed: false, retries: 0, bucket: undefined });
      this.looked = { place, count: this.looked.count + 1 };
    } else if (!isWrittenByGroupOnAll(streamNameOf(record).toString('utf8'))) {
      this.looked = { place, count: this.looked.count + 1 };
      this.considerCheckpoint();
    }
  }

  /** Reads the next page in a separate turn, if the buffers have room for a batch. */
  private readOn(): void {
    const { historyBufferSize, readBatchSize } = this.settings;
    const room = Math.min(historyBufferSize, LARGEST_BUFFER) - this.buffer.length - this.retry.length;
    if (this.live || this.reading || this.stopped || this.failure || room <= Math.max(readBatchSize, 0)) return;
    this.reading = true;
    setImmediate(() => {
      this.reading = false;
      if (this.stopped) return;
      try {
        if (this.unreadable) return this.end(groupDropped(this.settings.source, this.settings.group));
        this.readPage(room);
      } catch (error) {
        return this.fail(error);
      }
      this.deliver();
    });
  }

  private readPage(room: number): void {
    const records = this.page(Math.min(room, PAGE));
    for (const record of records) {
      const place = this.placeOf(record);
      if (!isEvent(record) || !this.isAhead(place)) {
        this.pass(record);
        continue;
      }
      const wanted = this.wants(record);
      if (wanted) this.know(place);
      this.look(record, place, wanted);
    }
    if (records.length > 0) return;
    // Nothing can be committed between this read and the next commit that the group is notified of.
    this.live = true;
    this.liveCount = 0;
  }

  private page(limit: number): LogRecord[] {
    const { log, now } = this.context;
    if (this.settings.source === ALL) return log.readAll(this.next, limit);
    const stream = log.stream(this.settings.source);
    if (isMissing(stream) || isTombstoned(log, stream)) return [];
    return log.readStream(
      stream.number,
      this.next,
      { lowest: lowestVisible(log, stream, now()), highest: stream.lastRevision },
      limit,
      false,
    );
  }

  /** Sends waiting events as far as consumers have room, then checks what else there is to do. */
  private deliver(): void {
    if (this.stopped || this.failure) return;
    try {
      for (const waiting of [this.retry, this.replayed, this.buffer]) if (!this.handOut(waiting)) break;
      this.readParked();
    } catch (error) {
      return this.fail(error);
    }
    this.readOn();
    this.watchTimeouts();
  }

  /** Returns false if no consumer has room left. */
  private handOut(waiting: Message[]): boolean {
    let kept = 0;
    let index = 0;
    let full = false;
    for (; index < waiting.length && !full; index++) {
      const message = waiting[index] as Message;
      const outcome = this.send(message);
      if (outcome === 'full') full = true;
      if (outcome !== 'done') waiting[kept++] = message;
    }
    waiting.splice(kept, index - kept);
    return !full;
  }

  private send(message: Message): 'done' | 'busy' | 'full' {
    if (this.consumers.size === 0) return 'full';
    // The same event id may occur twice in a stream. Responses refer to ids, so the second one has to wait for the first.
    if (this.inFlight.has(message.id)) return 'busy';
    const choice = this.strategy.choose(() => (message.bucket ??= this.bucketOf(message)));
    if (typeof choice === 'string') return choice;
    const { receiver } = choice;
    const delivery = this.find(message);
    if (!delivery) {
      // It has been scavenged.
      this.strategy.settled(receiver, message.bucket);
      this.settle(message);
      return 'done';
    }
    receiver.call.write(deliveryMessage(delivery, message.retries, receiver.call.uuid));
    receiver.inFlight++;
    receiver.total++;
    this.total++;
    this.inFlight.set(message.id, { message, consumer: receiver, sentAt: performance.now() });
    return 'done';
  }

  private find(message: Message): Delivery | undefined {
    const { log, now } = this.context;
    const [record] = log.readAll(message.position, 1);
    if (!record || positionOf(record) !== message.position) return undefined;
    const link = message.replayed || this.settings.resolveLinks ? followLink(log, record, now()) : undefined;
    return { original: record, event: link ? link.target : record };
  }

  private bucketOf(message: Message): number {
    const delivery = this.find(message);
    return delivery
      ? crc32(this.settings.strategy === 'PinnedByCorrelation' ? (correlationOf(delivery) ?? streamOf(delivery)) : streamOf(delivery)) %
          BUCKETS
      : 0;
  }

  /** Removes an event from those in flight. */
  private takeBack(id: string): Message | undefined {
    const entry = this.inFlight.get(id);
    if (!entry) return undefined;
    const { message, consumer, sentAt } = entry;
    this.inFlight.delete(id);
    consumer.inFlight--;
    if (this.settings.extraStatistics) consumer.latencies.add(performance.now() - sentAt);
    this.strategy.settled(consumer, message.bucket);
    return message;
  }

  private settle(message: Message): void {
    if (message.replayed) {
      this.unsettledReplays.delete(message.place);
      if (this.stopped) return;
      this.timers.truncation ??= setTimeout(() => {
        this.timers.truncation = undefined;
        // If it cannot be written, those events stay parked, and are included in the next truncation.
        this.truncateParked().catch(() => undefined);
      }, TRUNCATE_AFTER);
    } else {
      this.unsettled.delete(message.place);
      this.considerCheckpoint();
    }
  }

  private sendAgainOrPark(messages: readonly Message[]): void {
    const { maxRetryCount } = this.settings;
    for (const message of messages) if (message.retries >= maxRetryCount) this.park(message, `Reached retry count of ${maxRetryCount}`);
    this.sendAgain(messages.filter((message) => message.retries < maxRetryCount));
  }

  private sendAgain(messages: readonly Message[]): void {
    for (const message of messages) (message.replayed ? this.replayed : this.retry).push({ ...message, retries: message.retries + 1 });
    const byPlace = (a: Message, b: Message): number => a.place - b.place;
    this.retry.sort(byPlace);
    this.replayed.sort(byPlace);
  }

  /** Writes a link to the event into the parked stream. Until it is on disk the event counts as unsettled. */
  private park(message: Message, reason: string): void {
    const delivery = this.find(message);
    if (!delivery) return this.settle(message);
    const { original, event } = delivery;
    const number = revisionOf(original);
    const metadata = {
      added: new Date(this.context.now()).toISOString(),
      reason,
      ...(number !== 0 && { subscriptionEventNumber: number }),
    };
    // A link whose target is gone is parked unchanged.
    const data = event ? `${revisionOf(event)}@${streamNameOf(event).toString('utf8')}` : dataOf(original);
    const link = {
      type: LINK_TYPE,
      json: false,
      data: Buffer.from(data),
      customMetadata: Buffer.from(JSON.stringify(metadata, undefined, 2)),
    };
    const parking = this.write(this.parkedStream, link)
      .then(
        () => {
          this.settle(message);
          this.deliver();
        },
        () => {
          // The disk may be full: another consumer has better chances with the event than the parked stream.
          this.sendAgain([message]);
          this.deliver();
        },
      )
      .finally(() => this.parking.delete(parking));
    this.parking.add(parking);
  }

  private async write(stream: string, event: Omit<NewEvent, 'id'>): Promise<WriteOutcome> {
    const outcome = await this.context.writer.append(stream, ANY, [{ id: randomUUID(), ...event }]);
    if (outcome.kind !== 'written') throw new Error(`${stream} cannot be written: ${outcome.kind}`);
    return outcome;
  }

  private watchTimeouts(): void {
    if (this.timers.timeout || this.stopped) return;
    const [oldest] = this.inFlight.values();
    if (!oldest) return;
    const left = oldest.sentAt + this.messageTimeout - performance.now();
    this.timers.timeout = setTimeout(() => this.takeBackLate(), Math.min(Math.max(left, 1), LONGEST_TIMER));
  }

  private get messageTimeout(): number {
    return this.settings.messageTimeout > 0 ? this.settings.messageTimeout : TIMEOUT_OF_ZERO;
  }

  private takeBackLate(): void {
    this.timers.timeout = undefined;
    const since = performance.now() - this.messageTimeout;
    const late: Message[] = [];
    for (const [id, { sentAt }] of this.inFlight) {
      if (sentAt > since) break;
      const message = this.takeBack(id);
      if (message) late.push(message);
    }
    this.sendAgainOrPark(late);
    this.deliver();
  }

  /** Lowest revision in the parked stream of an event that is parked and not being replayed. */
  private firstParked(): number {
    const { log, now } = this.context;
    return Math.max(lowestVisible(log, log.stream(this.parkedStream), now()), this.replayedBelow);
  }

  /** Reads parked events from their stream as consumers take them. */
  private readParked(): void {
    const { log, now } = this.context;
    while (this.replay && this.replayed.length < REPLAYED_AT_ONCE / 2) {
      const { next, end } = this.replay;
      const parked = log.stream(this.parkedStream);
      const records = log.readStream(
        parked.number,
        next,
        { lowest: lowestVisible(log, parked, now()), highest: end - 1 },
        REPLAYED_AT_ONCE,
        false,
      );
      for (const record of records) {
        this.replayed.push({
          id: idOf(record),
          position: positionOf(record),
          place: revisionOf(record),
          replayed: true,
          retries: 0,
          bucket: undefined,
        });
        this.unsettledReplays.add(revisionOf(record));
      }
      const last = records.at(-1);
      this.replayedBelow = Math.max(this.replayedBelow, last ? revisionOf(last) + 1 : end);
      this.replay = this.replayedBelow < end ? { next: this.replayedBelow, end } : undefined;
      this.handOut(this.replayed);
    }
  }

  /** Removes replayed and settled events from the parked stream. The others are still parked after a restart. */
  private async truncateParked(): Promise<void> {
    const [lowest] = this.unsettledReplays;
    const before = lowest ?? this.replayedBelow;
    const { metadata } = this.context.log.stream(this.parkedStream);
    if (before <= (metadata.truncateBefore ?? 0)) return;
    const data = Buffer.from(JSON.stringify({ $tb: before, $acl: FOR_ADMINS }));
    await this.write(metadataStreamOf(this.parkedStream), { type: METADATA_TYPE, json: true, data, customMetadata: NO_BYTES });
  }

  /** The place up to which everything is settled: a restarted group continues from here. */
  private settledUpTo(): Progress {
    const [lowest] = this.unsettled.values();
    return lowest ?? this.looked;
  }

  private settledSince(): number {
    return this.settledUpTo().count - this.checkpointed.count;
  }

  /** Writes a checkpoint immediately if enough events are settled, otherwise some time after the first of them. */
  private considerCheckpoint(): void {
    const { minCheckpointCount, maxCheckpointCount, checkpointAfter } = this.settings;
    const settled = this.settledSince();
    if (settled <= 0 || this.stopped || this.writingCheckpoint) return;
    if (settled >= maxCheckpointCount) return this.checkpointNow();
    if (settled < minCheckpointCount || checkpointAfter === 0) return;
    this.timers.checkpoint ??= setTimeout(() => this.checkpointNow(), Math.max(checkpointAfter, 0));
  }

  private checkpointNow(): void {
    clearTimeout(this.timers.checkpoint);
    this.timers.checkpoint = undefined;
    if (this.stopped || this.writingCheckpoint) return;
    const done = (): void => {
      this.writingCheckpoint = undefined;
      this.considerCheckpoint();
    };
    this.writingCheckpoint = this.writeCheckpoint().then(done, () => {
      // Tried again with the next settled event.
      this.writingCheckpoint = undefined;
    });
  }

  private async writeCheckpoint(): Promise<void> {
    const progress = this.settledUpTo();
    if (progress.place === undefined) return;
    const data = Buffer.from(JSON.stringify(placeText(this.settings.source, progress.place)));
    await this.write(this.checkpointStream, { type: CHECKPOINT_TYPE, json: true, data, customMetadata: NO_BYTES });
    this.checkpointed = progress;
  }

  private readCheckpoint(): number | undefined {
    const { log } = this.context;
    const stream = log.stream(this.checkpointStream);
    if (isMissing(stream) || isTombstoned(log, stream)) return undefined;
    const record = log.recordAt(stream.number, stream.lastRevision);
    const place = record && parseCheckpoint(this.settings.source, dataOf(record).toString('utf8'));
    // Anyone allowed to write to system streams may write anything there. Without a valid checkpoint the group starts over.
    return place !== undefined && place >= 0 && (this.settings.source !== ALL || log.isBoundary(place)) ? place : undefined;
  }

  /** A record could not be read. Consumers are told why, and so are those that connect later. */
  private fail(error: unknown): void {
    this.clearTimers();
    this.end(asFault(error));
  }

  private end(failure: Fault): void {
    this.failure = failure;
    for (const { call } of this.consumers) call.drop(failure);
    this.consumers.clear();
  }

  private clearTimers(): void {
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
  }
}

function parseCheckpoint(source: string, json: string): number | undefined {
  try {
    return parsePlace(source, String(JSON.parse(json)))?.place;
  } catch {
    return undefined;
  }
}

/** The stream of an event; for a link without a target, the stream that it names. */
function streamOf({ original, event }: Delivery): Buffer {
  const record = event ?? original;
  if (!typeOf(record).equals(LINK_TYPE)) return streamNameOf(record);
  const data = dataOf(record);
  return data.subarray(data.indexOf('@') + 1);
}

function correlationOf({ original, event }: Delivery): Buffer | undefined {
  try {
    const metadata: unknown = JSON.parse(customMetadataOf(event ?? original).toString('utf8'));
    const id = typeof metadata === 'object' && metadata !== null && '$correlationId' in metadata ? metadata.$correlationId : undefined;
    return typeof id === 'string' ? Buffer.from(id) : undefined;
  } catch {
    return undefined;
  }
}
