import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { instantFrom, readAggregate, type StoredEvent, streamName } from '#eventsourcing';
import { chatChannels, deliverNotifications } from '#notifications';
import { createLog } from '#platform';
import {
  agent,
  agentViews,
  article,
  articleViews,
  contract,
  DAY,
  type EscalationTarget,
  majorIncident,
  majorIncidentId,
  majorIncidentViews,
  problem,
  problemViews,
  team,
  teamViews,
  ticket,
  type TicketEvents,
} from '#ticketing';
import { type Deliverer, deliveryHealth, Networks, type Patience, patience } from '#webhooks';
import { commandsTo } from '../../../libs/ticketing-app/src/testing/send-command.js';
import { eventually } from '../../../test/eventually.js';
import { MailServer } from '../../../test/mail-server.js';
import { type TestStores, testStores } from '../../../test/stores.js';
import { startTimekeeper } from './timekeeper.js';
import { startWorker } from './worker.js';

const log = createLog('silent');
const client = `client-${randomUUID()}`;
/** Another test's people on a shared log have other names. */
const named = (name: string) => `${name}-${client.slice(7, 15)}`;
const addressOf = (name: string) => `${named(name)}@example.com`;
const person = (name: string): EscalationTarget => ({ kind: 'person', person: { id: named(name) } });

let stores: TestStores;
let mail: MailServer;
let chat: Server;
/** What came to chat channels, by path. */
const posted: { readonly path: string; readonly body: string; readonly key: unknown }[] = [];
let channelsFile = '';
let deliverer: Deliverer | undefined;

beforeAll(async () => {
  [stores, mail] = await Promise.all([testStores(), new MailServer().start()]);
  const { store, mongo } = stores;
  const worker = startWorker({
    store,
    db: mongo.db,
    groups: [agentViews, articleViews, majorIncidentViews, problemViews, teamViews],
    policies: [],
    log,
  });
  stores.onClose(() => worker.stop());
  chat = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      posted.push({ path, body, key: request.headers['idempotency-key'] });
      const isFirst = posted.filter((one) => one.path === path).length === 1;
      if (path === '/stingy') response.writeHead(429, { 'Retry-After': '86400' }).end();
      else if (path === '/down') response.writeHead(503).end();
      else if (path === '/gone') response.writeHead(404).end('no_service');
      else if (path === '/busy' && isFirst) response.writeHead(429, { 'Retry-After': '0' }).end();
      else response.end('ok');
    });
  }).listen(0, '127.0.0.1');
  await once(chat, 'listening');
  channelsFile = join(stores.directory, 'channels.json');
  const channels = {
    busy: { format: 'slack', url: url('/busy') },
    cards: { format: 'teams', url: url('/cards'), clients: [client] },
    gone: { format: 'slack', url: url('/gone') },
    elsewhere: { format: 'slack', url: url('/elsewhere'), clients: ['somebody-else'] },
  };
  await writeFile(channelsFile, JSON.stringify(channels));
});
afterEach(() => deliverer?.stop());
afterAll(async () => {
  await stores?.close();
  await mail?.close();
  chat?.closeAllConnections();
  chat?.close();
});

/** @param more channels besides, by the paths that they lead to */
async function deliver(more: Readonly<Record<string, string>> = {}, patient: Partial<Patience> = {}): Promise<void> {
  const { store, mongo } = stores;
  deliverer = deliverNotifications({
    store,
    db: mongo.db,
    log,
    mail: { url: mail.url, from: 'tierline@example.com' },
    channels: new Map([
      ...(await chatChannels(channelsFile, new Networks(['127.0.0.0/8']))),
      ...Object.entries(more).map(([name, path]) => [name, { format: 'slack' as const, url: url(path) }] as const),
    ]),
    networks: ['127.0.0.0/8'],
    patience: { ...patience, firstMs: 20, longestMs: 50, breakAfter: Infinity, ...patient },
    pollMs: 20,
  });
}

const url = (path: string) => `http://127.0.0.1:${(chat.address() as AddressInfo).port}${path}`;

const tell = commandsTo(() => stores.store);

