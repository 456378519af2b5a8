import { sha256 as portableSha256 } from '@noble/hashes/sha2.js';
import { base64, equal, fromBase64, fromUtf8, hex, type Sha256, utf8 } from './bytes.js';
import { canonicalJson } from './canonical-json.js';
import { follow, isBroken, type Chain } from './chain.js';
import { type EventRecord, leafText, storedHash } from './event-record.js';
import { merkleTree } from './merkle.js';
import { keyText, PACK_FORMAT, type PackLine, packText } from './proof-pack.js';
import { type Ed25519Verify, parseNote, parseVerifierKey, signersOf, type VerifierKey, verifierKeyText } from './signed-note.js';
import { nameDigest, streamEndLeaf } from './stream-end.js';
import { parseTreeHead, type TreeHead } from './tree-head.js';

/** Why a pack is invalid. Stable. */
export type PackFailureCode =
  | 'malformed'
  | 'pack-altered'
  | 'key-not-introduced'
  | 'key-not-trusted'
  | 'head-not-signed'
  | 'head-inconsistent'
  | 'split-view'
  | 'stream-not-in-tree'
  | 'stream-misplaced'
  | 'event-not-in-tree'
  | 'event-misplaced'
  | 'chain-broken'
  | 'truncated'
  | 'count-mismatch'
  | 'events-missing'
  | 'scope-missing';

export interface PackFailure {
  readonly code: PackFailureCode;
  /** Number of the line, from 1. */
  readonly line: number;
  /** `<stream>@<revision>` of the event in question. */
  readonly event?: string;
}

export interface PackVerdict {
  /** Whether everything in the pack is as recorded and sealed. */
  readonly integrity: boolean;
  /** Whether the pack contains everything that it claims to. */
  readonly completeness: boolean;
  /** The failures, in order of lines. */
  readonly failures: readonly (PackFailure & { readonly verdict: 'integrity' | 'completeness' })[];
  readonly events: number;
  readonly streams: number;
  /** Keys of the pack, `<name>+<hash>+<key>`: compare one with what was published. */
  readonly keys: readonly string[];
  /** The log as of the last head. */
  readonly head?: { readonly origin: string; readonly size: number; readonly root: string; readonly at: string };
  /** Proof begins here: earlier events were sealed as found. */
  readonly provenFrom?: { readonly size: number; readonly at: string };
}

export interface VerifyOptions {
  /** Keys from another source: one of them must be in the pack. Without any, the pack only proves that it is consistent. */
  readonly trustedKeys?: readonly VerifierKey[];
  /** Tree heads from another source, as signed notes: the pack must not contradict them. */
  readonly publishedHeads?: readonly string[];
  /** Native ones are faster than the portable defaults. */
  readonly sha256?: Sha256;
  readonly ed25519?: Ed25519Verify;
}

const COMPLETENESS: ReadonlySet<PackFailureCode> = new Set(['truncated', 'count-mismatch', 'events-missing', 'scope-missing']);

type Line<Kind extends PackLine['kind']> = Extract<PackLine, { readonly kind: Kind }>;

