import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import {
  GrowingRoot,
  hex,
  NO_EVENTS,
  noteText,
  type PackVerdict,
  parseNote,
  parseTreeHead,
  sign,
  signerKey,
  signersOf,
  treeHeadText,
  verifierKeyText,
  verifyPack,
} from '#audit';
import { appendChained, deterministicId, instantFrom, type NewEvent, SEAL_STREAM, type StoredEvent } from '#eventsourcing';
import type { ConfigError } from '#platform';
import { eventually } from '../../../test/eventually.js';
import { type TestStores, testStores } from '../../../test/stores.js';
import { auditLog } from './audit-log.js';
import { checkSealing } from './check-sealing.js';
import { exportPack, type PackRequest } from './export-pack.js';
import { leafHashOf, LogTree, tree } from './log-tree.js';
import { publishedHeads } from './publish.js';
import { LogContradictsSeal, seal } from './seal.js';
import { readSealLog } from './seal-log.js';
import { startSealer } from './sealer.js';
import { sealingHealth } from './sealing-health.js';
import { rotateKey, sealingKeyIn, SealingKeyUnusable } from './sealing-key.js';

/** A log of its own: one tree is of one log. */
let stores: TestStores;
let logTree: LogTree;
let keyFile: string;
let headsFile: string;

const CATEGORIES = ['ticket', 'contract'];
const clients = ['sealed-a', 'sealed-b', 'sealed-c'];

beforeAll(async () => {
  stores = await testStores({ empty: true });
  logTree = new LogTree(stores.store, stores.mongo.db, CATEGORIES);
  keyFile = join(stores.directory, 'sealing-key');
  headsFile = join(stores.directory, 'tree-heads.ndjson');
});

afterAll(() => stores.close());

function eventOf(client: string, key: string, data: object): NewEvent {
  const commandId = deterministicId(key);
  const now = instantFrom(Date.now());
  return {
    id: randomUUID(),
    type: 'Happened',
    data,
    metadata: {
      commandId,
      commandType: 'Happen',
      correlationId: commandId,
      causationId: commandId,
      actor: { id: 'ada', kind: 'agent' },
      client,
      effectiveAt: now,
      recordedAt: now,
      schemaVersion: 1,
    },
  };
}

/** Streams with some events each, a contract for each client, and one from before there were hashes. */
async function fill(round: number): Promise<void> {
  const { store } = stores;
  for (const client of clients) {
    await appendChained(store, `contract-${client}-${round}`, NO_EVENTS, [eventOf(client, `${client} ${round}`, { terms: 'é', n: 1e21 })]);
    for (let ticket = 0; ticket < 3; ticket++) {
      const stream = `ticket-${client}-${round}-${ticket}`;
      const events = Array.from({ length: 4 }, (_, index) => eventOf(client, `${stream} ${index}`, { index, note: '😀\u2028"\\' }));
      const { chain } = await appendChained(store, stream, NO_EVENTS, events.slice(0, 2));
      await appendChained(store, stream, chain, events.slice(2));
    }
  }
  const old = eventOf('sealed-a', `old ${round}`, { old: true });
  await store.append(`ticket-old-${round}`, 'no-stream', [old, { ...old, id: randomUUID() }]);
}

const sealNow = () => seal({ store: stores.store, tree: logTree, key: () => sealingKeyIn(keyFile), publishing: { file: headsFile } });

async function leaves(): Promise<StoredEvent[]> {
  const found: StoredEvent[] = [];
  for await (const event of stores.store.readAll({ streamPrefixes: CATEGORIES.map((category) => `${category}-`) })) found.push(event);
  return found;
}

async function packOf(request: PackRequest): Promise<Buffer> {
  const sealed = (await sealNow())!;
  const lines: string[] = [];
  await exportPack({
    store: stores.store,
    tree: logTree,
    sealed,
    key: await sealingKeyIn(keyFile),
    request,
    definitions: [{ name: 'tzdata', value: '2026a' }],
    streamsOfTicket: (client) => [`contract-${client}-1`],
    write: (line) => void lines.push(line),
  });
  return Buffer.from(lines.join(''));
}

const sound = (verdict: PackVerdict) => ({ integrity: verdict.integrity, completeness: verdict.completeness, failures: verdict.failures });
const SOUND = { integrity: true, completeness: true, failures: [] };

