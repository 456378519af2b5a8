import { randomUUID } from 'node:crypto';
import type { Principal } from '#ticketing';
import { keyFor, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi({ ownAddresses: ['tierline@desk.example'] });
});
afterAll(async () => {
  await api?.stop();
});

/** A message, with these headers instead of or besides those of a usual one. */
function message(headers: Readonly<Record<string, string>> = {}, body = 'It prints nothing.'): string {
  const all = {
    From: 'Jane Doe <j.doe@northwind.example>',
    To: 'support@desk.example',
    Subject: 'Cannot print',
    'Message-ID': `<${randomUUID()}@northwind.example>`,
    'Content-Type': 'text/plain; charset=utf-8',
    ...headers,
  };
  return `${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\r\n')}\r\n\r\n${body}\r\n`;
}

const post = (raw: string, { client = api.client, headers = {} }: { client?: string; headers?: Record<string, string> } = {}) =>
  send(api.url, 'POST', `/v1/inbound-mail/${client}`, { body: raw, headers: { 'Content-Type': 'message/rfc822', ...headers } });
const eventsOf = async (ticketId: string) => (await send(api.url, 'GET', `/v1/tickets/${ticketId}/history?limit=200`)).json.items;
const typesOf = async (ticketId: string) => (await eventsOf(ticketId)).map(({ type }: { type: string }) => type);

