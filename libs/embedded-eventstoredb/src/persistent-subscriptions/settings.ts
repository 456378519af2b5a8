import type { FilterRequest } from '../streams/event-filter.js';

/** What a group on the whole log has in place of a stream name. */
export const ALL = '$all';

export const STRATEGIES = ['DispatchToSingle', 'RoundRobin', 'Pinned', 'PinnedByCorrelation'] as const;
export type StrategyName = (typeof STRATEGIES)[number];
export const isStrategyName = (name: string): name is StrategyName => (STRATEGIES as readonly string[]).includes(name);

/** Where a group without a checkpoint starts: at a revision or commit position (inclusive), or after all events. */
export type GroupStart = { readonly kind: 'at'; readonly place: number; readonly prepare: number } | { readonly kind: 'end' };

/** All settings of Create and Update. Numbers are accepted unchanged, even negative ones, as by the genuine server. */
export interface GroupSettings {
  /** Name of the stream, or `$all`. */
  readonly source: string;
  readonly group: string;
  readonly start: GroupStart;
  /**
   * The first place (revision or position) after the source's end when the group was created to start at the end. Stored so that a restart
   * before the first checkpoint loses nothing.
   */
  readonly end: number;
  /** Only for `$all`; undefined accepts everything. */
  readonly filter: FilterRequest | undefined;
  readonly resolveLinks: boolean;
  readonly extraStatistics: boolean;
  /** Milliseconds. */
  readonly messageTimeout: number;
  readonly maxRetryCount: number;
  readonly liveBufferSize: number;
  readonly historyBufferSize: number;
  readonly readBatchSize: number;
  /** Milliseconds; 0 means no checkpoints by time. */
  readonly checkpointAfter: number;
  readonly minCheckpointCount: number;
  readonly maxCheckpointCount: number;
  /** 0 means unlimited. */
  readonly maxSubscriberCount: number;
  readonly strategy: StrategyName;
}

export const keyOf = (source: string, group: string): string => `${source}::${group}`;
export const checkpointStreamOf = (source: string, group: string): string => `$persistentsubscription-${keyOf(source, group)}-checkpoint`;
export const parkedStreamOf = (source: string, group: string): string => `$persistentsubscription-${keyOf(source, group)}-parked`;

/** Events written by groups are hidden from groups on `$all`: a parked event would return as its own link, forever. */
export const isWrittenByGroupOnAll = (stream: string): boolean =>
  /^\$persistentsubscription-\$all::[^]*-(?:checkpoint|parked)$/.test(stream);

/** The revision of a tombstone is 2^63 - 1, which a double cannot represent. */
const integerText = (value: number): string => (value >= 2 ** 63 ? '9223372036854775807' : String(value));

/** A place as in checkpoints and statistics: a revision, or a position in the log. */
export const placeText = (source: string, commit: number, prepare = commit): string =>
  source === ALL ? `C:${integerText(commit)}/P:${integerText(prepare)}` : integerText(commit);

export const startText = ({ source, start }: Pick<GroupSettings, 'source' | 'start'>): string =>
  start.kind === 'end' ? placeText(source, -1) : placeText(source, start.place, start.prepare);

/** Parses the output of `placeText` for this source; undefined if it is something else. */
export function parsePlace(source: string, text: string): { readonly place: number; readonly prepare: number } | undefined {
  const match = (source === ALL ? /^C:(-?\d+)\/P:(-?\d+)$/ : /^(-?\d+)$/).exec(text);
  if (!match) return undefined;
  const place = Number(match[1]);
  return { place, prepare: Number(match[2] ?? place) };
}

/** One group in the event `$PersistentConfig`, under the genuine server's names; default values are omitted. */
interface ConfigEntry {
  readonly stream?: string;
  readonly group?: string;
  readonly filter?: {
    readonly context: string;
    readonly type: string;
    readonly data: string;
    readonly isAllStream: boolean;
    readonly prefixes?: readonly string[];
  };
  readonly startPosition?: string;
  readonly endPosition?: number;
  readonly [name: string]: unknown;
}

const NUMBERS = {
  messageTimeout: 'messageTimeout',
  liveBufferSize: 'liveBufferSize',
  historyBufferSize: 'historyBufferSize',
  maxRetryCount: 'maxRetryCount',
  readBatchSize: 'readBatchSize',
  checkpointAfter: 'checkPointAfter',
  minCheckpointCount: 'minCheckPointCount',
  maxCheckpointCount: 'maxCheckPointCount',
  maxSubscriberCount: 'maxSubscriberCount',
} as const;

function configEntry(settings: GroupSettings): ConfigEntry {
  const { source, group, filter } = settings;
  const entry: Record<string, unknown> = {
    stream: source,
    group,
    filter: filter && {
      context: filter.on === 'stream' ? 'streamid' : 'eventtype',
      type: filter.regex === '' ? 'prefix' : 'regex',
      data: filter.regex === '' ? filter.prefixes.join(',') : filter.regex,
      isAllStream: true,
      // A prefix may contain a comma, and the list may be empty.
      ...(filter.regex === '' && { prefixes: filter.prefixes }),
    },
    resolveLinkTos: settings.resolveLinks,
    extraStatistics: settings.extraStatistics,
    messageTimeout: settings.messageTimeout,
    startPosition: startText(settings),
    endPosition: settings.start.kind === 'end' ? settings.end : undefined,
    ...Object.fromEntries(Object.entries(NUMBERS).map(([ours, theirs]) => [theirs, settings[ours as keyof typeof NUMBERS]])),
    namedConsumerStrategy: settings.strategy,
  };
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined && value !== 0 && value !== false));
}

/** A filter that was accepted before; undefined accepts everything. */
function parseFilter({ filter }: ConfigEntry): FilterRequest | undefined {
  if (!filter) return undefined;
  const regex = filter.type === 'regex' ? filter.data : '';
  return { on: filter.context === 'streamid' ? 'stream' : 'type', regex, prefixes: filter.prefixes ?? filter.data.split(',') };
}

function parseEntry(entry: ConfigEntry): GroupSettings | undefined {
  if (typeof entry.stream !== 'string') return undefined;
  const start = parsePlace(entry.stream, String(entry.startPosition));
  const strategy = String(entry['namedConsumerStrategy']);
  if (!start || !isStrategyName(strategy)) return undefined;
  const number = (name: string): number => Number(entry[name] ?? 0);
  return {
    source: entry.stream,
    group: entry.group ?? '',
    start: start.place === -1 ? { kind: 'end' } : { kind: 'at', ...start },
    end: entry.endPosition ?? 0,
    filter: parseFilter(entry),
    resolveLinks: entry['resolveLinkTos'] === true,
    extraStatistics: entry['extraStatistics'] === true,
    ...(Object.fromEntries(Object.entries(NUMBERS).map(([ours, theirs]) => [ours, number(theirs)])) as {
      readonly [K in keyof typeof NUMBERS]: number;
    }),
    strategy,
  };
}

/** The data of an event `$PersistentConfig`: all groups, after each change. */
export function configJson(groups: Iterable<GroupSettings>, updated: number): string {
  const entries = [...groups].map(configEntry);
  return JSON.stringify({ version: '2', updated: new Date(updated).toISOString(), updatedBy: 'system', entries }, undefined, 2);
}

/** Parses the output of `configJson`; undefined if it is something else. An invalid group is left out. */
export function parseConfig(json: string): GroupSettings[] | undefined {
  try {
    const { entries } = JSON.parse(json) as { readonly entries: readonly ConfigEntry[] };
    return entries.flatMap((entry) => parseEntry(entry) ?? []);
  } catch {
    return undefined;
  }
}
