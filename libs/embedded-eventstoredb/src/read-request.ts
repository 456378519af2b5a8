import streams from '@eventstore/db-client/generated/streams_pb.js';
import { eventFilter, type EventFilter } from './event-filter.js';
import { Fault, handlerThrew, invalidArgument } from './faults.js';
import { status } from '@grpc/grpc-js';
import type { UuidForm } from './read-messages.js';

const { ReadReq } = streams;
type Options = streams.ReadReq.Options;

/** Where a read starts: an end of the stream or log, or a revision or position. */
export type StreamStart = 'start' | 'end' | number;
export type AllStart = 'start' | 'end' | { readonly commit: number; readonly prepare: number };

export interface FilterWindow {
  readonly matches: EventFilter;
  /** Events looked at between two checkpoints, as page size × number of pages. */
  readonly pageSize: number;
  readonly pages: number;
}

interface Common {
  readonly resolveLinks: boolean;
  /** Undefined when the request names none: the genuine server then never answers. */
  readonly uuid: UuidForm | undefined;
}

export type ReadRequest =
  | (Common & { readonly kind: 'stream'; readonly stream: string; readonly start: StreamStart; readonly count: number; readonly backwards: boolean; readonly positions: boolean })
  | (Common & { readonly kind: 'all'; readonly start: AllStart; readonly count: number; readonly backwards: boolean; readonly filter: FilterWindow | undefined })
  | (Common & { readonly kind: 'subscribe-stream'; readonly stream: string; readonly start: StreamStart })
  | (Common & { readonly kind: 'subscribe-all'; readonly start: AllStart; readonly filter: FilterWindow | undefined });

const DIRECTIONS = ['Forwards', 'Backwards'];
const UINT64_MAX = 2n ** 64n - 1n;
const INT64 = 2n ** 63n;
/** The window that `count {}` stands for. */
const DEFAULT_WINDOW = 32;

/** Checks a `ReadReq` and says what is asked; throws the answer to requests that make no sense. */
export function parseReadRequest(request: streams.ReadReq): ReadRequest {
  const options = request.getOptions();
  if (!options) throw handlerThrew();
  if (options.getStreamOptionCase() === ReadReq.Options.StreamOptionCase.STREAM_OPTION_NOT_SET) {
    throw invalidArgument("'None' is not a valid EventStore.Client.Streams.ReadReq+Types+Options+StreamOptionOneofCase");
  }
  const all = options.hasAll();
  const backwards = options.getReadDirection() === ReadReq.Options.ReadDirection.BACKWARDS;
  checkCombination(options, all);
  const common = { resolveLinks: options.getResolveLinks(), uuid: uuidForm(options) };
  if (all) {
    const start = allStart(options);
    const filter = options.hasFilter() ? filterWindow(options, options.hasSubscription()) : undefined;
    if (options.hasSubscription()) return { ...common, kind: 'subscribe-all', start, filter };
    return { ...common, kind: 'all', start, filter, backwards, count: uint64(options.getCount()) };
  }
  const stream = options.getStream()?.getStreamIdentifier()?.getStreamName_asU8() ?? new Uint8Array();
  if (stream.length === 0) throw handlerThrew();
  const name = Buffer.from(stream).toString('utf8');
  const start = streamStart(options);
  if (options.hasSubscription()) return { ...common, kind: 'subscribe-stream', stream: name, start };
  const count = uint64(options.getCount());
  if (count === 0 || (start === 'end' && !backwards)) throw new Fault(status.UNKNOWN, 'Unexpected ReadStreamResult: Error');
  return { ...common, kind: 'stream', stream: name, start, count, backwards, positions: (options.getControlOption()?.getCompatibility() ?? 0) >= 1 };
}

/** A stream takes no filter, a subscription goes forwards, and everything has to be said. */
function checkCombination(options: Options, all: boolean): void {
  const direction = options.getReadDirection() as number;
  const count = options.hasSubscription() ? 'Subscription' : options.hasCount() ? 'Count' : 'None';
  const filter = options.hasFilter() ? 'Filter' : options.hasNoFilter() ? 'NoFilter' : 'None';
  const known = DIRECTIONS[direction] !== undefined && count !== 'None' && filter !== 'None';
  if (known && (all || filter === 'NoFilter') && (direction === 0 || count === 'Count')) return;
  throw invalidArgument(`The combination of (${all ? 'All' : 'Stream'}, ${count}, ${DIRECTIONS[direction] ?? direction}, ${filter}) is invalid.`);
}

function uuidForm(options: Options): UuidForm | undefined {
  const uuid = options.getUuidOption();
  if (uuid?.hasString()) return 'string';
  return uuid ? 'structured' : undefined;
}

/** The generated messages keep 64-bit numbers as text. */
const uint64 = (text: string): number => Number(BigInt.asUintN(64, BigInt(text)));

function streamStart(options: Options): StreamStart {
  const stream = options.getStream();
  if (stream?.hasStart()) return 'start';
  if (stream?.hasEnd()) return 'end';
  if (!stream?.hasRevision()) throw handlerThrew();
  const revision = BigInt.asUintN(64, BigInt(stream.getRevision()));
  if (revision === UINT64_MAX) return 'end';
  if (revision >= INT64) throw handlerThrew();
  return Number(revision);
}

function allStart(options: Options): AllStart {
  const all = options.getAll();
  if (all?.hasStart()) return 'start';
  if (all?.hasEnd()) return 'end';
  const position = all?.getPosition();
  if (!position) throw handlerThrew();
  const [commit, prepare] = [BigInt.asUintN(64, BigInt(position.getCommitPosition())), BigInt.asUintN(64, BigInt(position.getPreparePosition()))];
  if (commit === UINT64_MAX && prepare === UINT64_MAX) return 'end';
  if (prepare > commit) throw handlerThrew();
  return { commit: Number(commit), prepare: Number(prepare) };
}

function filterWindow(options: Options, subscription: boolean): FilterWindow {
  const filter = options.getFilter() as streams.ReadReq.Options.FilterOptions;
  const multiplier = filter.getCheckpointintervalmultiplier();
  const expression = filter.getStreamIdentifier() ?? filter.getEventType();
  if (!expression) throw invalidArgument(`'{ "count": { }, "checkpointIntervalMultiplier": ${multiplier} }' is not a valid EventStore.Client.Streams.ReadReq+Types+Options+Types+FilterOptions`);
  const matches = eventFilter({ on: filter.hasStreamIdentifier() ? 'stream' : 'type', regex: expression.getRegex(), prefixes: expression.getPrefixList() });
  if (!filter.hasMax() && !filter.hasCount()) throw invalidArgument("'None' is not a valid EventStore.Client.Streams.ReadReq+Types+Options+Types+FilterOptions+WindowOneofCase");
  if (subscription && multiplier === 0) throw handlerThrew();
  return { matches, pageSize: filter.hasMax() ? filter.getMax() : DEFAULT_WINDOW, pages: multiplier };
}