describe('messages that come by e-mail', () => {
  it('open a ticket, and are replies to it by token, address and References; each once', async () => {
    const id = `<${randomUUID()}@northwind.example>`;
    const first = message({ 'Message-ID': id });
    const opened = await post(first);
    expect(opened).toMatchObject({ status: 201, json: { outcome: 'opened', ticketId: expect.any(String) } });
    const { ticketId } = opened.json;
    expect((await post(first)).json).toEqual(opened.json);

    const replyId = `<${randomUUID()}@northwind.example>`;
    const replies = [
      message({ 'Message-ID': replyId, 'In-Reply-To': id }, 'Still nothing.'),
      // Of the messages before it, it names only one that was a reply.
      message({ References: replyId }, 'And now?'),
      message({ Subject: `Re: [#${ticketId.toUpperCase()}] Cannot print` }, 'By the token.'),
      message({ To: `support+${ticketId}@desk.example` }, 'By the address.'),
    ];
    for (const reply of [...replies, replies[0] ?? '']) expect((await post(reply)).json).toEqual({ outcome: 'replied', ticketId });
    const events = await eventsOf(ticketId);
    expect(events.map(({ type }: { type: string }) => type)).toEqual(['TicketOpened', ...Array(4).fill('RequesterReplied')]);
    expect(events[0].data).toMatchObject({
      summary: 'Cannot print',
      description: 'It prints nothing.',
      channel: 'email',
      reporter: { name: 'Jane Doe <j.doe@northwind.example>' },
    });
    expect(events[0].data.reporter.id).not.toContain('j.doe');
    expect(events.slice(1).map(({ data }: { data: { text: string } }) => data.text)).toEqual([
      'Still nothing.',
      'And now?',
      'By the token.',
      'By the address.',
    ]);
  });

  it('keep their ticket when another message has their Message-ID: it has a place of its own among those kept aside', async () => {
    const id = `<${randomUUID()}@northwind.example>`;
    const first = message({ 'Message-ID': id });
    const { ticketId } = (await post(first)).json;
    const others = [
      [message({ 'Message-ID': id }, 'Something else.'), 'idempotency-key-reused'],
      [message({ 'Message-ID': id, 'Auto-Submitted': 'auto-replied' }), 'auto-submitted'],
    ] as const;
    for (const [other, reason] of others) expect((await post(other)).json).toEqual({ outcome: 'aside', reason });
    expect((await post(message({ 'In-Reply-To': id }))).json).toEqual({ outcome: 'replied', ticketId });
    expect((await post(first)).json).toEqual({ outcome: 'opened', ticketId });
    const { items } = (await send(api.url, 'GET', '/v1/inbound-mail?limit=200')).json;
    const aside = items.filter(({ message: of }: { message: string }) => of === id).map(({ reason }: { reason: string }) => reason);
    expect(aside.sort()).toEqual(['auto-submitted', 'idempotency-key-reused']);
  });

  it('bring attachments; omitted parts are reported, and the message is kept in full', async () => {
    const part = (name: string, content: string) =>
      `--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="${name}"\r\n\r\n${content}\r\n`;
    const parts = [...Array(21).keys()].map((n) => part(n < 2 ? 'spool.log' : `log-${n}.txt`, `content ${n}`));
    const raw = (some: readonly string[]) =>
      message(
        { 'Content-Type': 'multipart/mixed; boundary=b' },
        `--b\r\nContent-Type: text/plain\r\n\r\nSee the logs.\r\n${some.join('')}--b--`,
      );
    const { json: few } = await post(raw(parts.slice(0, 2)));
    expect(few.outcome).toBe('opened');
    const evidence = (await eventsOf(few.ticketId)).filter(({ type }: { type: string }) => type === 'EvidenceAttached');
    expect(evidence.map(({ data }: { data: { name: string } }) => data.name)).toEqual([
      'spool.log',
      expect.stringMatching(/^spool\.log \([0-9a-f]{12}\)$/),
    ]);
    const content = await send(api.url, 'GET', `/v1/attachments/${evidence[0].data.sha256}`);
    expect(content.text.trim()).toBe('content 0');

    const many = raw(parts);
    const { json } = await post(many);
    expect(json).toEqual({ outcome: 'aside', reason: 'too-many-attachments', ticketId: expect.any(String) });
    expect((await typesOf(json.ticketId)).filter((type: string) => type === 'EvidenceAttached')).toHaveLength(20);
    const { items } = (await send(api.url, 'GET', '/v1/inbound-mail?limit=200')).json;
    const { sha256 } = items.find(({ ticketId }: { ticketId?: string }) => ticketId === json.ticketId);
    expect((await send(api.url, 'GET', `/v1/attachments/${sha256}`)).text).toBe(many);
  });

  it.each([
    [{ 'Auto-Submitted': 'auto-replied (vacation)' }, 'auto-submitted'],
    [{ Precedence: 'bulk' }, 'bulk'],
    [{ 'List-Id': '<news.example>' }, 'mailing-list'],
    [{ 'Return-Path': '<>' }, 'no-return-path'],
    [{ From: 'MAILER-DAEMON@mx.example' }, 'delivery-report'],
    [{ From: 'Tierline <Tierline@desk.example>' }, 'own-message'],
    [{ 'Message-ID': '<0b1c7a52-5c0e-5d3f-9a57-0d8f3c1e2a41@desk.example>' }, 'own-message'],
    [{ 'In-Reply-To': '<0b1c7a52-5c0e-5d3f-9a57-0d8f3c1e2a41@desk.example>' }, 'answers-a-notification'],
    [{ From: 'nobody' }, 'unreadable'],
  ])('that no requester wrote are kept aside: %j is %s', async (headers, reason) => {
    expect((await post(message(headers))).json).toEqual({ outcome: 'aside', reason });
  });

  it('are taken where they say that a person wrote them, and have neither subject nor text', async () => {
    const { json } = await post(message({ 'Auto-Submitted': 'no', Subject: '' }, ''));
    expect((await eventsOf(json.ticketId))[0].data).toMatchObject({ summary: '(no subject)', description: '(no text)' });
  });

  it('are kept aside if the ticket cannot accept them', async () => {
    const { ticketId } = (await post(message())).json;
    await send(api.url, 'POST', `/v1/tickets/${ticketId}/cancel`, { body: { reason: 'r' } });
    const { json } = await post(message({ Subject: `[#${ticketId}]` }));
    expect(json).toEqual({ outcome: 'aside', reason: 'ticket-cancelled', ticketId });
  });

  it('reach no ticket of another client, and are taken only from who may act for others there', async () => {
    const { ticketId } = (await post(message())).json;
    const stranger = `client-${randomUUID()}`;
    expect((await post(message({ Subject: `[#${ticketId}]` }), { client: stranger })).json).toEqual({
      outcome: 'aside',
      reason: 'not-of-client',
    });

    const as = async (principal: Partial<Principal>) => {
      const mta = { kind: 'service', id: 'mta', roles: ['service'], clients: [stranger], tiers: 'all', teams: [], ...principal } as const;
      return { Authorization: `Bearer ${await keyFor(api.store, mta)}` };
    };
    const mta = await as({ onBehalfOf: true });
    expect((await post(message(), { client: stranger, headers: mta })).status).toBe(201);
    expect((await post(message(), { headers: mta })).json).toMatchObject({ status: 403 });
    expect((await post(message(), { client: stranger, headers: await as({}) })).json).toMatchObject({ status: 403 });
    const { items } = (await send(api.url, 'GET', '/v1/inbound-mail', { headers: mta })).json;
    expect(items.map(({ client }: { client: string }) => client)).toEqual([stranger]);
  });

  it('are bytes of their own type', async () => {
    expect((await send(api.url, 'POST', '/v1/inbound-mail/c', { body: {} })).json).toMatchObject({ status: 415 });
    const asMessage = { body: message(), headers: { 'Content-Type': 'message/rfc822' } };
    expect((await send(api.url, 'POST', '/v1/tickets', asMessage)).json).toMatchObject({ status: 415 });
  });
});