/** Somebody with a mailbox, who may be told of these clients. */
async function withMail(name: string, clients: readonly string[] = [client], more: { readonly channel?: string } = {}): Promise<void> {
  await tell(agent, named(name), 'RegisterAgent', { name });
  await tell(agent, named(name), 'SetAgentContact', { email: addressOf(name), clients, ...more });
}

/** Opens a ticket whose policy tells these targets, step by step; the first at once, the others a day later each. */
async function openUnder(steps: readonly (readonly EscalationTarget[])[], summary = 'Mail is down'): Promise<string> {
  const policy = {
    name: 'on-opening',
    trigger: { on: 'opened' as const },
    steps: steps.map((targets, n) => ({ after: n * DAY, targets })),
  };
  await tell(contract, client, 'AgreeContract', { client, terms: { tierTargets: {}, escalationPolicies: [policy] } });
  const opening = {
    client,
    kind: 'incident',
    summary,
    reporter: { id: 'joe' },
    channel: 'phone',
    impact: 'high',
    urgency: 'critical',
  } as const;
  // What was agreed a moment ago may be seen a second late.
  const ticketId = await tell(ticket, undefined, 'OpenTicket', { ...opening, effectiveAt: instantFrom(Date.now()) });
  await run(ticketId);
  return ticketId;
}

const run = (ticketId: string) => tell(ticket, ticketId, 'RunEscalations', {});

async function eventsOf(ticketId: string): Promise<readonly StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of stores.store.readStream(streamName(ticket, ticketId))) events.push(event);
  return events;
}

type Outcome = TicketEvents['NotificationFailed'];

/** What became of messages, once that is known of so many. */
async function outcomes(ticketId: string, count: number): Promise<readonly (Pick<StoredEvent, 'type'> & { readonly data: Outcome })[]> {
  const known = await eventually(
    async () => (await eventsOf(ticketId)).filter(({ type }) => type.startsWith('Notification')),
    ({ length }) => length >= count,
  );
  return known.map(({ type, data }) => ({ type, data: data as Outcome }));
}