it('unusable places are all reported before anything is sealed, and nothing is created', async () => {
  const folder = join(stores.directory, 'places');
  const [text, broken, repository, bare] = ['text', 'broken', 'repository', 'bare.git'].map((name) => join(folder, name)) as Four;
  await mkdir(folder);
  await writeFile(text, 'something else\n');
  await writeFile(broken, '"tierline');
  execFileSync('git', ['init', '--quiet', repository]);
  execFileSync('git', ['init', '--quiet', '--bare', bare]);
  const identity = ['user.name', 'user.email'];
  for (const name of identity) execFileSync('git', ['-C', repository, 'config', name, 'sealer@example']);
  const places = { everyMinutes: 60, keyFile: join(folder, 'a', 'key'), headsFile: join(folder, 'b', 'heads'), headsGit: repository };
  const faults = (wrong: Partial<typeof places>) =>
    checkSealing({ ...places, ...wrong }).then(
      () => [],
      (error: ConfigError) => error.faults.map(({ field, message }) => `${field} ${message}`),
    );

  expect(await faults({})).toEqual([]);
  expect(await faults({ headsFile: broken })).toEqual([]);
  expect(await faults({ keyFile: folder, headsFile: folder, headsGit: folder })).toEqual([
    expect.stringMatching(/^SEALING_KEY_FILE .*EISDIR/),
    expect.stringMatching(/^TREE_HEADS_FILE .*is a directory/),
    expect.stringMatching(/^TREE_HEADS_GIT .*not a git repository/),
  ]);
  expect(await faults({ keyFile: text, headsFile: text, headsGit: bare })).toEqual([
    expect.stringMatching(/^SEALING_KEY_FILE .*holds no signing key/),
    expect.stringMatching(/^TREE_HEADS_FILE .*holds something else/),
    expect.stringMatching(/^TREE_HEADS_GIT .*in no working tree/),
  ]);
  expect(await faults({ keyFile: join(text, 'key'), headsFile: '/dev/null', headsGit: join(folder, 'none') })).toEqual([
    expect.stringMatching(/^SEALING_KEY_FILE .*ENOTDIR/),
    expect.stringMatching(/^TREE_HEADS_FILE .*is no file/),
    expect.stringMatching(/^TREE_HEADS_GIT .*cannot change to/),
  ]);
  for (const name of identity) execFileSync('git', ['-C', repository, 'config', name, '']);
  expect(await faults({})).toEqual([expect.stringMatching(/^TREE_HEADS_GIT .*ident/)]);
  expect(await readdir(folder)).toEqual(['bare.git', 'broken', 'repository', 'text']);
  expect(await readdir(repository)).toEqual(['.git']);
});

type Four = [string, string, string, string];

it('an empty log is not sealed', async () => {
  expect(await sealNow()).toBeUndefined();
});

it('a log is sealed as it is, and again when it has grown', async () => {
  await fill(1);
  const first = (await sealNow())!;
  expect(first.isNew).toBe(true);
  expect(await sealNow()).toMatchObject({ isNew: false, note: first.note });
  await fill(2);
  const second = (await sealNow())!;
  const root = new GrowingRoot(tree);
  const all = await leaves();
  const roots = all.map((event) => (root.add(leafHashOf(event)), hex(root.root())));
  expect([first.head.size, second.head.size]).toEqual([all.length / 2, all.length]);
  expect([hex(first.head.root), hex(second.head.root)]).toEqual([roots[first.head.size - 1], roots.at(-1)]);
  expect(await publishedHeads(headsFile)).toEqual([first.note, second.note]);
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
  const { heads, keys } = await readSealLog(stores.store);
  expect(heads.map(({ note }) => note)).toEqual([first.note, second.note]);
  expect(signersOf(parseNote(second.note)!, [keys[0]!.key])).toHaveLength(1);
  expect(await auditLog(stores.store, CATEGORIES, new AbortController().signal)).toMatchObject({
    events: all.length,
    brokenChains: [],
    heads: 2,
    falseHeads: [],
    sealed: all.length,
    since: first.head.at,
  });
});

it('its tree can be deleted and is rebuilt, even by several at once', async () => {
  const { state } = (await sealNow())!;
  await logTree.drop();
  const another = new LogTree(stores.store, stores.mongo.db, CATEGORIES);
  await Promise.all([logTree.extend(), another.extend()]);
  const again = await another.state();
  expect([again.size, hex(again.root), hex(again.streams.root)]).toEqual([state.size, hex(state.root), hex(state.streams.root)]);
});