/** Verifies a proof pack, from the pack alone. Never throws: unreadable content is a failure. */
export function verifyPack(
  pack: Uint8Array,
  { trustedKeys = [], publishedHeads = [], sha256 = portableSha256, ed25519 }: VerifyOptions = {},
): PackVerdict {
  const tree = merkleTree(sha256);
  const hashText = (text: string): string => hex(sha256(utf8(text)));
  const failures: PackFailure[] = [];
  let number = 0;
  const fail = (code: PackFailureCode, event?: EventRecord): void => {
    failures.push({ code, line: number, ...(event && { event: `${event.stream}@${event.revision}` }) });
  };

  const counts = { keys: 0, heads: 0, definitions: 0, streams: 0, events: 0 };
  let manifest: Line<'manifest'> | undefined;
  const keys: VerifierKey[] = [];
  const heads: TreeHead[] = [];
  let stream: Line<'stream'> | undefined;
  let chain: Chain | undefined;
  let revision = -1;
  let lastLeafHash = '';
  let leafIndex = -1;
  let streamIndex = -1;
  const clientIndexes: number[] = [];
  const neighbours: { readonly index: number; readonly client: string }[] = [];
  const leaves: number[] = [];
  const streamsFromStart = new Set<string>();
  let ended = false;

  const endStream = (): void => {
    if (stream === undefined || manifest?.scope.kind === 'period') return;
    if (revision !== stream.events - 1 || lastLeafHash !== stream.last) fail('events-missing');
    else if (stream.from === 0) streamsFromStart.add(stream.stream);
  };

  const verify = (line: PackLine, before: Uint8Array): void => {
    const last = heads.at(-1);
    switch (line.kind) {
      case 'manifest':
        if (number !== 1) return fail('malformed');
        manifest = line;
        return;
      case 'key': {
        counts.keys++;
        const note = parseNote(line.note);
        const introduced = note && /^(\S+)\nkey (\S+)\n$/.exec(note.text);
        const key = introduced?.[2] === undefined ? undefined : parseVerifierKey(introduced[2]);
        const previous = keys.at(-1);
        const expected = key && (previous === undefined ? [key] : [key, previous]);
        if (
          note === undefined ||
          key === undefined ||
          expected === undefined ||
          note.text !== keyText(manifest?.origin ?? '', verifierKeyText(key)) ||
          signersOf(note, expected, ed25519)?.length !== expected.length
        )
          return fail('key-not-introduced');
        keys.push(key);
        return;
      }
      case 'head': {
        counts.heads++;
        const note = parseNote(line.note);
        const head = note && parseTreeHead(note.text);
        if (note === undefined || head === undefined || head.origin !== manifest?.origin || !signersOf(note, keys, ed25519)?.length)
          return fail('head-not-signed');
        const proof = hashes(line.proof);
        if (last !== undefined) {
          if (head.size === last.size && !equal(head.root, last.root)) return fail('split-view');
          if (head.size === last.size || head.at < last.at || !tree.isConsistent(last.size, last.root, head.size, head.root, proof))
            return fail('head-inconsistent');
        } else if (proof.length > 0) return fail('head-inconsistent');
        heads.push(head);
        return;
      }
      case 'definition':
        counts.definitions++;
        return;
      case 'neighbour':
        if (
          last === undefined ||
          !tree.isIncluded(tree.leafHash(streamEndLeaf(line.end)), line.index, last.streams.size, last.streams.root, hashes(line.proof))
        )
          return fail('stream-not-in-tree');
        if (line.index <= (neighbours.at(-1)?.index ?? -1)) return fail('stream-misplaced');
        neighbours.push({ index: line.index, client: line.end.client });
        return;
      case 'stream': {
        endStream();
        counts.streams++;
        stream = line;
        revision = line.from - 1;
        chain = { hash: line.previous, revision, begun: false };
        leafIndex = -1;
        lastLeafHash = '';
        const client = nameDigest(line.client, sha256);
        const leaf = tree.leafHash(
          streamEndLeaf({ client, stream: nameDigest(line.stream, sha256), events: line.events, last: line.last }),
        );
        if (last === undefined || !tree.isIncluded(leaf, line.index, last.streams.size, last.streams.root, hashes(line.proof)))
          fail('stream-not-in-tree');
        if (line.index <= streamIndex) fail('stream-misplaced');
        streamIndex = line.index;
        if (manifest?.scope.kind === 'client' && line.client === manifest.scope.client) clientIndexes.push(line.index);
        return;
      }
      case 'event': {
        counts.events++;
        const { event, leaf } = line;
        if (stream === undefined || event.stream !== stream.stream || leaf <= leafIndex || event.revision <= revision)
          return fail('event-misplaced', event);
        leafIndex = leaf;
        leaves.push(leaf);
        const leafHash = tree.leafHash(utf8(leafText(event)));
        lastLeafHash = base64(leafHash);
        if (last === undefined || !tree.isIncluded(leafHash, leaf, last.size, last.root, hashes(line.proof)))
          fail('event-not-in-tree', event);
        if (event.revision !== revision + 1) {
          fail('events-missing', event);
          // The event that its hash links to is not here: the chain resumes at the next event.
          const hash = storedHash(event);
          chain = typeof hash === 'string' ? { hash, revision: event.revision, begun: true } : undefined;
        } else if (chain !== undefined) {
          const next = follow(chain, event, hashText);
          if (isBroken(next)) fail('chain-broken', event);
          chain = isBroken(next) ? undefined : next;
        }
        revision = event.revision;
        return;
      }
      case 'end': {
        endStream();
        stream = undefined;
        ended = true;
        if (canonicalJson(line.counts) !== canonicalJson(counts)) fail('count-mismatch');
        const note = parseNote(line.note);
        const key = keys.at(-1);
        if (
          line.lines !== number ||
          line.sha256 !== hex(sha256(before)) ||
          note?.text !== packText(manifest?.origin ?? '', line.sha256) ||
          key === undefined ||
          !signersOf(note, [key], ed25519)?.length
        )
          fail('pack-altered');
      }
    }
  };

  let at = 0;
  let order = 0;
  while (at < pack.length) {
    const next = pack.indexOf(10, at);
    number++;
    if (next < 0 || ended) {
      fail(next < 0 ? 'truncated' : 'malformed');
      break;
    }
    const line = parseLine(pack.subarray(at, next));
    const place = line === undefined ? -1 : ORDER[line.kind];
    if (line === undefined || place < order || (number === 1) !== (line.kind === 'manifest')) {
      fail('malformed');
      break;
    }
    order = place;
    verify(line, pack.subarray(0, at));
    at = next + 1;
  }

  // Failures of the pack as a whole.
  number = Math.max(number, 1);
  if (!ended && !failures.some(({ code }) => code === 'truncated' || code === 'malformed')) fail('truncated');
  if (trustedKeys.length > 0 && !trustedKeys.some((trusted) => keys.some((key) => verifierKeyText(key) === verifierKeyText(trusted))))
    fail('key-not-trusted');
  for (const published of publishedHeads) {
    const note = parseNote(published);
    const head = note && parseTreeHead(note.text);
    if (note === undefined || head === undefined || !signersOf(note, keys, ed25519)?.length) fail('head-not-signed');
    else if (heads.some(({ size, root, origin }) => origin === head.origin && size === head.size && !equal(root, head.root)))
      fail('split-view');
  }
  if (manifest !== undefined && !isWholeScope(manifest.scope)) fail('scope-missing');

  function isWholeScope(scope: Line<'manifest'>['scope']): boolean {
    const head = heads.at(-1);
    if (head === undefined) return false;
    switch (scope.kind) {
      case 'ticket':
        return scope.stream === `ticket-${scope.ticket}` && streamsFromStart.has(scope.stream);
      case 'client': {
        const [first, last] = [clientIndexes[0], clientIndexes.at(-1)];
        const isOther = (index: number) =>
          index < 0 ||
          index >= head.streams.size ||
          neighbours.some((other) => other.index === index && other.client !== nameDigest(scope.client, sha256));
        return (
          first !== undefined && last !== undefined && last - first === clientIndexes.length - 1 && isOther(first - 1) && isOther(last + 1)
        );
      }
      case 'period': {
        const { from, to, fromSize, toSize } = scope;
        const sorted = leaves.toSorted((a, b) => a - b);
        const [start, end] = [heads.find(({ size }) => size === fromSize), heads.find(({ size }) => size === toSize)];
        return (
          sorted.length === toSize - fromSize &&
          sorted.every((leaf, index) => leaf === fromSize + index) &&
          (fromSize === 0 || (start !== undefined && start.at <= from)) &&
          end !== undefined &&
          (end.at >= to || end === head)
        );
      }
    }
  }

  const verdicts = failures
    .map((failure) => ({ ...failure, verdict: COMPLETENESS.has(failure.code) ? ('completeness' as const) : ('integrity' as const) }))
    .sort((a, b) => a.line - b.line);
  const [first, head] = [heads[0], heads.at(-1)];
  const isWhole = !verdicts.some(({ code }) => code === 'malformed');
  return {
    integrity: verdicts.every(({ verdict }) => verdict !== 'integrity'),
    completeness: isWhole && verdicts.every(({ verdict }) => verdict !== 'completeness'),
    failures: verdicts,
    events: counts.events,
    streams: counts.streams,
    keys: keys.map(verifierKeyText),
    ...(head && { head: { origin: head.origin, size: head.size, root: base64(head.root), at: head.at } }),
    ...(first && { provenFrom: { size: first.size, at: first.at } }),
  };
}

