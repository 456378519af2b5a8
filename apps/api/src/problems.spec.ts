import { randomUUID } from 'node:crypto';
import { eventually } from '../../../test/eventually.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

const post = (path: string, body: object, headers: Record<string, string> = {}) => send(api.url, 'POST', path, { body, headers });
const get = (path: string) => send(api.url, 'GET', path);

const ticketOf = async (client: string): Promise<string> => {
  const opening = { kind: 'incident', summary: 'No print', reporter: { id: 'joe' }, channel: 'chat', impact: 'low', urgency: 'low' };
  return (await post('/v1/tickets', { ...opening, client })).json.ticketId;
};

const problemOf = async (client: string): Promise<string> =>
  (await post('/v1/problems', { client, title: 'Printers stop' })).json.problemId;

describe('problems', () => {
  it('go from their tickets to a fix that would have prevented them, and back if it did not hold', async () => {
    const key = { 'Idempotency-Key': randomUUID() };
    const body = { client: api.client, title: 'Printers stop', category: 'hardware/printer' };
    const opened = await post('/v1/problems', body, key);
    const { problemId } = opened.json;
    const path = `/v1/problems/${problemId}`;
    expect([opened.status, opened.headers.get('location')]).toEqual([201, path]);
    expect((await post('/v1/problems', body, key)).json).toMatchObject({ problemId, repeated: true });
    const tickets = [await ticketOf(api.client), await ticketOf(api.client)];
    for (const ticketId of tickets) expect((await post(`${path}/tickets`, { ticketId })).status).toBe(200);
    const foreign = await ticketOf(`${api.client}-other`);
    expect((await post(`${path}/tickets`, { ticketId: foreign })).json).toMatchObject({ status: 409, code: 'other-client' });
    expect((await post(`${path}/close`, {})).json).toMatchObject({ status: 422, code: 'problem-incomplete', faults: [{}, {}] });
    expect((await post(`${path}/workaround`, { workaround: 'Restart the spooler' })).status).toBe(200);
    expect((await post(`${path}/root-cause`, { rootCause: 'The driver leaks handles' })).status).toBe(200);
    const fix = { description: 'Driver 4.2', change: 'CHG-1042', before: 'Driver 4.1', after: 'Driver 4.2' };
    expect((await post(`${path}/fix`, fix, { 'If-Match': '"0"' })).json).toMatchObject({ status: 412, code: 'revision-mismatch' });
    expect((await post(`${path}/fix`, fix)).status).toBe(200);
    const prevented = { tickets: 1, countedAs: 'linked-after-the-first' };
    expect((await post(`${path}/close`, {})).json).toMatchObject({ events: [{ type: 'ProblemClosed', data: { prevented } }] });
    expect((await post(`${path}/workaround`, { workaround: 'Another' })).json).toMatchObject({ status: 409, code: 'problem-closed' });
    const shown = await get(path);
    expect(shown.headers.get('etag')).toBe('"6"');
    expect(shown.json).toMatchObject({ ...body, problemId, tickets, status: 'closed', fix, prevented });
    expect((await post(`${path}/reopen`, { reason: 'The same again' })).status).toBe(200);
    expect((await get(path)).json).toMatchObject({ status: 'known-error', failedFixes: [fix] });
  });

  it('are listed in pages, by what they are about and by ticket', async () => {
    const client = `${api.client}-listed`;
    const ids: string[] = [];
    for (const [component, category] of [
      ['FIN-1', 'hardware'],
      ['FIN-2', 'hardware/printer'],
      ['FIN-2', 'hardware-loan'],
    ]) {
      const body = { client, title: 'Printers stop', service: 'printing', component, category };
      ids.push((await post('/v1/problems', body)).json.problemId);
    }
    const ticketId = await ticketOf(client);
    await post(`/v1/problems/${ids[2]}/tickets`, { ticketId });
    await post(`/v1/problems/${ids[2]}/workaround`, { workaround: 'Restart the spooler' });
    const list = async (query: string): Promise<{ readonly items: readonly { readonly problemId: string }[]; readonly next?: string }> =>
      (await get(`/v1/problems?client=${client}${query}`)).json;
    const found = async (query: string) => (await list(query)).items.map(({ problemId }) => problemId);
    await eventually(
      async () => [(await found('')).length, (await found('&status=known-error')).length],
      ([all, known]) => all === 3 && known === 1,
    );
    const first = await list('&limit=2');
    const second = await list(`&limit=2&cursor=${encodeURIComponent(first.next ?? '')}`);
    expect([...first.items, ...second.items].map(({ problemId }) => problemId)).toEqual([...ids].sort());
    expect(second.next).toBeUndefined();
    expect(await found('&component=FIN-2&service=printing')).toEqual(ids.slice(1).sort());
    expect(await found(`&ticket=${ticketId}`)).toEqual([ids[2]]);
    expect(await found('&category=hardware')).toEqual(ids.slice(0, 2).sort());
    expect(await found('&category=hardware/printer')).toEqual([ids[1]]);
    expect(await found('&category=hard')).toEqual([]);
    expect((await get('/v1/problems?status=lost')).json).toMatchObject({ status: 400, faults: [{ field: 'status' }] });
    for (const route of ['problems', 'alerts', 'automation-tasks', 'major-incidents', 'articles'])
      expect((await get(`/v1/${route}?ticket=abc`)).json).toMatchObject({
        status: 400,
        code: 'invalid-query',
        faults: [{ field: 'ticket' }],
      });
    await post(`/v1/problems/${ids[0]}/root-cause`, { rootCause: 'The fuser overheats' });
    expect(
      await eventually(
        () => found('&q=OVERHEATS fus*'),
        ({ length }) => length > 0,
      ),
    ).toEqual([ids[0]]);
    expect(await found('&q=overheats toner')).toEqual([]);
    expect((await list('&q=overheats')).items[0]).not.toHaveProperty('words');
    expect((await get(`/v1/problems?limit=1&cursor=${encodeURIComponent(first.next ?? '')}`)).json).toMatchObject({
      status: 400,
      code: 'invalid-query',
    });
  });

  it('have a root cause report: JSON, Markdown or a page, of the problem and of a ticket', async () => {
    const client = `${api.client}-report`;
    const problemId = await problemOf(client);
    const ticketId = await ticketOf(client);
    const path = `/v1/problems/${problemId}`;
    const hostile = '<script>alert(1)</script> | *bold*\u202e';
    await post(`${path}/tickets`, { ticketId });
    const whys = [{ why: 'Why?', because: hostile, evidence: [`ticket/${ticketId}/0`] }];
    const last = `ticket/${ticketId.toUpperCase()}/0`;
    const foreign = `problem/${await problemOf(`${client}-other`)}/0`;
    const evidence = [
      last,
      'spooler.log',
      `ticket/${ticketId}/7`,
      `ticket/${randomUUID()}/0`,
      foreign,
      'ticket/FIN-2',
      `problem/${problemId}/x`,
    ];
    expect((await post(`${path}/five-whys`, { whys: [...whys, { why: 'Why?', because: 'x', evidence }] })).json).toMatchObject({
      status: 422,
      code: 'evidence-not-found',
      faults: [2, 3, 4, 5, 6].map((index) => ({ field: `whys[1].evidence[${index}]` })),
    });
    expect((await post(`${path}/five-whys`, { whys: [{ ...whys[0], evidence: [last] }] })).status).toBe(200);
    const as = (path: string, Accept: string) => send(api.url, 'GET', path, { headers: { Accept } });
    const { json } = await get(`${path}/report`);
    expect(json).toMatchObject({
      subject: `problem/${problemId}`,
      client,
      whys: [{ because: hostile, evidence: [{ event: { type: 'TicketOpened' } }] }],
    });
    expect(json.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(json.proof.streams).toMatchObject([{ stream: `problem-${problemId}`, revision: 2 }, { stream: `ticket-${ticketId}` }]);
    const markdown = await as(`${path}/report`, 'text/markdown');
    expect(markdown.headers.get('content-type')).toBe('text/markdown; charset=utf-8');
    expect(markdown.text).toContain('\\<script\\>alert(1)\\</script\\> \\| \\*bold\\*\\\\u202e');
    const html = await as(`${path}/report`, 'text/html,application/xhtml+xml');
    expect(html.headers.get('content-security-policy')).toContain("style-src 'sha256-");
    expect(html.text).toContain('&lt;script&gt;alert(1)&lt;/script&gt; | *bold*\\u202e');
    expect(html.text).not.toContain('<script');
    expect((await get(`/v1/tickets/${ticketId}/root-cause-report`)).json).toMatchObject({
      subject: `ticket/${ticketId}`,
      title: 'No print',
    });
    expect((await get(`/v1/tickets/${randomUUID()}/root-cause-report`)).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
  });

  it('have preventive actions, listed by when they are due, with those that are overdue', async () => {
    const client = `${api.client}-actions`;
    const [one, two] = [await problemOf(client), await problemOf(client)];
    const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
    const plan = async (problemId: string, action: string, dueAt: string, owner = 'grace') =>
      (await post(`/v1/problems/${problemId}/actions`, { action, description: 'Stage updates', owner: { id: owner }, dueAt })).status;
    const planned = [
      await plan(one, 'A', day(2)),
      await plan(one, 'B', day(-1)),
      await plan(two, 'A', day(-2), 'ada'),
      await plan(two, 'C', day(1)),
    ];
    expect(planned).toEqual([200, 200, 200, 200]);
    const [action, outcome] = ['C', 'Staged'];
    expect((await post(`/v1/problems/${two}/actions/done`, { action, outcome, change: 'CHG-2' })).status).toBe(200);
    expect((await post(`/v1/problems/${two}/actions/cancel`, { action, reason: 'r' })).json).toMatchObject({
      status: 409,
      code: 'action-ended',
    });
    const named = (items: readonly { problemId: string; action: string }[]) => items.map((each) => [each.problemId, each.action]);
    const list = async (query: string) => (await get(`/v1/preventive-actions?client=${client}${query}`)).json;
    await eventually(
      () => list('&state=done'),
      ({ items }) => items.length === 1,
    );
    const first = await list('&limit=2');
    expect(first.items).toMatchObject([{ overdue: true, client, title: 'Printers stop' }, { overdue: true }]);
    const second = await list(`&limit=2&cursor=${encodeURIComponent(first.next)}`);
    expect(named([...first.items, ...second.items])).toEqual([
      [two, 'A'],
      [one, 'B'],
      [two, 'C'],
      [one, 'A'],
    ]);
    expect(named((await list('&overdue=true&owner=ada')).items)).toEqual([[two, 'A']]);
    expect(named((await list('&overdue=false')).items)).toEqual([
      [two, 'C'],
      [one, 'A'],
    ]);
    expect((await post(`/v1/problems/${two}/actions/cancel`, { action: 'A', reason: 'r' })).status).toBe(200);
    const overdue = async (is: boolean) => (await get(`/v1/problems?client=${client}&overdue=${is}`)).json.items;
    await eventually(
      () => overdue(true),
      ({ length }) => length === 1,
    );
    expect([(await overdue(true))[0].problemId, (await overdue(false))[0].problemId]).toEqual([one, two]);
  });

  it('are not found if they never existed', async () => {
    const path = `/v1/problems/${randomUUID()}`;
    expect((await get(path)).json).toMatchObject({ status: 404, code: 'problem-not-found' });
    expect((await post(`${path}/close`, {})).json).toMatchObject({ status: 404, code: 'problem-not-found' });
  });
});

describe('self-service', () => {
  const keyed = async (roles: readonly string[], id: string, clients = [api.client]) => {
    const { token } = (await post('/v1/api-keys', { label: 'spec', id, roles, clients })).json;
    return async (method: string, path: string, body?: object) =>
      send(api.url, method, path, { body, headers: { Authorization: `Bearer ${token}` } });
  };

  it('suggests what requesters may read, and distinguishes people who were helped from those who opened a ticket', async () => {
    const mark = `w${randomUUID().slice(0, 8)}`;
    const ids: string[] = [];
    for (const more of [{ visibility: 'everybody' }, { visibility: 'desk' }, { visibility: 'client', client: `${api.client}-other` }]) {
      const article = `KB-${randomUUID()}`;
      await post('/v1/articles', { article, title: `Queue ${mark}`, text: 'Restart it', ...more });
      for (const step of ['reviews', 'publish']) await post(`/v1/articles/${article}/${step}`, {});
      ids.push(article);
    }
    const [requester, desk] = [await keyed(['requester'], 'jane'), await keyed(['agent'], 'ada')];
    const ask = (of: typeof desk, more: object = {}) =>
      of('POST', '/v1/questions', { client: api.client, question: `queue ${mark}`, ...more });
    await eventually(
      async () => (await ask(desk)).json.suggestions,
      ({ length }) => length === 1,
    );
    const asked = await ask(requester);
    expect([asked.status, asked.json.suggestions]).toMatchObject([201, [{ article: ids[0], title: `Queue ${mark}`, text: 'Restart it' }]]);
    expect(asked.text).not.toContain(`"question"`);
    // Nor is it kept as what an administrator read.
    const reader = `root-${randomUUID()}`;
    expect((await ask(await keyed(['administrator'], reader))).status).toBe(201);
    const reads = () => get(`/v1/audit/reads?reader=${reader}&query=articles`);
    expect((await eventually(reads, ({ json }) => json.items?.length > 0)).json.items).toMatchObject([{ asked: { q: '[personal]' } }]);
    expect((await ask(requester, { reporter: { id: 'joe' } })).json).toMatchObject({ status: 403 });
    const path = `/v1/questions/${asked.json.questionId}`;
    expect((await requester('POST', `${path}/helped`, { article: ids[1] })).json).toMatchObject({ code: 'article-not-shown' });
    expect((await requester('POST', `${path}/helped`, { article: ids[0] })).status).toBe(200);
    expect((await (await keyed(['requester'], 'joe'))('POST', `${path}/helped`, { article: ids[0] })).status).toBe(404);
    const other = await ask(requester);
    const opening = {
      kind: 'incident',
      summary: 'Hangs',
      reporter: { id: 'jane' },
      channel: 'portal',
      impact: 'low',
      urgency: 'low',
      client: api.client,
    };
    const joe = await keyed(['requester'], 'joe');
    const another = { ...opening, reporter: { id: 'joe' }, question: other.json.questionId };
    expect((await joe('POST', '/v1/tickets', another)).json).toMatchObject({ code: 'question-not-found', faults: [{ field: 'question' }] });
    const opened = await requester('POST', '/v1/tickets', { ...opening, question: other.json.questionId });
    expect(opened.json.events[0].data).toMatchObject({ articlesShown: [ids[0]], question: other.json.questionId });
    expect((await desk('POST', '/v1/tickets', { ...opening, question: randomUUID() })).json).toMatchObject({ code: 'question-not-found' });
    const counts = async () => (await desk('GET', `/v1/question-counts?client=${api.client}`)).json;
    expect(await eventually(counts, ({ helped }) => helped === 1)).toMatchObject({ helped: 1, tickets: 0, deflection: 1 });
    expect((await desk('GET', `/v1/questions?client=${api.client}&status=helped`)).json.items).toMatchObject([
      { article: ids[0], reporter: { id: 'jane' } },
    ]);
    expect((await requester('GET', '/v1/questions')).status).toBe(403);

    // Only tickets are told when a person is forgotten: what else requesters do has no name of theirs.
    const { token } = (
      await post('/v1/api-keys', { label: 'spec', id: 'portal', roles: ['service'], clients: [api.client], onBehalfOf: true })
    ).json;
    const actor = { 'X-Actor-Id': 'jane', 'X-Actor-Name': 'Jane Roe', 'X-Actor-Kind': 'requester' };
    const acting = (path: string, body: object) => post(path, body, { Authorization: `Bearer ${token}`, ...actor });
    const { questionId } = (await acting('/v1/questions', { client: api.client, question: mark })).json;
    expect((await acting(`/v1/articles/${ids[0]}/feedback`, { helped: false })).status).toBe(200);
    for (const path of [`/v1/questions/${questionId}`, `/v1/articles/${ids[0]}`]) {
      const { json, text: history } = await get(`${path}/history`);
      expect([json.items.at(-1).actor, history.includes('Jane Roe')]).toEqual([{ id: 'jane', kind: 'requester' }, false]);
    }
  });

  it('opens tickets with forms once the answers match the fields', async () => {
    const form = `laptop-${randomUUID()}`;
    const fields = [{ name: 'size', label: 'Which size?', kind: 'choice', options: ['13', '15'], required: true }];
    const content = {
      title: 'Laptop',
      service: form,
      kind: 'service-request',
      impact: 'low',
      urgency: 'low',
      summary: 'Laptop {size}',
      fields,
    };
    expect((await post(`/v1/forms/${form}`, { ...content, fields: [{}] })).json).toMatchObject({ status: 422, code: 'form-invalid' });
    expect((await post(`/v1/forms/${form}`, content)).status).toBe(200);
    const requester = await keyed(['requester'], 'jane');
    const shown = await eventually(
      () => requester('GET', `/v1/forms/${form}`),
      ({ status }) => status === 200,
    );
    expect(shown.json).toMatchObject({ version: 1, fields });
    const request = { client: api.client, reporter: { id: 'jane' } };
    const wrong = await requester('POST', `/v1/forms/${form}/requests`, { ...request, answers: { size: '14' } });
    expect(wrong.json).toMatchObject({ status: 422, code: 'answers-invalid', faults: [{ field: 'answers.size' }] });
    const done = await requester('POST', `/v1/forms/${form}/requests`, { ...request, answers: { size: '13' } });
    expect([done.status, done.json.events[0].data]).toMatchObject([
      201,
      { summary: 'Laptop 13', channel: 'portal', form: { form, version: 1 }, description: expect.stringContaining('Which size?\n13') },
    ]);
    expect((await post('/v1/tickets', { ...request, form: { form, version: 1 } })).json).toMatchObject({ code: 'invalid-body' });
    // Who may open no ticket is told nothing of the form: not whether it exists, nor what it asks.
    const other = await keyed(['agent'], 'ann', [`${api.client}-other`]);
    for (const barred of [await keyed(['auditor'], 'audra'), other]) {
      const answers = [form, `no-${form}`].map((name) => barred('POST', `/v1/forms/${name}/requests`, { ...request, answers: {} }));
      const [there, away] = (await Promise.all(answers)).map(({ json: { code, detail } }) => ({ code, detail }));
      expect(there).toMatchObject({ code: 'forbidden' });
      expect(away).toEqual(there);
    }
    await post(`/v1/forms/${form}/withdraw`, {});
    await eventually(
      () => requester('POST', `/v1/forms/${form}/requests`, { ...request, answers: { size: '13' } }),
      ({ status }) => status === 409,
    );
    await eventually(
      () => get(`/v1/forms?service=${form}&withdrawn=true`),
      ({ json }) => json.items.length === 1,
    );
  });
});

describe('articles', () => {
  const draft = async (title: string, text: string, more: object = {}) => {
    const article = `KB-${randomUUID()}`;
    await post('/v1/articles', { article, title, text, visibility: 'desk', ...more });
    return article;
  };
  const publish = async (...content: Parameters<typeof draft>) => {
    const article = await draft(...content);
    for (const step of ['reviews', 'publish']) expect((await post(`/v1/articles/${article}/${step}`, {})).status).toBe(200);
    return article;
  };

  it('are found by prefixes and misspelt words, in scripts without spaces, and for a ticket', async () => {
    const mark = `q${randomUUID().slice(0, 8)}`;
    const printer = await publish(`Printer queue ${mark} hangs`, 'Restart the spooler.');
    const other = await publish('Mail is late', `Wait for the queue. ${mark}`);
    const japanese = await publish('印刷できません', `スプーラを再起動してください。${mark}`);
    await draft(`Printer ${mark}`, 'A draft');
    const found = async (query: string) =>
      (await get(`/v1/articles?${query}`)).json.items.map(({ article }: { article: string }) => article);
    await eventually(
      () => found(`q=${mark}`),
      ({ length }) => length === 3,
    );
    const best = async (q: string) =>
      (await found(`q=${encodeURIComponent(q)}&limit=200`)).filter((id: string) => [printer, other, japanese].includes(id));
    expect((await best('printr'))[0]).toBe(printer);
    expect((await best('SPOOL'))[0]).toBe(printer);
    expect((await best('再起動'))[0]).toBe(japanese);
    expect((await best(`queue ${mark}`)).slice(0, 2)).toEqual([printer, other]);
    const opening = { kind: 'incident', reporter: { id: 'joe' }, channel: 'chat', impact: 'low', urgency: 'low', client: api.client };
    const { ticketId } = (await post('/v1/tickets', { ...opening, summary: `The prnter ${mark} does nothing` })).json;
    await get(`/v1/tickets/${ticketId}?atLeast=0`);
    expect((await found(`ticket=${ticketId}`))[0]).toBe(printer);
    expect((await get(`/v1/articles?ticket=${randomUUID()}`)).json).toMatchObject({ status: 404, code: 'ticket-not-found' });

    expect((await post(`/v1/articles/${printer}/retire`, { reason: 'Gone' })).status).toBe(200);
    await eventually(
      () => found(`q=${mark}`),
      ({ length }) => length === 2,
    );
  });

  it('are listed by whether their review is overdue', async () => {
    const client = `${api.client}-reviews`;
    const [late, inTime] = [new Date(Date.now() - 1000).toISOString(), new Date(Date.now() + 3_600_000).toISOString()];
    const overdue = await draft('Late', 'x', { client, reviewBy: late });
    const others = [await draft('In time', 'x', { client, reviewBy: inTime }), await draft('Never', 'x', { client })];
    const retired = await draft('Retired', 'x', { client, reviewBy: late });
    await post(`/v1/articles/${retired}/retire`, { reason: 'Gone' });
    const found = async (query: string) =>
      (await get(`/v1/articles?client=${client}${query}`)).json.items.map(({ article }: { article: string }) => article).sort();
    await eventually(
      () => found('&status=retired'),
      ({ length }) => length === 1,
    );
    expect(await found('&overdue=true')).toEqual([overdue]);
    expect(await found('&overdue=false')).toEqual([...others, retired].sort());
    const moved = { reviewBy: inTime.replace('Z', '+00:00') };
    expect((await post(`/v1/articles/${overdue}/reviews`, moved)).json.events).toMatchObject([{ data: { reviewBy: inTime } }]);
    expect(
      await eventually(
        () => found('&overdue=true'),
        ({ length }) => length === 0,
      ),
    ).toEqual([]);
  });

  it('can be read by their audience', async () => {
    const mark = `v${randomUUID().slice(0, 8)}`;
    const client = `${api.client}-readers`;
    const ids = {
      desk: await publish('Desk', mark),
      client: await publish('Client', mark, { client, visibility: 'client' }),
      everybody: await publish('All', mark, { visibility: 'everybody' }),
      foreign: await publish('Foreign', mark, { client: `${client}-other`, visibility: 'client' }),
    };
    const revision = { text: `${mark} secret` };
    await post(`/v1/articles/${ids.everybody}/revisions`, revision);
    const as = async (roles: readonly string[]) => {
      const { token } = (await post('/v1/api-keys', { label: 'spec', id: 'jane', roles, clients: [client] })).json;
      return async (path: string) => send(api.url, 'GET', path, { headers: { Authorization: `Bearer ${token}` } });
    };
    const [requester, agent] = [await as(['requester']), await as(['agent'])];
    const seen = async (ask: typeof agent) =>
      (await ask(`/v1/articles?q=${mark}`)).json.items.map(({ article }: { article: string }) => article).sort();
    await eventually(
      () => seen(agent),
      ({ length }) => length === 3,
    );
    expect(await seen(agent)).toEqual([ids.desk, ids.client, ids.everybody].sort());
    expect(await seen(requester)).toEqual([ids.client, ids.everybody].sort());
    const status = async (ask: typeof agent, id: string) => (await ask(`/v1/articles/${id}`)).status;
    expect([await status(agent, ids.desk), await status(agent, ids.foreign)]).toEqual([200, 404]);
    expect([await status(requester, ids.desk), await status(requester, ids.foreign)]).toEqual([404, 404]);
    const read = await requester(`/v1/articles/${ids.everybody}`);
    expect(read.json).toMatchObject({ status: 'published', latest: { version: 1, text: mark } });
    expect(read.text).not.toContain('secret');
    expect((await requester(`/v1/articles/${ids.everybody}/history`)).status).toBe(403);
  });
});
