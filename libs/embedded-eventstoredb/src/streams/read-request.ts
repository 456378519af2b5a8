import { status } from '@grpc/grpc-js';
import { eventFilter, type EventFilter } from './event-filter.js';
import { Fault, handlerThrew, invalidArgument } from '../wire/faults.js';
import type { UuidForm } from './read-messages.js';
import { bool, bytes, message, present, repeated, request, text, uint32, uint64 } from '../wire/protobuf.js';

export const position = message({ commit: [1, uint64], prepare: [2, uint64] });
export const streamIdentifier = message({ name: [3, bytes] });
const expression = message({ regex: [1, text], prefixes: [2, repeated(text)] });
export const filterOptions = message({
  stream: [1, expression],
  type: [2, expression],
  max: [3, uint32],
  count: [4, present],
  multiplier: [5, uint32],
});
export const uuidOption = message({ structured: [1, present], string: [2, present] });
export const streamOptions = message({ stream: [1, streamIdentifier], revision: [2, uint64], start: [3, present], end: [4, present] });
const allOptions = message({ position: [1, position], start: [2, present], end: [3, present] });

/** Decodes `ReadReq`. */
export const decodeReadRequest = request({
  options: [
    1,
    message({
      stream: [1, streamOptions],
      all: [2, allOptions],
      direction: [3, uint32],
      resolveLinks: [4, bool],
      count: [5, uint64],
      subscription: [6, present],
      filter: [7, filterOptions],
      noFilter: [8, present],
      uuid: [9, uuidOption],
      control: [10, message({ compatibility: [1, uint32] })],
    }),
  ],
});
export type ReadMessage = ReturnType<typeof decodeReadRequest>;
type Options = NonNullable<ReadMessage['options']>;

/** Where a read starts: an end of the stream or log, or a revision or position. */
export type StreamStart = 'start' | 'end' | number;
export type AllStart = 'start' | 'end' | { readonly commit: number; readonly prepare: number };

export interface FilterWindow {
  readonly matches: EventFilter;
  /** Events read between two checkpoints, as page size × number of pages. */
  readonly pageSize: number;
  readonly pages: number;
}

interface Common {
  readonly resolveLinks: boolean;
  /** Undefined if the request specifies none: the genuine server then never responds. */
  readonly uuid: UuidForm | undefined;
}

export type ReadRequest =
  | (Common & {
      readonly kind: 'stream';
      readonly stream: string;
      readonly start: StreamStart;
      readonly count: number;
      readonly backwards: boolean;
      readonly positions: boolean;
    })
  | (Common & {
      readonly kind: 'all';
      readonly start: AllStart;
      readonly count: number;
      readonly backwards: boolean;
      readonly filter: FilterWindow | undefined;
    })
  | (Common & { readonly kind: 'subscribe-stream'; readonly stream: string; readonly start: StreamStart })
  | (Common & { readonly kind: 'subscribe-all'; readonly start: AllStart; readonly filter: FilterWindow | undefined });

const DIRECTIONS = ['Forwards', 'Backwards'];
const UINT64_MAX = 2n ** 64n - 1n;
const INT64 = 2n ** 63n;
/** The window that `count {}` means. */
const DEFAULT_WINDOW = 32;

/** Validates a `ReadReq` and returns what it requests; throws the response to invalid requests. */
export function parseReadRequest({ options }: ReadMessage): ReadRequest {
  if (!options) throw handlerThrew();
  const { stream, all } = options;
  if (!stream && !all) throw invalidArgument("'None' is not a valid EventStore.Client.Streams.ReadReq+Types+Options+StreamOptionOneofCase");
  const backwards = options.direction === 1;
  checkCombination(options);
  const common = { resolveLinks: options.resolveLinks ?? false, uuid: uuidForm(options.uuid) };
  if (all) {
    const start = allStart(all);
    const filter = options.filter && filterWindow(options.filter, options.subscription ?? false);
    if (options.subscription) return { ...common, kind: 'subscribe-all', start, filter };
    return { ...common, kind: 'all', start, filter, backwards, count: Number(options.count ?? 0n) };
  }
  const name = streamName(stream?.stream);
  const start = streamStart(stream ?? {});
  if (options.subscription) return { ...common, kind: 'subscribe-stream', stream: name, start };
  const count = Number(options.count ?? 0n);
  if (count === 0 || (start === 'end' && !backwards)) throw new Fault(status.UNKNOWN, 'Unexpected ReadStreamResult: Error');
  return { ...common, kind: 'stream', stream: name, start, count, backwards, positions: (options.control?.compatibility ?? 0) >= 1 };
}

/** A stream has no filter, a subscription reads forwards, and every field is required. */
function checkCombination(options: Options): void {
  const direction = options.direction ?? 0;
  const count = options.subscription ? 'Subscription' : options.count !== undefined ? 'Count' : 'None';
  const filter = options.filter ? 'Filter' : options.noFilter ? 'NoFilter' : 'None';
  const known = DIRECTIONS[direction] !== undefined && count !== 'None' && filter !== 'None';
  if (known && (options.all || filter === 'NoFilter') && (direction === 0 || count === 'Count')) return;
  throw invalidArgument(
    `The combination of (${options.all ? 'All' : 'Stream'}, ${count}, ${DIRECTIONS[direction] ?? direction}, ${filter}) is invalid.`,
  );
}

function uuidForm(option: ReturnType<typeof uuidOption> | undefined): UuidForm | undefined {
  if (!option) return undefined;
  return option.string ? 'string' : 'structured';
}

function streamName(identifier: ReturnType<typeof streamIdentifier> | undefined): string {
  const name = identifier?.name?.toString('utf8') ?? '';
  if (name === '') throw handlerThrew();
  return name;
}

export function streamStart({ start, end, revision }: ReturnType<typeof streamOptions>): StreamStart {
  if (start) return 'start';
  if (end) return 'end';
  if (revision === undefined) throw handlerThrew();
  if (revision === UINT64_MAX) return 'end';
  if (revision >= INT64) throw handlerThrew();
  return Number(revision);
}

export function allStart({ start, end, position }: ReturnType<typeof allOptions>): AllStart {
  if (start) return 'start';
  if (end) return 'end';
  if (!position) throw handlerThrew();
  const { commit = 0n, prepare = 0n } = position;
  if (commit === UINT64_MAX && prepare === UINT64_MAX) return 'end';
  if (prepare > commit) throw handlerThrew();
  return { commit: Number(commit), prepare: Number(prepare) };
}

function filterWindow(filter: ReturnType<typeof filterOptions>, subscription: boolean): FilterWindow {
  const multiplier = filter.multiplier ?? 0;
  const expression = filter.stream ?? filter.type;
  if (!expression)
    throw invalidArgument(
      `'{ "count": { }, "checkpointIntervalMultiplier": ${multiplier} }' is not a valid EventStore.Client.Streams.ReadReq+Types+Options+Types+FilterOptions`,
    );
  const matches = eventFilter({
    on: filter.stream ? 'stream' : 'type',
    regex: expression.regex ?? '',
    prefixes: expression.prefixes ?? [],
  });
  if (filter.max === undefined && !filter.count)
    throw invalidArgument("'None' is not a valid EventStore.Client.Streams.ReadReq+Types+Options+Types+FilterOptions+WindowOneofCase");
  if (subscription && multiplier === 0) throw handlerThrew();
  return { matches, pageSize: filter.max ?? DEFAULT_WINDOW, pages: multiplier };
}
