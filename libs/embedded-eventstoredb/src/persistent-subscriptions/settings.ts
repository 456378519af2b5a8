import type { FilterRequest } from '../streams/event-filter.js';

/** What a group on the whole log names where others name their stream. */
export const ALL = '$all';

export const STRATEGIES = ['DispatchToSingle', 'RoundRobin', 'Pinned', 'PinnedByCorrelation'] as const;
export type StrategyName = (typeof STRATEGIES)[number];
export const isStrategyName = (name: string): name is StrategyName => (STRATEGIES as readonly string[]).includes(name);

/** Where a group without a checkpoint starts: at a revision or commit position, that event included, or behind all events. */
export type GroupStart = { readonly kind: 'at'; readonly place: number; readonly prepare: number } | { readonly kind: 'end' };

/** Everything that Create and Update say. Numbers are taken as they come, negative ones too: the genuine server does so. */
export interface GroupSettings {
  /** Name of the stream, or `$all`. */
  readonly source: string;
  readonly group: string;
  readonly start: GroupStart;
  /**
   * The first place (revision or position) behind the source when the group was made to start at the end. Kept, so that
   * what is written before the first checkpoint is not lost by a restart.
   */
  readonly end: number;
  /** Only for `$all`; undefined lets everything through. */
  readonly filter: FilterRequest | undefined;
  readonly resolveLinks: boolean;
  readonly extraStatistics: boolean;
  /** Milliseconds. */
  readonly messageTimeout: number;
  readonly maxRetryCount: number;
  readonly liveBufferSize: number;
  readonly historyBufferSize: number;
  readonly readBatchSize: number;
  /** Milliseconds; 0 means never because of time. */
  readonly checkpointAfter: number;
  readonly minCheckpointCount: number;
  readonly maxCheckpointCount: number;
  /** 0 means any number. */
  readonly maxSubscriberCount: number;
  readonly strategy: StrategyName;
}

export const keyOf = (source: string, group: string): string => `${source}::${group}`;
export const checkpointStreamOf = (source: string, group: string): string => `$persistentsubscription-${keyOf(source, group)}-checkpoint`;
export const parkedStreamOf = (source: string, group: string): string => `$persistentsubscription-${keyOf(source, group)}-parked`;

/** What groups on `$all` write is not shown to them: a parked event would come back as its own link, for ever. */
export const isWrittenByGroupOnAll = (stream: string): boolean =>
  /^\$persistentsubscription-\$all::[^]*-(?:checkpoint|parked)$/.test(stream);

/** The revision of a tombstone is 2^63 - 1, which a double cannot hold. */
const integerText = (value: number): string => (value >= 2 ** 63 ? '9223372036854775807' : String(value));

/** A place as checkpoints and statistics show it: a revision, or a position of the log. */
export const placeText = (source: string, commit: number, prepare = commit): string =>
  source === ALL ? `C:${integerText(commit)}/P:${integerText(prepare)}` : integerText(commit);

export const startText = ({ source, start }: Pick<GroupSettings, 'source' | 'start'>): string =>
  start.kind === 'end' ? placeText(source, -1) : placeText(source, start.place, start.prepare);

/** Reads what `placeText` wrote for this source; undefined when it is something else. */
export function parsePlace(source: string, text: string): { readonly place: number; readonly prepare: number } | undefined {
  const match = (source === ALL ? /^C:(-?\d+)\/P:(-?\d+)$/ : /^(-?\d+)$/).exec(text);
  if (!match) return undefined;
  const place = Number(match[1]);
  return { place, prepare: Number(match[2] ?? place) };
}

/** One group in the event `$PersistentConfig`, under the genuine server's names; what has its default value is left out. */
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
      // A prefix may hold a comma, and there may be none.
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

/** A filter that was let in once; undefined lets everything through. */
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

/** Reads what `configJson` wrote; undefined when it is something else. A group that makes no sense is left out. */
export function parseConfig(json: string): GroupSettings[] | undefined {
  try {
    const { entries } = JSON.parse(json) as { readonly entries: readonly ConfigEntry[] };
    return entries.flatMap((entry) => parseEntry(entry) ?? []);
  } catch {
    return undefined;
  }
}
