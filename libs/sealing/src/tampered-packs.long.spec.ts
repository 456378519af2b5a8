import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  base64,
  canonicalJson,
  fromBase64,
  NO_EVENTS,
  noteText,
  type PackLine,
  packText,
  type PackVerdict,
  parseNote,
  parseTreeHead,
  sign,
  type SignerKey,
  treeHeadText,
  verifyPack,
} from '#audit';
import { appendChained, deterministicId, instantFrom, type NewEvent } from '#eventsourcing';
import { type TestStores, testStores } from '../../../test/stores.js';
import { exportPack, type PackRequest } from './export-pack.js';
import { LogTree } from './log-tree.js';
import { nativeEd25519, nativeSha256 } from './native.js';
import { seal } from './seal.js';
import { sealingKeyIn } from './sealing-key.js';

/**
 * Packs that somebody has changed, before both verifiers: ours, and the Python one in examples/, which has to come to the same verdict word
 * for word. Where `resigned`, whoever changed the pack has the log's own key, and has signed the pack anew: then the proofs alone are left.
 */
let stores: TestStores;
let folder: string;
let key: SignerKey;
let ticket: readonly PackLine[];
let client: readonly PackLine[];
let period: readonly PackLine[];
let minimal: readonly PackLine[];

const VERIFIER = 'examples/verify_pack.py';
const python = spawnSync('python3', ['-c', 'import cryptography'], { encoding: 'utf8' });
const hasPython = python.status === 0;
if (!hasPython)
  console.warn(
    `Left out: the Python verifier, which needs python3 with the package cryptography (${python.error?.message ?? python.stderr.trim()})`,
  );

/** Natively, since thousands of signatures are checked here. */
const verdictOf = (pack: Buffer): PackVerdict => verifyPack(pack, { sha256: nativeSha256, ed25519: nativeEd25519 });

beforeAll(async () => {
  stores = await testStores({ empty: true });
  folder = await mkdtemp(join(tmpdir(), 'tierline-packs-'));
  const { store, mongo, directory } = stores;
  const logTree = new LogTree(store, mongo.db, ['ticket', 'contract']);
  const keyFile = join(directory, 'key');
  const publishing = { file: join(directory, 'heads') };
  const sealNow = async () => (await seal({ store, tree: logTree, key: () => sealingKeyIn(keyFile), publishing }))!;
  const pack = async (request: PackRequest) => {
    const lines: PackLine[] = [];
    const sealed = await sealNow();
    await exportPack({
      store,
      tree: logTree,
      sealed,
      key: await sealingKeyIn(keyFile),
      request,
      definitions: [{ name: 'tzdata', value: '2026a' }],
      streamsOfTicket: (client) => [`contract-${client}`],
      write: (line) => void lines.push(JSON.parse(line) as PackLine),
    });
    return lines;
  };
  await appendChained(store, 'ticket-minimal', NO_EVENTS, [eventOf('m', 'minimal', { n: 1.5e-7 })]);
  minimal = await pack({ kind: 'ticket', ticket: 'minimal', stream: 'ticket-minimal' });
  for (const name of ['a', 'b', 'c']) {
    await appendChained(store, `contract-${name}`, NO_EVENTS, [eventOf(name, `contract ${name}`, { terms: '€' })]);
    for (const number of [1, 2]) {
      const stream = `ticket-${name}${number}`;
      await appendChained(
        store,
        stream,
        NO_EVENTS,
        Array.from({ length: 4 }, (_, index) =>
          eventOf(name, `${stream} ${index}`, { index, text: '😀\u2028\u007f"\\\n', 'é\ufb33': [1e21, -0.1, null] }),
        ),
      );
    }
    await sealNow();
  }
  key = await sealingKeyIn(keyFile);
  ticket = await pack({ kind: 'ticket', ticket: 'b1', stream: 'ticket-b1' });
  client = await pack({ kind: 'client', client: 'b' });
  period = await pack({ kind: 'period', from: instantFrom(0), to: instantFrom(Date.now()) });
});

afterAll(async () => {
  await stores.close();
  await rm(folder, { recursive: true, force: true });
});

