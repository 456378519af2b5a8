import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { type CommandsOf, instantFrom } from '#eventsourcing';
import { EventStoreDB } from '#eventstoredb';
import { account, credential } from '#ticketing';
import { asOperator, runCommand } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { FeedReaders } from './event-feed.controller.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

const open = { kind: 'incident', summary: 'Cannot print', reporter: { id: 'j.doe' }, channel: 'phone', impact: 'low', urgency: 'low' };
const handoff = { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] };

async function post(path: string, body: unknown) {
  const answer = await send(api.url, 'POST', path, { body });
  expect(answer.status).toBeLessThan(300);
  return answer.json;
}

interface Message {
  readonly id: string;
  readonly event: string;
  readonly data: CloudEvent;
}

interface CloudEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly revision: number;
  readonly position: string;
  readonly client: string;
  readonly data: { reason?: string };
}

/** A reader of server-sent events, as the standard has it. */
class Reader {
  readonly messages: Message[] = [];
  comments = '';
  lastEventId = '';
  #rest = '';

  private constructor(readonly response: IncomingMessage) {
    response.setEncoding('utf8').on('data', (chunk: string) => this.#read(chunk));
    response.on('error', () => {});
  }

  static async of(query: string, headers: Record<string, string> = {}): Promise<Reader> {
    const [response] = (await once(httpGet(`${api.url}/v1/events${query}`, { headers, agent: false }), 'response')) as [IncomingMessage];
    return new Reader(response);
  }

  #read(chunk: string): void {
    this.#rest += chunk;
    for (let end = this.#rest.indexOf('\n\n'); end >= 0; end = this.#rest.indexOf('\n\n')) {
      const fields = new Map<string, string>();
      for (const line of this.#rest.slice(0, end).split('\n')) {
        const colon = line.indexOf(':');
        if (colon === 0) this.comments += line;
        else fields.set(line.slice(0, colon), line.slice(colon + 2));
      }
      this.#rest = this.#rest.slice(end + 2);
      this.lastEventId = fields.get('id') ?? this.lastEventId;
      const data = fields.get('data');
      if (data !== undefined) this.messages.push({ id: this.lastEventId, event: fields.get('event') ?? '', data: JSON.parse(data) });
    }
  }

  async until(done: (reader: this) => boolean): Promise<this> {
    await eventually(
      () => [...this.messages.map(({ event }) => event), this.comments],
      () => done(this),
    );
    return this;
  }

  close(): void {
    this.response.destroy();
  }
}

/** Somebody with an account, logged in by a link. */
async function loggedIn(rights: object): Promise<{ readonly account: string; readonly Cookie: string }> {
  const account = `reader-${randomUUID()}`;
  await post('/v1/accounts', { account, ...rights });
  const { token: link } = await post(`/v1/accounts/${account}/links`, undefined);
  const { status, headers } = await send(api.url, 'POST', '/v1/sessions', { body: { link } });
  expect(status).toBe(201);
  return { account, Cookie: headers.get('set-cookie')?.split(';')[0] ?? '' };
}

const type = (name: string) => `com.tierline.ticket.${name}.v1`;
const MET = 'com.tierline.sla.met.v1';
const ticketOf = ({ subject }: CloudEvent) => subject.replace('ticket/', '');
const summary = ({ event, data }: Message) => [event, ticketOf(data), data.revision];

