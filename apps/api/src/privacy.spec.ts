import { randomUUID } from 'node:crypto';
import { FolderBlobStore } from '#blobs';
import { instantFrom, streamName } from '#eventsourcing';
import { diagnoseGroup, rebuildGroup } from '#mongo';
import { SealedBlobs } from '#privacy';
import { OPERATOR, ticket, ticketFacts, ticketViews } from '#ticketing';
import { eraseWhatIsDue, type Erasing, queries, runQuery } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { storeWithKeys } from '../../../test/stores.js';
import { startEraser } from '../../worker/src/eraser.js';
import { openingOf, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
/** The worker, as a process of its own. */
let worker: Erasing;

beforeAll(async () => {
  api = await startApi();
  const blobs = await FolderBlobStore.open(api.attachmentsDir);
  const { attachments, ...rest } = await storeWithKeys(api.stores);
  worker = { ...rest, db: api.mongo.db, blobs: new SealedBlobs(blobs, attachments) };
});

afterAll(() => api.stop());

const get = (path: string, headers: Record<string, string> = {}) => send(api.url, 'GET', path, { headers });
const post = async (path: string, body: object) => {
  const answer = await send(api.url, 'POST', path, { body });
  if (answer.status >= 300) throw new Error(answer.text);
  return answer.json;
};

/** Words that stand nowhere else. */
const word = () => `q${randomUUID().slice(0, 8)}`;

/** A ticket on which a person has said something by every door. */
async function spokenOf(person: string) {
  const secret = { name: word(), summary: word(), description: word(), reply: word(), note: word(), answer: word(), file: word() };
  const reporter = { id: person, name: secret.name };
  const { ticketId } = await post('/v1/tickets', {
    ...openingOf(api.client),
    ...secret,
    reporter,
    name: undefined,
    reply: undefined,
    note: undefined,
    answer: undefined,
    file: undefined,
  });
  const path = `/v1/tickets/${ticketId}`;
  await post(`${path}/requester-replies`, { text: secret.reply });
  await post(`${path}/internal-notes`, { text: secret.note });
  await post(`${path}/public-replies`, { text: secret.answer });
  const upload = await fetch(`${api.url}/v1/attachments`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream' },
    body: secret.file,
  });
  const content = (await upload.json()) as { sha256: string };
  const evidence = { name: secret.file, kind: 'log', ...content };
  const { revision } = await post(`${path}/evidence`, evidence);
  return { id: ticketId as string, path, secrets: Object.values(secret), sha256: content.sha256, revision: revision as number };
}

type Spoken = Awaited<ReturnType<typeof spokenOf>>;

/** Every door behind which a ticket is, with what it answers. */
async function doors({ id, path, sha256 }: Spoken): Promise<Readonly<Record<string, string>>> {
  const at = new Date().toISOString();
  const paths = {
    ticket: path,
    list: `/v1/tickets?client=${api.client}`,
    queue: `/v1/queues/L1?client=${api.client}&limit=200`,
    board: `/v1/sla-board?client=${api.client}`,
    history: `${path}/history?limit=200`,
    why: `${path}/why`,
    conversation: `${path}/conversation`,
    past: `${path}?knownAt=${at}`,
    'list of the past': `/v1/tickets?client=${api.client}&asOf=${at}`,
    'queue of the past': `/v1/queues/L1?client=${api.client}&asOf=${at}`,
    events: `/v1/events?ticket=${id}&from=start`,
    attachment: `/v1/attachments/${sha256}`,
    facts: `/v1/ticket-facts?client=${api.client}`,
  };
  const ndjson = { Accept: 'application/x-ndjson' };
  const asked = [
    ...Object.entries(paths).map(([name, path]) => [name, path, ['events', 'facts'].includes(name) ? ndjson : {}] as const),
    ['history as lines', `${path}/history`, ndjson] as const,
    ['history as CSV', `${path}/history`, { Accept: 'text/csv' }] as const,
  ];
  const answers: [string, string][] = [];
  for (const [name, path, headers] of asked) {
    const { status, text } = await get(path, headers as Record<string, string>);
    answers.push([name, status === 200 ? text : `${status} ${text}`]);
  }
  const collections = await api.mongo.db.listCollections({ type: 'collection' }, { nameOnly: true }).toArray();
  for (const { name } of collections)
    answers.push([`collection ${name}`, JSON.stringify(await api.mongo.db.collection(name).find().toArray())]);
  return Object.fromEntries(answers);
}

const leaks = async (spoken: Spoken) =>
  Object.entries(await doors(spoken)).flatMap(([door, answer]) => (spoken.secrets.some((secret) => answer.includes(secret)) ? [door] : []));

const found = async ({ secrets: [, summary] }: Spoken) => (await get(`/v1/tickets?client=${api.client}&q=${summary}`)).json.items.length;