function eventOf(client: string, id: string, data: object): NewEvent {
  const commandId = deterministicId(id);
  const now = instantFrom(Date.now());
  const actor = { id: 'ada', kind: 'agent' as const };
  const metadata = { commandId, commandType: 'Happen', correlationId: commandId, causationId: commandId, actor, client };
  return { id: randomUUID(), type: 'Happened', data, metadata: { ...metadata, effectiveAt: now, recordedAt: now, schemaVersion: 1 } };
}

const bytesOf = (lines: readonly object[]): Buffer => Buffer.from(lines.map((line) => `${canonicalJson(line)}\n`).join(''));

/** Counted and signed anew by one who has the key. */
function resigned(lines: readonly PackLine[]): Buffer {
  const body = lines.filter(({ kind }) => kind !== 'end');
  const count = (kind: PackLine['kind']) => body.filter((line) => line.kind === kind).length;
  const counts = {
    keys: count('key'),
    heads: count('head'),
    definitions: count('definition'),
    streams: count('stream'),
    events: count('event'),
  };
  const digest = createHash('sha256').update(bytesOf(body)).digest('hex');
  const { origin } = lines[0] as Extract<PackLine, { kind: 'manifest' }>;
  const note = noteText(sign({ text: packText(origin, digest) }, key));
  return bytesOf([...body, { kind: 'end', lines: body.length + 1, counts, sha256: digest, note }]);
}