describe('GET /v1/events', () => {
  it('returns history from the start, in order, then new events', async () => {
    const { ticketId } = await post('/v1/tickets', { ...open, client: api.client });
    await post(`/v1/tickets/${ticketId}/escalations`, { tier: 'L2', reason: 'help', handoff });
    const reader = await Reader.of(`?from=start&client=${api.client}`);
    expect(reader.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-correlation-id': expect.any(String),
    });
    await reader.until(({ comments }) => comments.includes('caught up'));
    const history = reader.messages.filter(({ data }) => ticketOf(data) === ticketId);
    expect(history.map(summary)).toEqual([
      [type('opened'), ticketId, 0],
      // L1 took it over in time: it handed it on.
      [MET, ticketId, 1],
      [type('escalated'), ticketId, 1],
    ]);
    // What was so then, though the ticket is elsewhere when it is sent.
    expect(history[0]?.data).toMatchObject({ data: { tier: 'L1' } });
    expect(history[2]?.data).toMatchObject({
      specversion: '1.0',
      type: type('escalated'),
      position: history[2]?.id,
      client: api.client,
      actorid: 'administrator',
      tier: 'L2',
      data: { reason: 'help' },
    });

    await post(`/v1/tickets/${ticketId}/escalations/accept`, { agent: { id: 'grace' } });
    await reader.until(({ messages }) => messages.at(-1)?.event === type('escalation-accepted'));
    reader.close();
  });

  it('continues after Last-Event-ID, whatever the query says, without loss or repetition', async () => {
    const { ticketId } = await post('/v1/tickets', { ...open, client: api.client });
    for (let step = 1; step <= 30; step++) await post(`/v1/tickets/${ticketId}/diagnostic-steps`, { action: `step ${step}`, outcome: 'o' });
    const seen: Message[] = [];
    let lastEventId: string | undefined;
    // A reader that loses the line after each few events.
    while (seen.length < 31) {
      const reader = await Reader.of(`?from=start&ticket=${ticketId}`, lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId });
      const wanted = Math.min(4, 31 - seen.length);
      await reader.until(({ messages }) => messages.length >= wanted);
      reader.close();
      seen.push(...reader.messages.slice(0, wanted));
      lastEventId = seen.at(-1)?.id;
    }
    expect(seen.map(({ data }) => data.revision)).toEqual([...Array(31).keys()]);
  });

  it('begins at a position of a command’s answer, or at the end', async () => {
    const { ticketId, position } = await post('/v1/tickets', { ...open, client: api.client });
    await post(`/v1/tickets/${ticketId}/work`, {});
    const [after, end] = await Promise.all([
      Reader.of(`?from=${position}&client=${api.client}`),
      Reader.of(`?from=end&client=${api.client}`),
    ]);
    await end.until(({ comments }) => comments.includes('caught up'));
    await post(`/v1/tickets/${ticketId}/hold`, { reason: 'customer', note: 'away' });
    await after.until(({ messages }) => messages.length >= 4);
    await end.until(({ messages }) => messages.length >= 1);
    expect(after.messages.map(({ event }) => event)).toEqual([MET, MET, type('work-started'), type('put-on-hold')]);
    expect(end.messages.map(({ event }) => event)).toEqual([type('put-on-hold')]);
    after.close();
    end.close();
  });

  it('omits what is not requested', async () => {
    const { ticketId } = await post('/v1/tickets', { ...open, client: api.client });
    const other = (await post('/v1/tickets', { ...open, client: `${api.client}-other` })).ticketId;
    for (const id of [ticketId, other]) await post(`/v1/tickets/${id}/escalations`, { tier: 'L2', reason: 'help', handoff });
    await post(`/v1/tickets/${ticketId}/escalations/return`, { reason: 'no log' });
    const readers = await Promise.all([
      Reader.of(`?types=com.tierline.ticket.escalated.v1,EscalationReturned&client=${api.client}`),
      Reader.of(`?types=TicketOpened&ticket=${other.toUpperCase()}`),
      Reader.of(`?client=${api.client}-other`),
    ]);
    const [escalations, ofTicket, ofClient] = await Promise.all(
      readers.map((reader) => reader.until(({ comments }) => comments.includes('caught up'))),
    );
    expect(escalations?.messages.filter(({ data }) => ticketOf(data) === ticketId).map(({ event }) => event)).toEqual([
      type('escalated'),
      type('escalation-returned'),
    ]);
    expect(new Set(escalations?.messages.map(({ data }) => data.client))).toEqual(new Set([api.client]));
    expect(ofTicket?.messages.map(summary)).toEqual([[type('opened'), other, 0]]);
    expect(ofClient?.messages.map(summary)).toEqual([
      [type('opened'), other, 0],
      [MET, other, 1],
      [type('escalated'), other, 1],
    ]);
    for (const reader of readers) reader.close();
  });

  it('waits for a reader that does not read, without losing anything', async () => {
    const { ticketId } = await post('/v1/tickets', { ...open, client: api.client });
    const text = 'x'.repeat(2000);
    const reader = await Reader.of(`?ticket=${ticketId}`);
    await reader.until(({ messages }) => messages.length === 1);
    reader.response.pause();
    const steps = Array.from({ length: 100 }, () => ({ action: text, outcome: text }));
    const large = { tier: 'L2', reason: 'help', handoff: { ...handoff, stepsTried: steps } };
    // 400 kB an event: far more than the buffers of the connection hold.
    for (let round = 0; round < 15; round++) {
      await post(`/v1/tickets/${ticketId}/escalations`, large);
      await post(`/v1/tickets/${ticketId}/escalations/return`, { reason: `round ${round}` });
    }
    expect(reader.messages.length).toBeLessThan(30);
    reader.response.resume();
    await reader.until(
      ({ messages }) => messages.at(-1)?.data.data.reason === 'Returned 15 times; the contract allows 2' || messages.length > 60,
    );
    const revisions = reader.messages.flatMap(({ event, data }) => (event === MET ? [] : [data.revision]));
    expect(revisions).toEqual([...Array(revisions.length).keys()]);
    reader.close();
  });

  it.each([
    ['?from=now', {}, 'invalid-query'],
    ['?from=1', {}, 'invalid-query'],
    ['?from=1/2', {}, 'invalid-query'],
    ['?from=99999999999999999999/1', {}, 'invalid-query'],
    ['?types=TicketOpened,Nothing', {}, 'invalid-query'],
    ['?types=constructor', {}, 'invalid-query'],
    ['?ticket=first', {}, 'invalid-query'],
    ['?to=end', {}, 'invalid-query'],
    ['?wait=5', {}, 'invalid-query'],
    ['?tier=L9', {}, 'invalid-query'],
    ['?from=2026-01-01', {}, 'invalid-query'],
    ['', { 'Last-Event-ID': 'first' }, 'invalid-header'],
  ])('refuses %s %j', async (query, headers: Record<string, string>, code) => {
    expect((await send(api.url, 'GET', `/v1/events${query}`, { headers })).json).toMatchObject({ status: 400, code });
  });

  it.each([
    ['?from=900000000000/900000000000', {}],
    ['', { 'Last-Event-ID': '900000000000/900000000000' }],
    // Not ahead of the log, but between two of its records.
    ['?from=1/1', {}],
    ['?types=TicketOpened', { 'Last-Event-ID': '01/01' }],
    ['/digest?from=1/1', {}],
  ])('refuses a position that is not in this log: %s %j', async (query, headers: Record<string, string>) => {
    expect((await send(api.url, 'GET', `/v1/events${query}`, { headers })).json).toMatchObject({ status: 400, code: 'unknown-position' });
  });

  it('answers HEAD without a feed', async () => {
    const head = await send(api.url, 'HEAD', '/v1/events');
    expect([head.status, head.headers.get('content-type'), head.text]).toEqual([200, 'text/event-stream; charset=utf-8', '']);
  });

  it('begins with what was recorded at an instant', async () => {
    const before = instantFrom(Date.now());
    const { ticketId } = await post('/v1/tickets', { ...open, client: api.client });
    const old = await Reader.of(`?from=${before}&client=${api.client}`);
    const future = await Reader.of(`?from=${instantFrom(Date.now() + 3_600_000)}&client=${api.client}`);
    await Promise.all([old, future].map((reader) => reader.until(({ comments }) => comments.includes('caught up'))));
    expect(old.messages.filter(({ data }) => ticketOf(data) === ticketId).map(summary)).toEqual([[type('opened'), ticketId, 0]]);
    expect(future.messages).toEqual([]);
    old.close();
    future.close();
  });

  it('leaves out tickets that are elsewhere', async () => {
    const client = `${api.client}-places`;
    const { ticketId } = await post('/v1/tickets', { ...open, client });
    await post(`/v1/tickets/${ticketId}/escalations`, { tier: 'L2', team: 'network', reason: 'help', handoff });
    for (const query of ['tier=L2,L3', 'team=network', 'tier=L2&priority=low,medium&team=network']) {
      const reader = await Reader.of(`?client=${client}&${query}`);
      await reader.until(({ comments }) => comments.includes('caught up'));
      expect(reader.messages.map(summary)).toEqual([
        [MET, ticketId, 1],
        [type('escalated'), ticketId, 1],
      ]);
      reader.close();
    }
  });

  it('returns lines of JSON up to the present for jobs', async () => {
    const client = `${api.client}-lines`;
    const { ticketId, position } = await post('/v1/tickets', { ...open, client });
    await post(`/v1/tickets/${ticketId}/work`, {});
    const lines = (query: string) =>
      send(api.url, 'GET', `/v1/events?client=${client}${query}`, { headers: { Accept: 'application/x-ndjson' } });
    const parsed = ({ text }: { text: string }) => text.split('\n').flatMap((one) => (one === '' ? [] : [JSON.parse(one) as CloudEvent]));
    const all = await lines('');
    expect(all.headers.get('content-type')).toBe('application/x-ndjson');
    expect(parsed(all).map(({ type }) => type)).toEqual([type('opened'), MET, MET, type('work-started')]);
    expect(parsed(await lines(`&from=${position}`)).map(({ type }) => type)).toEqual([MET, MET, type('work-started')]);
    const end = all.headers.get('x-position') ?? '';
    expect((await lines(`&from=${end}`)).text).toBe('');

    // Asked to wait, it answers as soon as there is something.
    const waiting = lines(`&from=${end}&wait=60`);
    await post(`/v1/tickets/${ticketId}/hold`, { reason: 'customer', note: 'away' });
    const woken = await waiting;
    expect(parsed(woken).map(({ type }) => type)).toEqual([type('put-on-hold')]);
    const none = await lines(`&from=${woken.headers.get('x-position')}&wait=0`);
    expect([none.status, none.text, none.headers.get('x-position')]).toEqual([200, '', expect.stringMatching(/^\d+\/\d+$/)]);
  });

  it('proves to a reader that it has everything', async () => {
    const client = `${api.client}-digest`;
    const { ticketId } = await post('/v1/tickets', { ...open, client });
    await post(`/v1/tickets/${ticketId}/work`, {});
    const { position } = await post(`/v1/tickets/${ticketId}/hold`, { reason: 'customer', note: 'away' });
    await post(`/v1/tickets/${ticketId}/resume`, {});
    const digest = async (query: string) => (await send(api.url, 'GET', `/v1/events/digest?client=${client}${query}`)).json;
    const { text } = await send(api.url, 'GET', `/v1/events?client=${client}`, { headers: { Accept: 'application/x-ndjson' } });
    const ids = text.split('\n').flatMap((one) => (one === '' ? [] : [(JSON.parse(one) as CloudEvent).id]));
    const sha256 = (some: readonly string[]) =>
      createHash('sha256')
        .update(some.map((id) => `${id}\n`).join(''))
        .digest('hex');
    expect(await digest('')).toEqual({ count: ids.length, sha256: sha256(ids), to: expect.stringMatching(/^\d+\/\d+$/) });
    expect(await digest(`&to=${position}`)).toEqual({ count: ids.length - 1, sha256: sha256(ids.slice(0, -1)), to: position });
    expect(await digest(`&from=${position}`)).toMatchObject({ count: 1, sha256: sha256(ids.slice(-1)) });
    expect(await digest('&types=TicketResumed')).toMatchObject({ count: 1, sha256: sha256(ids.slice(-1)) });
    expect(await digest('&types=TicketClosed')).toMatchObject({ count: 0, sha256: sha256([]) });
    expect(await digest('&to=900000000000/900000000000')).toMatchObject({
      status: 400,
      code: 'unknown-position',
      faults: [{ field: 'to' }],
    });
  });

  it('serves a limited number of readers, and tells the next one to retry later', () => {
    const readers = new FeedReaders(2);
    const leave = readers.take();
    readers.take();
    expect(() => readers.take()).toThrow(expect.objectContaining({ code: 'too-many-streams', headers: { 'Retry-After': '30' } }));
    leave();
    readers.take();
  });

  it('serves many readers at once', async () => {
    const client = `${api.client}-many`;
    const readers = await Promise.all(Array.from({ length: 150 }, () => Reader.of(`?from=end&client=${client}`)));
    await Promise.all(readers.map((reader) => reader.until(({ comments }) => comments.includes('caught up'))));
    const { ticketId } = await post('/v1/tickets', { ...open, client });
    for (const reader of readers) {
      await reader.until(({ messages }) => messages.length > 0);
      expect(reader.messages.map(summary)).toEqual([[type('opened'), ticketId, 0]]);
      reader.close();
    }
  });

  it('ends for readers who lose access, whichever process revoked it', async () => {
    const elsewhere = EventStoreDB.connect(api.eventStoreUrl);
    try {
      const clients = [api.client];
      const key = (await post('/v1/api-keys', { label: 'spec', id: 'reader', roles: ['service'], clients })) as {
        key: string;
        token: string;
      };
      const narrowed = await loggedIn({ roles: ['auditor'], clients });
      const suspended = await loggedIn({ roles: ['auditor'], clients });
      const stays = await loggedIn({ roles: ['auditor'], clients });
      const streams = await Promise.all(
        [{ Authorization: `Bearer ${key.token}` }, narrowed, suspended, stays].map((who) => Reader.of(`?client=${api.client}`, who)),
      );
      await Promise.all(streams.map((stream) => stream.until(({ comments }) => comments.includes('caught up'))));
      const headers = { Accept: 'application/x-ndjson', Authorization: `Bearer ${key.token}` };
      const waiting = send(api.url, 'GET', `/v1/events?from=end&client=${api.client}-none&wait=60`, { headers });
      const ended = streams.slice(0, 3).map(({ response }) => once(response, 'end'));

      const run = async <Name extends keyof CommandsOf<typeof account>>(name: Name, id: string, body: CommandsOf<typeof account>[Name]) =>
        expect(await runCommand(elsewhere, { aggregate: account, id, name, body, context: asOperator() })).toHaveProperty('revision');
      await runCommand(elsewhere, { aggregate: credential, id: key.key, name: 'RevokeCredential', body: {}, context: asOperator() });
      await run('ChangeAccount', narrowed.account, { roles: ['requester'], clients });
      await run('SuspendAccount', suspended.account, {});
      await Promise.all(ended);
      expect((await waiting).json).toMatchObject({ status: 401, code: 'unauthenticated' });
      // Known at once, not when what was known has grown old.
      expect((await send(api.url, 'GET', '/v1/principal', { headers })).status).toBe(401);

      const { ticketId } = await post('/v1/tickets', { ...open, client: api.client });
      const untouched = await streams[3]?.until(({ messages }) => messages.some(({ data }) => ticketOf(data) === ticketId));
      untouched?.close();
      for (const stream of streams.slice(0, 3)) expect(stream.messages.some(({ data }) => ticketOf(data) === ticketId)).toBe(false);
    } finally {
      await elsewhere.close();
    }
  });

  it('ends when the server stops', async () => {
    const other = await startApi();
    const [response] = (await once(httpGet(`${other.url}/v1/events`, { agent: false }), 'response')) as [IncomingMessage];
    const ended = once(response.resume(), 'end');
    await Promise.all([ended, other.stop()]);
    expect(response.complete).toBe(true);
  });
});