it.each<[string, () => PackRequest]>([
  ['ticket', () => ({ kind: 'ticket', ticket: 'sealed-a-1-1', stream: 'ticket-sealed-a-1-1' })],
  ['ticket from before there were hashes', () => ({ kind: 'ticket', ticket: 'old-1', stream: 'ticket-old-1' })],
  ['client', () => ({ kind: 'client', client: 'sealed-b' })],
  ['period', () => ({ kind: 'period', from: instantFrom(0), to: instantFrom(Date.now()) })],
])('a pack of a %s is valid', async (_, request) => {
  const pack = await packOf(request());
  const key = (await readSealLog(stores.store)).keys[0]!.key;
  const verdict = verifyPack(pack, { trustedKeys: [key], publishedHeads: await publishedHeads(headsFile) });
  expect(sound(verdict)).toEqual(SOUND);
  expect(verdict.events).toBeGreaterThan(1);
});

it('a pack of a period starts where the head before it ends', async () => {
  const before = (await sealNow())!.head;
  await fill(3);
  const pack = await packOf({ kind: 'period', from: before.at as never, to: instantFrom(Date.now()) });
  const verdict = verifyPack(pack);
  expect(sound(verdict)).toEqual(SOUND);
  expect(verdict.events).toBe(verdict.head!.size - before.size);
});

it('a key is replaced by one that it vouches for; packs show both', async () => {
  const before = await sealingKeyIn(keyFile);
  const after = await rotateKey(stores.store, keyFile);
  expect(after.name).toBe(before.name);
  expect(verifierKeyText(after)).not.toBe(verifierKeyText(before));
  await fill(4);
  const pack = await packOf({ kind: 'ticket', ticket: 'sealed-a-4-0', stream: 'ticket-sealed-a-4-0' });
  expect(sound(verifyPack(pack, { trustedKeys: [before] }))).toEqual(SOUND);
  expect(sound(verifyPack(pack, { trustedKeys: [after] }))).toEqual(SOUND);
  const stranger = signerKey(after.name, new Uint8Array(32).fill(9));
  expect(verifyPack(pack, { trustedKeys: [stranger] }).failures).toMatchObject([{ code: 'key-not-trusted' }]);
  await fill(5);
  await expect(
    seal({ store: stores.store, tree: logTree, key: () => Promise.resolve(stranger), publishing: { file: headsFile } }),
  ).rejects.toThrow(SealingKeyUnusable);
  // In place of one that is missing none is made.
  await rename(keyFile, `${keyFile}.next`);
  const key = (isNeeded: boolean) => sealingKeyIn(keyFile, isNeeded);
  const missing = seal({ store: stores.store, tree: logTree, key, publishing: { file: headsFile } });
  await expect(missing).rejects.toThrow(`${keyFile} is missing`);
  // A replacement that was broken off between its two moves is brought to its end.
  expect(verifierKeyText(await rotateKey(stores.store, keyFile))).toBe(verifierKeyText(after));
  await sealNow();
});

it('heads are committed to a repository, and signed by a witness that checks that they continue each other', async () => {
  const git = join(stores.directory, 'heads-repository');
  await mkdir(git);
  const run = (...words: string[]) => execFileSync('git', ['-C', git, ...words], { encoding: 'utf8' });
  run('init', '--quiet');
  run('config', 'user.name', 'Spec');
  run('config', 'user.email', 'spec@example.com');
  const witness = signerKey('witness.example', new Uint8Array(32).fill(5));
  let known = { size: 0, root: tree.emptyRoot };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const [, old = '', proof = '', text = ''] = /^old (\d+)\n((?:[A-Za-z0-9+/=]+\n)*)\n([^]*)$/.exec(body) ?? [];
      const note = parseNote(text)!;
      const head = parseTreeHead(note.text)!;
      if (Number(old) !== known.size) return response.writeHead(409, { 'Content-Type': 'text/x.tlog.size' }).end(`${known.size}\n`);
      const hashes = proof
        .split('\n')
        .slice(0, -1)
        .map((hash) => Uint8Array.from(Buffer.from(hash, 'base64')));
      if (!tree.isConsistent(known.size, known.root, head.size, head.root, hashes)) return response.writeHead(422).end();
      known = head;
      return response.end(noteText(sign({ text: note.text }, witness)).slice(note.text.length + 1));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const failed: unknown[] = [];
    for (const round of [6, 7]) {
      await fill(round);
      const { note } = (await seal({
        store: stores.store,
        tree: logTree,
        key: () => sealingKeyIn(keyFile),
        publishing: { file: headsFile, git, witness: { url, key: witness } },
        onWitnessFailed: (error) => failed.push(error),
      }))!;
      expect(failed).toEqual([]);
      expect(signersOf(parseNote(note)!, [witness])).toHaveLength(1);
      expect(run('log', '--format=%s').split('\n')).toContain(`Tree head ${known.size}`);
    }
    expect(await publishedHeads(join(git, 'tree-heads.ndjson'))).toHaveLength(2);
  } finally {
    server.close();
  }
});