/** The events of a pack, as far as readable. `verifyPack` tells whether they are valid. */
export function* eventsOfPack(pack: Uint8Array): Generator<EventRecord> {
  for (let at = 0, next = pack.indexOf(10); next >= 0; at = next + 1, next = pack.indexOf(10, at)) {
    const line = parseLine(pack.subarray(at, next));
    if (line === undefined) return;
    if (line.kind === 'event') yield line.event;
  }
}

const ORDER: Readonly<Record<PackLine['kind'], number>> = {
  manifest: 0,
  key: 1,
  head: 2,
  definition: 3,
  neighbour: 4,
  stream: 5,
  event: 5,
  end: 6,
};

/** Bytes of hashes; an unreadable one is empty, and proves nothing. */
function hashes(proof: readonly string[]): readonly Uint8Array[] {
  return proof.map((hash) => fromBase64(hash) ?? new Uint8Array());
}

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === 'string';
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isProof: Check = (value) => Array.isArray(value) && value.every(isText);
const hashOrNull: Check = (value) => value === null || (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value));
const anything: Check = () => true;
const fields =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.keys(value).length === Object.keys(checks).length &&
    Object.entries(checks).every(([name, check]) => Object.hasOwn(value, name) && check((value as Record<string, unknown>)[name]));
