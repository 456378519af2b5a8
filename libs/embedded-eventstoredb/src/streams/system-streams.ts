import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import type { EventLog } from '../storage/event-log.js';
import type { Link, LogWriter, NewEvent } from '../storage/log-writer.js';
import {
  CorruptRecord,
  customMetadataOf,
  dataOf,
  idOf,
  isJson,
  MARK,
  kindOf,
  NO_BYTES,
  positionOf,
  revisionOf,
  streamNameOf,
  TOMBSTONE,
  typeOf,
  type LogRecord,
} from '../storage/record.js';
import { DELETED, isMetadataStream, parseObject, parseStreamMetadata } from '../storage/stream-metadata.js';
import { warn } from '../storage/warnings.js';

const PAGE = 512;
/**
 * The shortest pause between two pages, in milliseconds: links of all events in that time are written at once, with one flush. If a page
 * took longer, so does the pause, so that under load appends come first and links catch up later.
 */
const LEAST_REST_MS = 20;

/**
 * The streams of links that the genuine server's system projections create: `$ce-<category>`, `$category-<category>`, `$et-<type>`,
 * `$bc-<correlation id>` and `$streams`. They follow the log: an append is answered before it is linked.
 * The id of the last link shows how far they have come, as it contains the position of its event. So there is no checkpoint that could
 * disagree with them after a crash.
 */
export class SystemStreams {
  /** Position of the next event to link; undefined until the log has been searched for the last link. */
  private next: number | undefined;
  private repeatsUntil = 0;
  private running: Promise<void> | undefined;
  private readonly closing = new AbortController();
  private readonly stopListening: () => void;
  private warned = false;

  constructor(
    private readonly log: EventLog,
    private readonly writer: LogWriter,
  ) {
    this.stopListening = log.onCommit(() => this.wake());
    this.wake();
  }

  /** Stops the current work. Unlinked events get their links after the next start. */
  async close(): Promise<void> {
    this.stopListening();
    this.closing.abort();
    await this.running;
  }

  private wake(): void {
    this.running ??= this.follow().catch((error: unknown) => {
      this.running = undefined;
      this.complain(error);
    });
  }

  /** Runs to the end of the log. Failures are retried after the next commit: a full disk may have room by then. */
  private async follow(): Promise<void> {
    const { log, writer } = this;
    const { signal } = this.closing;
    await turn();
    let next = (this.next ??= await this.resume());
    while (!signal.aborted && next < log.end) {
      const since = performance.now();
      const records = log.readAll(next, PAGE);
      const last = records.at(-1);
      if (!last) break;
      const links = records.flatMap(linksTo);
      if (links.length > 0) await writer.link(links, next < this.repeatsUntil);
      this.next = next = positionOf(last) + last.length;
      await wait(Math.max(LEAST_REST_MS, performance.now() - since), undefined, { signal });
    }
    // In the same turn as the check of the log: a later commit starts the next run.
    this.running = undefined;
  }

  /** Where to continue after a start. Some links from there to the end of the log may exist already. */
  private async resume(): Promise<number> {
    const linked = await this.lastLinked();
    if (linked === undefined) return 0;
    this.repeatsUntil = this.log.end;
    return linked;
  }

  /** Position of the event that the last link was written for. */
  private async lastLinked(): Promise<number | undefined> {
    let before = this.log.end;
    for (;;) {
      const records = this.log.readAllBackwards(before, PAGE);
      for (const record of records) {
        const source = sourceOf(record);
        if (source !== undefined) return source;
      }
      const last = records.at(-1);
      if (!last || this.closing.signal.aborted) return undefined;
      before = positionOf(last);
      await turn();
    }
  }