it('a head that was cut off in the file while it was written is published again', async () => {
  await fill(8);
  await appendFile(headsFile, '"tierline');
  const { note } = (await sealNow())!;
  expect((await publishedHeads(headsFile)).at(-1)).toBe(note);
});

it('reports the state of sealing: what is overdue, what cannot be published and why, and whether no one seals', async () => {
  const { store, mongo, directory } = stores;
  const { db } = mongo;
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const health = () => sealingHealth(db, store, CATEGORIES);
  const file = join(directory, 'in-the-way');
  await writeFile(file, 'a file, and no folder');
  const parts = { store, db, log, categories: CATEGORIES, keyFile };
  const failing = startSealer({ ...parts, publishing: { file: headsFile, git: file }, everyMs: 1_000 });
  await fill(9);
  const trouble = { code: 'not-published', message: expect.stringContaining(file) as string };
  try {
    expect(await eventually(health, (found) => found?.state === 'failing')).toMatchObject({ trouble });
  } finally {
    await failing.stop();
  }
  const keyless = startSealer({ ...parts, keyFile: join(directory, 'no-key'), publishing: { file: headsFile }, everyMs: 3_600_000 });
  try {
    const missing = { code: 'not-sealed', message: expect.stringContaining('no-key is missing') as string };
    expect(await eventually(health, (found) => found?.trouble?.code === 'not-sealed')).toMatchObject({
      state: 'failing',
      trouble: missing,
    });
  } finally {
    await keyless.stop();
  }
  // What was not published is as soon as that works, and not only when the next head is due.
  const sealer = startSealer({ ...parts, publishing: { file: headsFile }, everyMs: 1_000 });
  try {
    await eventually(health, (found) => found?.state === 'running' && found.lagMs === 0);
  } finally {
    await sealer.stop();
  }
  const { heads } = await readSealLog(store);
  expect((await publishedHeads(headsFile)).at(-1)).toBe(heads.at(-1)?.note);
  const told = db.collection<{ _id: string }>('audit_sealer');
  await told.updateOne({ _id: 'sealer' }, { $set: { everyMs: 60_000 }, $unset: { position: '' } });
  expect(await health()).toMatchObject({ state: 'running' });
  await told.updateOne({ _id: 'sealer' }, { $set: { everyMs: 1, lookedAt: new Date(Date.now() + 60_000) } });
  expect(await health()).toMatchObject({ state: 'overdue' });
  await told.updateOne({ _id: 'sealer' }, { $set: { lookedAt: new Date(0) } });
  expect(await health()).toMatchObject({ state: 'stopped' });
});

it('nothing is signed that contradicts what was published', async () => {
  const text = await readFile(headsFile, 'utf8');
  const last = parseNote((await publishedHeads(headsFile)).at(-1)!)!;
  const head = parseTreeHead(last.text)!;
  const key = await sealingKeyIn(keyFile);
  // As where the log was put back to an earlier state, and where it was rewritten.
  for (const published of [
    { ...head, size: head.size + 5 },
    { ...head, root: head.root.map((byte) => byte ^ 1) },
  ]) {
    await writeFile(headsFile, `${JSON.stringify(noteText(sign({ text: treeHeadText(published) }, key)))}\n`);
    await expect(sealNow()).rejects.toThrow(LogContradictsSeal);
  }
  await writeFile(headsFile, text);
  await rm(`${keyFile}.before`);
  expect(await sealNow()).toMatchObject({ isNew: false });
});

it('an audit of the log names broken chains and false heads', async () => {
  const { store } = stores;
  const stream = 'ticket-sealed-a-1-0';
  await store.append(stream, 3, [eventOf('sealed-a', 'inserted', {})]);
  const { heads, chain } = await readSealLog(store);
  const { head } = heads.at(-1)!;
  const forged = { ...head, root: head.root.map((byte) => byte ^ 1) };
  const note = noteText(sign({ text: treeHeadText(forged) }, await sealingKeyIn(keyFile)));
  await appendChained(store, SEAL_STREAM, chain, [{ ...eventOf('', 'forged', { note }), type: 'TreeHeadSigned' }]);
  expect(await auditLog(store, CATEGORIES, new AbortController().signal)).toMatchObject({
    brokenChains: [{ stream, revision: 4, reason: 'missing-hash' }],
    falseHeads: [head.size],
    falsePublished: [],
    sealed: head.size,
  });
  // As where the log was put back, and the heads in it with it.
  const published = [{ ...head, size: head.size + 5 }, { ...head, root: forged.root }, head];
  expect(await auditLog(store, CATEGORIES, new AbortController().signal, { published })).toMatchObject({
    falsePublished: [head.size + 5, head.size],
  });
});