describe('messages of escalation steps', () => {
  it('go by e-mail and to chat until each is accepted, with one id, across a restart; the ticket records each outcome', async () => {
    for (const name of ['ok', 'grey', 'slow', 'rude']) await withMail(name);
    mail.treats.set(addressOf('grey'), (nth) => (nth < 3 ? { code: 451 } : 'take'));
    mail.treats.set(addressOf('slow'), (nth) => (nth < 2 ? 'hang' : 'take'));
    mail.treats.set(addressOf('rude'), (nth) => (nth < 2 ? 'close' : 'take'));
    await tell(team, named('desk'), 'DefineTeam', { name: 'Desk', tiers: ['L1'] });
    await tell(team, named('desk'), 'SetTeamContact', { email: addressOf('desk'), channel: 'busy' });
    await tell(team, named('office'), 'DefineTeam', { name: 'Office', tiers: ['L1'], clients: [client] });
    await tell(team, named('office'), 'SetTeamContact', { channel: 'cards' });
    for (const name of ['desk', 'office']) await tell(team, named(name), 'AddTeamMember', { agent: named('ok') });
    const people = ['ok', 'grey', 'slow', 'rude', 'unknown'];
    const teams = ['desk', 'office'].map((name): EscalationTarget => ({ kind: 'team', team: named(name) }));
    await deliver();
    const ticketId = await openUnder([[...people.map(person), ...teams]], 'Down\r\nBcc: evil@example.com <!channel>');
    await eventually(
      () => mail.at(addressOf('slow')),
      ({ length }) => length === 1,
    );
    await deliverer?.stop();
    await deliver();
    const told = await outcomes(ticketId, 7);

    expect(told.map(({ type }) => type)).toEqual(Array(7).fill('NotificationDelivered'));
    const attempts = Object.fromEntries(told.map(({ data: { target, by, attempts } }) => [`${by} ${nameOf(target)}`, attempts]));
    expect(attempts).toMatchObject({ 'email ok': 1, 'email grey': 3, 'email rude': 2, 'chat desk': 2, 'chat office': 1 });
    const [dispatched] = (await eventsOf(ticketId)).filter(({ type }) => type === 'EscalationStepDispatched');
    const { notifications = [], message } = dispatched?.data as TicketEvents['EscalationStepDispatched'];
    expect(message?.subject).toBe('[critical] Down Bcc: evil@example.com <!channel>');
    for (const name of ['ok', 'grey', 'slow', 'rude', 'desk']) {
      const { id } = notifications.find(({ target, by }) => nameOf(target) === name && by === 'email') ?? {};
      for (const raw of mail.at(addressOf(name))) {
        const [headers = ''] = raw.split('\r\n\r\n');
        expect(headers).toContain(`Message-ID: <${id}@example.com>`);
        expect(headers).toMatch(/^Auto-Submitted: auto-generated$/m);
        expect(headers).not.toMatch(/^Bcc/im);
      }
    }
    expect(mail.at('evil@example.com')).toEqual([]);
    const [busy, again] = posted.filter(({ path }) => path === '/busy');
    expect(again).toEqual(busy);
    expect(JSON.parse(busy?.body ?? '')).toMatchObject({ text: '[critical] Down Bcc: evil@example.com &lt;!channel&gt;' });
    expect(JSON.parse(posted.find(({ path }) => path === '/cards')?.body ?? '')).toMatchObject({
      type: 'message',
      attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content: { type: 'AdaptiveCard' } }],
    });
  });

  it('that reach no one bring the next step at once; no one is notified about a client that they cannot see', async () => {
    await withMail('wrong');
    await withMail('foreign', ['somebody-else']);
    await withMail('walled', [client], { channel: 'elsewhere' });
    await withMail('lost', [client], { channel: 'gone' });
    for (const name of ['wrong', 'walled', 'lost']) mail.treats.set(addressOf(name), () => ({ code: 550 }));
    const ticketId = await openUnder([['wrong', 'foreign', 'walled', 'lost'].map(person), [person('ok')]]);
    await deliver();
    const failed = await outcomes(ticketId, 5);
    expect(failed.map(({ data }) => `${data.by} ${nameOf(data.target)} ${data.because}`).sort()).toEqual([
      'chat lost refused',
      'chat walled not-of-client',
      'email lost refused',
      'email walled refused',
      'email wrong refused',
    ]);
    expect(failed.find(({ data }) => data.by === 'email')?.data).toMatchObject({ attempts: 1, detail: expect.stringContaining('550') });
    const { email, chat } = await eventually(
      () => deliveryHealth(stores.mongo.db, stores.store),
      (health) => health.email?.dead === 3 && health.chat?.dead === 2 && [health.email, health.chat].every(({ waiting }) => waiting === 0),
    );
    expect([email, chat]).toMatchObject(Array(2).fill({ state: 'running', broken: [] }));
    expect(mail.at(addressOf('foreign'))).toEqual([]);
    expect(posted.filter(({ path }) => path === '/elsewhere')).toEqual([]);

    await run(ticketId);
    await outcomes(ticketId, 6);
    const steps = (await eventsOf(ticketId)).filter(({ type }) => type === 'EscalationStepDispatched');
    expect(steps.map(({ data }) => data)).toMatchObject([
      { step: 0, passedOver: [{ target: person('foreign'), because: 'not-of-client' }] },
      { step: 1, targets: [person('ok')] },
    ]);
  });

  it('to a channel that is not configured are recorded as such, permanently', async () => {
    const channel = named('later');
    await tell(team, channel, 'DefineTeam', { name: 'Later', tiers: ['L1'] });
    await tell(team, channel, 'SetTeamContact', { channel });
    await withMail('keeper');
    await tell(team, channel, 'AddTeamMember', { agent: named('keeper') });
    const open = () => openUnder([[{ kind: 'team', team: channel }]]);
    const told = async (ticketId: string) => (await outcomes(ticketId, 1)).map(({ type, data: { because } }) => [type, because]);
    const notConfigured = [['NotificationFailed', 'not-configured']];
    const delivered = [['NotificationDelivered', undefined]];
    const textsAt = (path: string) => posted.filter((one) => one.path === path).map(({ body }) => body);
    await deliver();
    const before = await open();
    expect(await told(before)).toEqual(notConfigured);
    await deliverer?.stop();

    await deliver({ [channel]: '/later' });
    const first = await open();
    expect(await told(first)).toEqual(delivered);
    await deliverer?.stop();

    await deliver({ [channel]: '/down' });
    const waiting = await open();
    await eventually(
      () => textsAt('/down').length,
      (count) => count > 0,
    );
    await deliverer?.stop();

    await deliver();
    const after = await open();
    for (const ticketId of [waiting, after]) expect(await told(ticketId)).toEqual(notConfigured);
    await eventually(
      () => deliveryHealth(stores.mongo.db, stores.store),
      ({ chat }) => chat?.state === 'running' && chat.waiting === 0,
    );
    await deliverer?.stop();

    await deliver({ [channel]: '/later' });
    const last = await open();
    expect(await told(last)).toEqual(delivered);
    for (const ticketId of [before, waiting, after]) expect(await outcomes(ticketId, 1)).toHaveLength(1);
    const texts = textsAt('/later');
    expect(texts).toHaveLength(2);
    for (const [index, ticketId] of [first, last].entries()) expect(texts[index]).toContain(ticketId);
  });

  it('are each given up on time if the server requests a pause of a day', async () => {
    const channel = named('stingy');
    await tell(team, channel, 'DefineTeam', { name: 'Stingy', tiers: ['L1'] });
    await tell(team, channel, 'SetTeamContact', { channel });
    await withMail('patient');
    await tell(team, channel, 'AddTeamMember', { agent: named('patient') });
    await deliver({ [channel]: '/stingy' }, { giveUpMs: 2_000 });
    const open = () => openUnder([[{ kind: 'team', team: channel }]]);
    const first = await open();
    await eventually(
      () => posted.filter(({ path }) => path === '/stingy').length,
      (count) => count > 0,
    );
    const second = await open();
    for (const ticketId of [first, second]) {
      const [told] = await outcomes(ticketId, 1);
      expect(told).toMatchObject({ type: 'NotificationFailed', data: { because: 'given-up' } });
      expect(posted.filter(({ path, body }) => path === '/stingy' && body.includes(ticketId)).length).toBeGreaterThan(0);
    }
  });

  it('remind owners of overdue preventive actions, and the problem records each outcome', async () => {
    await withMail('owner');
    const problemId = await tell(problem, undefined, 'OpenProblem', { client, title: 'Printers stop' });
    const owner = { id: named('owner') };
    const dueAt = instantFrom(Date.now() - DAY);
    await tell(problem, problemId, 'PlanPreventiveAction', { action: 'PA-1', description: 'Stage updates', owner, dueAt });
    await deliver();
    const timekeeper = startTimekeeper({ store: stores.store, db: stores.mongo.db, log, pollMs: 20 });
    try {
      const { state } = await eventually(
        () => readAggregate(stores.store, problem, problemId),
        ({ state }) => state?.actions.some(({ reminded }) => reminded?.messages[0]?.state === 'delivered') === true,
      );
      expect(state?.actions[0]?.reminded).toMatchObject({ overdue: true, messages: [{ by: 'email', target: person('owner') }] });
      expect(mail.at(addressOf('owner'))).toHaveLength(1);
      expect(mail.at(addressOf('owner'))[0]).toContain('Subject: [overdue] PA-1: Printers stop');
    } finally {
      await timekeeper.stop();
    }
  });

  it('remind the owner of an overdue review once, and the major incident records the outcome', async () => {
    await withMail('reviewer');
    const parent = randomUUID();
    const id = majorIncidentId(parent);
    const begin = { client, service: 'printing', parent, tickets: [], reason: 'r' };
    await tell(majorIncident, id, 'BeginMajorIncident', begin);
    await tell(majorIncident, id, 'EndMajorIncident', { reason: 'r' });
    const dueAt = instantFrom(Date.now() - DAY);
    await tell(majorIncident, id, 'PlanIncidentReview', { owner: { id: named('reviewer') }, dueAt });
    await deliver();
    const timekeeper = startTimekeeper({ store: stores.store, db: stores.mongo.db, log, pollMs: 20 });
    try {
      const { state } = await eventually(
        () => readAggregate(stores.store, majorIncident, id),
        ({ state }) => state?.review?.reminded?.messages[0]?.state === 'delivered',
      );
      expect(state?.review).toMatchObject({ status: 'overdue', reminded: { messages: [{ by: 'email', target: person('reviewer') }] } });
      expect(mail.at(addressOf('reviewer'))).toHaveLength(1);
      expect(mail.at(addressOf('reviewer'))[0]).toContain('Subject: [overdue] Review of a major incident: printing');
    } finally {
      await timekeeper.stop();
    }
  });

  it('remind the owner of an article with an overdue review once, and no one who has left', async () => {
    const write = async (owner: string) => {
      await withMail(owner);
      const id = `KB-${named(owner)}`;
      const reviewBy = instantFrom(Date.now() - DAY);
      const content = { article: id, title: 'The queue hangs', text: 'Restart it', visibility: 'desk' as const };
      await tell(article, id, 'DraftArticle', { ...content, client, owner: { id: named(owner) }, reviewBy });
      return id;
    };
    const [kept, left] = [await write('author'), await write('leaver')];
    await tell(agent, named('leaver'), 'OffboardAgent', {});
    await deliver();
    const timekeeper = startTimekeeper({ store: stores.store, db: stores.mongo.db, log, pollMs: 20 });
    try {
      const read = async (id: string) => (await readAggregate(stores.store, article, id)).state?.reminded;
      const told = await eventually(
        () => Promise.all([read(kept), read(left)]),
        ([one, other]) => one?.messages[0]?.state === 'delivered' && other !== undefined,
      );
      expect(told).toMatchObject([{ messages: [{ by: 'email', target: person('author') }] }, { messages: [] }]);
      expect(mail.at(addressOf('author'))).toHaveLength(1);
      expect(mail.at(addressOf('author'))[0]).toContain(`Subject: [overdue] Review of article ${kept}: The queue hangs`);
      expect(mail.at(addressOf('leaver'))).toEqual([]);
    } finally {
      await timekeeper.stop();
    }
  });

  it('need valid channels, and no error reveals an address', async () => {
    const complaint = async (channel: object) => {
      await writeFile(channelsFile, JSON.stringify({ ok: { format: 'teams', url: 'https://chat.example/x' }, noc: channel }));
      const error = await chatChannels(channelsFile, new Networks(['10.1.0.0/16'])).catch((thrown: Error) => thrown);
      return error instanceof Error ? error.message : undefined;
    };
    const at = (url: string) => ({ format: 'slack', url });
    const none = 'names addresses that no request may go to, at noc.url';
    const nowhere = ['secret', 'https://', 'ftp://chat.example/secret', 'https://[secret]/', 'https://chat.example:99999/secret'];
    const forbidden = ['http://93.184.216.34/secret', 'https://10.2.0.1/secret', 'https://0x7f.1/secret'];
    const wrong: readonly (readonly [object, string])[] = [
      [{ format: 'irc', url: 'https://chat.example/secret' }, 'is wrong at noc.format'],
      ...nowhere.map((url) => [at(url), 'is wrong at noc.url'] as const),
      ...forbidden.map((url) => [at(url), none] as const),
    ];
    for (const [channel, told] of wrong) {
      const message = await complaint(channel);
      expect([channel, message]).toEqual([channel, expect.stringContaining(`CHAT_CHANNELS_FILE ${told}`)]);
      expect(message).not.toContain('secret');
    }
    for (const url of ['https://chat.example/secret', 'http://10.1.2.3/secret', 'http://chat.example'])
      expect([url, await complaint(at(url))]).toEqual([url, undefined]);
  });
});

function nameOf(target: EscalationTarget): string {
  const id = target.kind === 'person' ? target.person.id : target.kind === 'team' ? target.team : '';
  return id.split('-')[0] ?? '';
}