  private complain(error: unknown): void {
    // Damage does not go away: checking again after each commit would only cost time.
    if (error instanceof CorruptRecord) this.stopListening();
    if (this.closing.signal.aborted || this.warned) return;
    this.warned = true;
    warn(`The system streams of the event store node stay behind the log: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const LINK = Buffer.from('$>');
const STREAM_REFERENCE = Buffer.from('$@');
const DOLLAR = '$'.charCodeAt(0);
const CORRELATION_ID = Buffer.from('"$correlationId"');

/** Kinds of links, as used in the ids of links. Never change the numbers: they prevent duplicate links. */
const KINDS = { $ce: 0, $category: 1, $et: 2, $bc: 3, $streams: 4 } as const;
const ID = /^74696572-6c69-8[0-4]00-8000-([0-9a-f]{12})$/;
const idFor = (kind: keyof typeof KINDS, position: number): string =>
  `74696572-6c69-8${KINDS[kind]}00-8000-${position.toString(16).padStart(12, '0')}`;

/** Position of the event that one of our links was written for; undefined for anything else. */
export function sourceOf(record: LogRecord): number | undefined {
  if (streamNameOf(record)[0] !== DOLLAR) return undefined;
  const match = ID.exec(idOf(record));
  return match ? parseInt(match[1] as string, 16) : undefined;
}

/**
 * The links that an event gets. Events of system streams get none, except that a soft delete, an event of `$$<stream>`, is linked in the
 * category of its stream, like a tombstone.
 */
export function linksTo(record: LogRecord): Link[] {
  if (kindOf(record) === MARK) return [];
  const name = streamNameOf(record);
  if (name[0] === DOLLAR) return linksToSoftDelete(record, name.toString('utf8'));
  const stream = name.toString('utf8');
  const isLink = typeOf(record).equals(LINK);
  const tombstone = kindOf(record) === TOMBSTONE;
  const here = Buffer.from(`${tombstone ? '9223372036854775807' : revisionOf(record)}@${stream}`);
  // Links to links use the target's own name.
  const target = isLink ? dataOf(record) : here;
  const position = positionOf(record);
  const links: Link[] = [];
  const add = (kind: keyof typeof KINDS, into: string, data: Uint8Array, type = LINK): void =>
    void links.push({ stream: into, event: link(kind, position, type, data) });

  const category = categoryOf(stream);
  if (category !== undefined) add('$ce', `$ce-${category}`, target);
  const first = revisionOf(record) === 0;
  if (first && category !== undefined) add('$category', `$category-${category}`, name, STREAM_REFERENCE);
  if (typeOf(record)[0] !== DOLLAR) add('$et', `$et-${typeOf(record).toString('utf8')}`, here);
  const correlationId = correlationIdOf(record);
  if (correlationId !== undefined) add('$bc', `$bc-${correlationId}`, target);
  if (first) add('$streams', '$streams', here);
  return links;
}

function linksToSoftDelete(record: LogRecord, stream: string): Link[] {
  if (!isMetadataStream(stream) || (parseStreamMetadata(dataOf(record), isJson(record)).truncateBefore ?? 0) < DELETED) return [];
  const category = categoryOf(stream.slice(2));
  if (category === undefined) return [];
  return [{ stream: `$ce-${category}`, event: link('$ce', positionOf(record), LINK, Buffer.from(`${revisionOf(record)}@${stream}`)) }];
}

const link = (kind: keyof typeof KINDS, position: number, type: Buffer, data: Uint8Array): NewEvent => ({
  id: idFor(kind, position),
  type,
  json: false,
  data,
  customMetadata: NO_BYTES,
});

/** The part before the first dash; undefined if it is empty, and for system streams. */
function categoryOf(stream: string): string | undefined {
  const dash = stream.indexOf('-');
  return dash > 0 && !stream.startsWith('$') ? stream.slice(0, dash) : undefined;
}

function correlationIdOf(record: LogRecord): string | undefined {
  const metadata = customMetadataOf(record);
  if (!metadata.includes(CORRELATION_ID)) return undefined;
  const id = parseObject(metadata.toString('utf8'))?.['$correlationId'];
  return typeof id === 'string' && id !== '' ? id : undefined;
}