const isObject: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

const isScope: Check = (value) =>
  [
    fields({ kind: (kind) => kind === 'ticket', ticket: isText, stream: isText }),
    fields({ kind: (kind) => kind === 'client', client: isText }),
    fields({ kind: (kind) => kind === 'period', from: isText, to: isText, fromSize: isCount, toSize: isCount }),
  ].some((check) => check(value));

/** Exactly these fields: nothing unproved is included. */
const CHECKS: Readonly<Record<PackLine['kind'], Check>> = {
  manifest: fields({
    kind: isText,
    format: (format) => format === PACK_FORMAT,
    origin: isText,
    createdAt: isText,
    scope: isScope,
  }),
  key: fields({ kind: isText, note: isText }),
  head: fields({ kind: isText, note: isText, proof: isProof }),
  definition: fields({ kind: isText, name: isText, value: anything }),
  neighbour: fields({
    kind: isText,
    index: isCount,
    end: fields({ client: isText, stream: isText, events: isCount, last: isText }),
    proof: isProof,
  }),
  stream: fields({
    kind: isText,
    stream: isText,
    client: isText,
    index: isCount,
    events: isCount,
    last: isText,
    proof: isProof,
    from: isCount,
    previous: hashOrNull,
  }),
  event: fields({
    kind: isText,
    leaf: isCount,
    proof: isProof,
    event: fields({ id: isText, stream: isText, revision: isCount, type: isText, data: anything, metadata: isObject }),
  }),
  end: fields({
    kind: isText,
    lines: isCount,
    counts: fields({ keys: isCount, heads: isCount, definitions: isCount, streams: isCount, events: isCount }),
    sha256: isText,
    note: isText,
  }),
};

/** Parses a line of a pack; undefined if invalid. Only canonical JSON is valid: one text per content. */
function parseLine(bytes: Uint8Array): PackLine | undefined {
  try {
    const text = fromUtf8(bytes);
    const line: unknown = JSON.parse(text);
    if (!isObject(line)) return undefined;
    const { kind } = line as { readonly kind?: unknown };
    if (typeof kind !== 'string' || !Object.hasOwn(CHECKS, kind) || !CHECKS[kind as PackLine['kind']](line)) return undefined;
    return canonicalJson(line) === text ? (line as PackLine) : undefined;
  } catch {
    return undefined;
  }
}