/** What the Python verifier says of packs, in the form of ours. */
async function pythonVerdicts(packs: readonly Buffer[]): Promise<unknown[]> {
  const files = packs.map((_, index) => join(folder, `${index}.ndjson`));
  await Promise.all(packs.map((pack, index) => writeFile(files[index]!, pack)));
  const { stdout, stderr, error } = spawnSync('python3', [VERIFIER, '--json', ...files], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (error !== undefined || stderr !== '') throw error ?? new Error(stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

const plain = (verdict: unknown): unknown => JSON.parse(JSON.stringify(verdict));

/** Both verifiers refuse each, for the same reasons. */
async function expectCaught(packs: ReadonlyMap<string, Buffer>): Promise<Map<string, PackVerdict>> {
  const verdicts = new Map(Array.from(packs, ([what, pack]) => [what, verdictOf(pack)]));
  expect([...verdicts].filter(([, { integrity, completeness }]) => integrity && completeness).map(([what]) => what)).toEqual([]);
  if (hasPython) {
    const theirs = await pythonVerdicts([...packs.values()]);
    expect([...packs.keys()].map((what, index) => [what, theirs[index]])).toEqual(
      Array.from(verdicts, ([what, verdict]) => [what, plain(verdict)]),
    );
  }
  return verdicts;
}

const packs = () => ({ ticket, client, period, minimal });

it('unchanged packs are valid for both', async () => {
  for (const lines of Object.values(packs())) {
    const pack = bytesOf(lines);
    expect(verdictOf(pack)).toMatchObject({ integrity: true, completeness: true, failures: [] });
    // With what runs in browsers.
    expect(verifyPack(pack)).toEqual(verdictOf(pack));
    if (hasPython)
      expect(await pythonVerdicts([pack, resigned(lines)])).toEqual([plain(verdictOf(pack)), plain(verdictOf(resigned(lines)))]);
  }
});

(hasPython ? it : it.skip)('the Python verifier exits with 1 where a pack does not hold', async () => {
  const file = join(folder, 'whole.ndjson');
  await writeFile(file, bytesOf(ticket));
  expect(execFileSync('python3', [VERIFIER, file], { encoding: 'utf8' })).toContain('integrity     holds\ncompleteness  holds');
  await writeFile(file, bytesOf(ticket.slice(0, -2)));
  expect(spawnSync('python3', [VERIFIER, file], { encoding: 'utf8' })).toMatchObject({
    status: 1,
    stdout: expect.stringContaining('truncated') as string,
  });
});

it('truncated at every position', async () => {
  const pack = bytesOf(minimal);
  const cut = new Map(Array.from({ length: pack.length }, (_, length) => [`${length}`, pack.subarray(0, length)]));
  const verdicts = await expectCaught(cut);
  expect([...verdicts.values()].every(({ completeness }) => !completeness)).toBe(true);
});

it('with any byte changed', async () => {
  const pack = bytesOf(minimal);
  const changed = new Map<string, Buffer>();
  for (let at = 0; at < pack.length; at++) {
    const copy = Buffer.from(pack);
    // Another digit or letter, most of the time: what a hand would change.
    copy[at]! ^= 1;
    changed.set(`${at}`, copy);
  }
  await expectCaught(changed);
});

it('with a line dropped, doubled, moved or inserted, and signed anew', async () => {
  const changed = new Map<string, Buffer>();
  for (const [name, lines] of Object.entries(packs())) {
    for (let at = 0; at < lines.length - 1; at++) {
      const { kind } = lines[at]!;
      // Definitions are not events: whoever has the key says what they are. Of heads between the first and the last, some may be left out.
      if (kind === 'definition') continue;
      const mayBeDropped = kind === 'head' && at > 2 && lines[at + 1]?.kind !== 'head' ? false : kind === 'head';
      if (!mayBeDropped) changed.set(`${name} without line ${at} (${kind})`, resigned(lines.toSpliced(at, 1)));
      changed.set(`${name} with line ${at} (${kind}) twice`, resigned(lines.toSpliced(at, 0, lines[at]!)));
      for (let to = 0; to < lines.length - 1; to++) {
        // Everywhere in the shortest packs, and by one place in the others.
        if (to === at || to === at + 1 || (lines.length > 12 && Math.abs(to - at) > 2)) continue;
        const moved = lines.toSpliced(at, 1);
        changed.set(`${name} with line ${at} (${kind}) at ${to}`, resigned(moved.toSpliced(to > at ? to - 1 : to, 0, lines[at]!)));
      }
    }
  }
  await expectCaught(changed);
});

it('with anything in a line changed, and signed anew', async () => {
  const changed = new Map<string, Buffer>();
  for (const [name, lines] of Object.entries(packs())) {
    for (const [at, line] of lines.entries()) {
      if (line.kind === 'definition' || line.kind === 'end') continue;
      // Of the longer packs the first line of each kind: the others are like it.
      if (lines.length > 12 && lines.findIndex(({ kind }) => kind === line.kind) < at) continue;
      for (const [path, altered] of alterations(line)) {
        // When it was made, and how long the period is that the heads enclose, is for the exporter to say.
        if (/^\.createdAt$/.test(path) || (name === 'period' && /^\.scope\.(from|to)$/.test(path))) continue;
        changed.set(`${name} line ${at} ${path}`, resigned(lines.with(at, altered as PackLine)));
      }
    }
  }
  expect(changed.size).toBeGreaterThan(100);
  await expectCaught(changed);
});

it('with streams swapped, signed anew', async () => {
  const changed = new Map<string, Buffer>();
  const at = client.flatMap((line, index) => (line.kind === 'stream' ? [index] : []));
  const streamAt = (index: number) => client.slice(at[index], at[index + 1] ?? client.length - 1);
  const before = client.slice(0, at[0]);
  changed.set('in another order', resigned([...before, ...streamAt(1), ...streamAt(0), ...streamAt(2)]));
  changed.set(
    'events under each other',
    resigned([...before, streamAt(0)[0]!, ...streamAt(1).slice(1), streamAt(1)[0]!, ...streamAt(0).slice(1), ...streamAt(2)]),
  );
  const renamed = (lines: readonly PackLine[], to: string) =>
    lines.map((line) =>
      line.kind === 'event' ? { ...line, event: { ...line.event, stream: to } } : line.kind === 'stream' ? { ...line, stream: to } : line,
    );
  const [one, other] = [0, 1].map((index) => (streamAt(index)[0] as Extract<PackLine, { kind: 'stream' }>).stream);
  changed.set('names exchanged', resigned([...before, ...renamed(streamAt(0), other!), ...renamed(streamAt(1), one!), ...streamAt(2)]));
  for (const index of [0, 1, 2])
    changed.set(`without stream ${index}`, resigned([...before, ...[0, 1, 2].filter((other) => other !== index).flatMap(streamAt)]));
  const verdicts = await expectCaught(changed);
  expect(verdicts.get('without stream 1')).toMatchObject({ integrity: true, completeness: false, failures: [{ code: 'scope-missing' }] });
});

it('with a tail cut off from its stream, signed anew', async () => {
  const last = ticket.findLastIndex((line) => line.kind === 'event' && line.event.stream === 'ticket-b1');
  const verdicts = await expectCaught(new Map([['tail', resigned(ticket.toSpliced(last, 1))]]));
  expect(verdicts.get('tail')).toMatchObject({
    integrity: true,
    completeness: false,
    failures: [{ code: 'events-missing' }, { code: 'scope-missing' }],
  });
});

it('with a view of its own: two heads of one size, each signed', async () => {
  const at = ticket.findLastIndex(({ kind }) => kind === 'head');
  const line = ticket[at] as Extract<PackLine, { kind: 'head' }>;
  const head = parseTreeHead(parseNote(line.note)!.text)!;
  const other = { ...head, root: head.root.map((byte) => byte ^ 1) };
  const note = noteText(sign({ text: treeHeadText(other) }, key));
  const both = resigned(ticket.toSpliced(at + 1, 0, { ...line, note, proof: [] }));
  const verdicts = await expectCaught(
    new Map([
      ['both', both],
      ['other', resigned(ticket.with(at, { ...line, note }))],
    ]),
  );
  expect(verdicts.get('both')!.failures[0]).toMatchObject({ code: 'split-view', line: at + 2 });
  // One that was published elsewhere.
  expect(verifyPack(bytesOf(ticket), { publishedHeads: [note] }).failures).toMatchObject([{ code: 'split-view' }]);
  expect(verifyPack(bytesOf(ticket), { publishedHeads: [line.note] }).failures).toEqual([]);
});

it('names the first event that fails', async () => {
  const at = ticket.findIndex((line) => line.kind === 'event' && line.event.revision === 2);
  const line = ticket[at] as Extract<PackLine, { kind: 'event' }>;
  const changed = { ...line, event: { ...line.event, data: { ...(line.event.data as object), index: 7 } } };
  const verdicts = await expectCaught(new Map([['changed', resigned(ticket.with(at, changed))]]));
  expect(verdicts.get('changed')!.failures).toMatchObject([
    { code: 'event-not-in-tree', line: at + 1, event: 'ticket-b1@2' },
    { code: 'chain-broken', line: at + 1, event: 'ticket-b1@2' },
  ]);
});

/** Every way in which one value of a line is another one, with its path. */
function alterations(value: unknown, path = ''): [string, unknown][] {
  if (typeof value === 'number') return [[path, value * 2 + 1]];
  if (value === null) return [[path, 'a'.repeat(64)]];
  if (typeof value === 'string') {
    const bytes = value.length >= 44 ? fromBase64(value) : undefined;
    if (bytes?.length === 32) return [[path, base64(bytes.map((byte, at) => (at === 9 ? byte ^ 4 : byte)))]];
    const at = Math.floor(value.length / 2);
    return [[path, value.length === 0 ? 'x' : value.slice(0, at) + (value[at] === 'x' ? 'y' : 'x') + value.slice(at + 1)]];
  }
  if (Array.isArray(value)) {
    return [
      ...value.flatMap((item, at) =>
        alterations(item, `${path}[${at}]`).map(([where, altered]): [string, unknown] => [where, value.with(at, altered)]),
      ),
      [`${path} longer`, [...(value as unknown[]), base64(new Uint8Array(32))]],
    ];
  }
  const fields = value as Readonly<Record<string, unknown>>;
  return [
    ...Object.entries(fields).flatMap(([name, field]) =>
      alterations(field, `${path}.${name}`).map(([where, altered]): [string, unknown] => [where, { ...fields, [name]: altered }]),
    ),
    [`${path} with another field`, { ...fields, more: 1 }],
  ];
}