it('forgets a person in every interface, and no one else', async () => {
  const [jane, bob] = [await spokenOf('jane'), await spokenOf('bob')];
  await get(`${bob.path}?atLeast=${bob.revision}`);
  await get(`/v1/tickets?client=${api.client}&atLeast=${bob.revision}`);
  await eventually(
    () => found(bob),
    (count) => count === 1,
  );
  const open = await leaks(jane);
  expect(open).toEqual(
    expect.arrayContaining([
      'ticket',
      'list',
      'queue',
      'history',
      'conversation',
      'past',
      'list of the past',
      'queue of the past',
      'events',
      'history as CSV',
      'history as lines',
      'collection ticket_list',
      'collection ticket_history',
      'collection tickets__fold',
      'collection tickets__instants',
    ]),
  );

  // The process that is to erase is dead: who was forgotten can be read until it is back.
  await post(`/v1/privacy/${api.client}/forgotten-persons`, { person: 'jane', reason: 'By letter' });
  expect(await leaks(jane)).toEqual(open);
  const eraser = startEraser({ ...worker, log: console, everyMs: 50 });
  try {
    await eventually(
      () => leaks(jane),
      (all) => all.length === 0,
    );
  } finally {
    await eraser.stop();
  }
  const answers = await doors(jane);
  for (const door of ['ticket', 'list', 'queue', 'history', 'conversation', 'past', 'list of the past', 'queue of the past', 'events'])
    expect([door, answers[door]]).toEqual([door, expect.stringContaining('[erased]')]);
  expect(JSON.parse(answers['ticket'] ?? '')).toMatchObject({
    summary: '[erased]',
    description: '[erased]',
    reporter: { id: 'jane', name: '[erased]' },
    evidence: [{ name: '[erased]' }],
  });
  expect([await found(jane), await found(bob)]).toEqual([0, 1]);
  expect(await leaks(bob)).toEqual(open);
  expect((await get(`/v1/privacy/${api.client}`)).json).toMatchObject({
    forgotten: [{ person: 'jane', reason: 'By letter', by: { id: 'administrator' } }],
  });
  expect((await get(`/v1/privacy/${api.client}/history`)).json.items).toMatchObject([
    { type: 'PersonForgotten', data: { person: 'jane' } },
  ]);

  const readsOf = () => get(`/v1/audit/reads?reader=administrator&query=history&about=${jane.id}`);
  // The last one, of what there is since the erasure.
  const reads = await eventually(readsOf, ({ json }) => json.items?.[0]?.count === 6);
  expect(reads.json.items[0]).toMatchObject({ query: 'history', id: jane.id, reader: { id: 'administrator' } });

  // Work goes on, with a key of its own.
  await post(`${jane.path}/internal-notes`, { text: 'The spare part has come' });
  expect((await get(`${jane.path}/history`)).json.items.at(-1)).toMatchObject({ data: { text: 'The spare part has come' } });

  const views = { db: api.mongo.db, store: api.store, group: ticketViews };
  const differences = async () =>
    (await diagnoseGroup(views)).flatMap((view) => view.differences.filter(({ id }) => id.startsWith(jane.id)));
  expect(await differences()).toEqual([]);
  await rebuildGroup({ ...views, owner: randomUUID() });
  expect(await leaks(jane)).toEqual([]);
  expect(await differences()).toEqual([]);
});

it('erases data after its retention period, and shows beforehand what that would be', async () => {
  const [ended, open] = [await spokenOf('lee'), await spokenOf('lee')];
  await post(`${ended.path}/cancel`, { reason: 'Not needed any more' });
  const facts = api.mongo.db.collection(ticketFacts.name);
  await eventually(
    () => facts.countDocuments({ client: api.client, endedAt: { $exists: true } }),
    (count) => count === 1,
  );
  const retention = await send(api.url, 'PUT', `/v1/privacy/${api.client}/retention`, { body: { incident: 30 } });
  expect(retention.json).toMatchObject({ events: [{ type: 'RetentionAgreed', data: { retention: { incident: 30 } } }] });
  await eventually(
    () => api.mongo.db.collection('privacy').countDocuments({ client: api.client, 'retention.incident': 30 }),
    (count) => count === 1,
  );
  const sources = { store: api.store, models: api.mongo };
  const dueIn = async (days: number) => {
    const now = instantFrom(Date.now() + days * 86_400_000);
    return runQuery(sources, queries.dueForErasure, { principal: OPERATOR }, { client: api.client, now });
  };
  expect((await get(`/v1/privacy/${api.client}/due`)).json.items).toMatchObject([{ kind: 'incident', days: 30, tickets: 0 }]);
  expect(await dueIn(29)).toMatchObject({ items: [{ tickets: 0 }] });
  expect(await dueIn(31)).toMatchObject({ items: [{ tickets: 1 }] });

  await eraseWhatIsDue(worker, instantFrom(Date.now() + 31 * 86_400_000));
  await eventually(
    () => leaks(ended),
    (all) => all.length === 0,
  );
  expect((await get(`${ended.path}/history`)).json.items.at(-1)).toMatchObject({
    type: 'PersonalDataErased',
    data: { because: 'retention' },
  });
  await eventually(async () => expect(await dueIn(31)).toMatchObject({ items: [{ tickets: 0 }] }));
  expect((await get(open.path)).text).not.toContain('[erased]');
});

it('reports keys that were destroyed before a crash', async () => {
  const kim = await spokenOf('kim');
  await worker.keys.destroy({ stream: streamName(ticket, kim.id) }, 'forgotten', new Date());
  const eraser = startEraser({ ...worker, log: console, everyMs: 50 });
  try {
    await eventually(
      () => get(`${kim.path}/history`),
      ({ json }) => json.items.at(-1).type === 'PersonalDataErased',
    );
    await eventually(
      () => leaks(kim),
      (all) => all.length === 0,
    );
  } finally {
    await eraser.stop();
  }
});
