import { randomUUID } from 'node:crypto';
import { EventStore, type FeedFilter, type FeedItem, isRefusal, type Position } from '#eventsourcing';
import { type EventFilter, type FeedPosition, ticket, type TicketCommandName, type TicketCommands } from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { type TestEvents, testEvents } from '../../../test/stores.js';
import { type FeedBatch, type LoggedEvent, PublicLog } from './index.js';

let events: TestEvents;
beforeAll(async () => {
  events = await testEvents();
});
afterAll(() => events.close());

/** The store, counting the subscriptions and the reads of streams. */
class Counted extends EventStore {
  subscriptions = 0;
  reads = 0;
  /** Subscriptions that were ended. */
  ended = 0;
  readStream = (...args: Parameters<EventStore['readStream']>) => {
    this.reads++;
    return events.store.readStream(...args);
  };
  seal = (...args: Parameters<EventStore['seal']>) => events.store.seal(...args);
  append = (...args: Parameters<EventStore['append']>) => events.store.append(...args);
  end = () => events.store.end();
  has = (...args: Parameters<EventStore['has']>) => events.store.has(...args);
  eventAt = (...args: Parameters<EventStore['eventAt']>) => events.store.eventAt(...args);
  lastBefore = (...args: Parameters<EventStore['lastBefore']>) => events.store.lastBefore(...args);
  readAll = (...args: Parameters<EventStore['readAll']>) => events.store.readAll(...args);
  subscribe(filter: FeedFilter, after: Position | 'start' | 'end', signal: AbortSignal): AsyncIterable<FeedItem> {
    this.subscriptions++;
    signal.addEventListener('abort', () => this.ended++);
    return events.store.subscribe(filter, after, signal);
  }
}

async function command<Name extends TicketCommandName>(id: string | undefined, name: Name, body: TicketCommands[Name]) {
  const commandId = randomUUID();
  const context = { commandId, actor: { id: 'ada', kind: 'agent' as const }, correlationId: commandId, causationId: commandId };
  const done = await runSystemCommand(events.store, { aggregate: ticket, id, name, body, context });
  if (isRefusal(done)) throw new Error(done.message);
  const position: Position | 'start' = done.position ?? 'start';
  return { id: done.id, position };
}

const open = (client: string, more: Partial<TicketCommands['OpenTicket']> = {}) =>
  command(undefined, 'OpenTicket', {
    client,
    kind: 'incident',
    summary: 's',
    reporter: { id: 'joe' },
    channel: 'phone',
    impact: 'low',
    urgency: 'low',
    ...more,
  });
const note = (id: string, text: string) => command(id, 'RecordRequesterReply', { text });

const commitOf = (position: Position | 'start') => (position === 'start' ? -1n : position.commit);
const everything = () => true;
const clientName = () => `client-${randomUUID()}`;

/** Reads a feed until it has brought so many events. */
async function first(
  log: PublicLog,
  count: number,
  filter: EventFilter,
  {
    after = 'start',
    onBatch = () => undefined,
  }: { after?: FeedPosition | 'start'; onBatch?: (batch: FeedBatch) => Promise<void> | void } = {},
): Promise<LoggedEvent[]> {
  const stop = new AbortController();
  const seen: LoggedEvent[] = [];
  for await (const batch of log.follow({ filter, sees: everything, after, signal: stop.signal })) {
    seen.push(...batch.events);
    if (seen.length >= count) stop.abort();
    else await onBatch(batch);
  }
  return seen;
}

const short = ({ event }: LoggedEvent) => [event.type.replace('com.tierline.', ''), event.revision];
const texts = (logged: readonly LoggedEvent[]) =>
  logged.flatMap(({ event }) => (event.type.includes('requester-replied') ? [(event.data as { text: string }).text] : []));

it('delivers history and then new events, as CloudEvents, to many readers from one subscription', async () => {
  const client = clientName();
  const store = new Counted();
  const log = new PublicLog(store);
  const { id } = await open(client);
  let upToDate = 0;
  const reading = Array.from({ length: 20 }, () =>
    first(log, 4, { client }, { onBatch: ({ caughtUp }) => void (upToDate += caughtUp ? 1 : 0) }),
  );
  await note(id, 'one');
  await note(id, 'two');
  await note(id, 'three');
  for (const seen of await Promise.all(reading))
    expect(seen.map(short)).toEqual([
      ['ticket.opened.v1', 0],
      ['ticket.requester-replied.v1', 1],
      ['ticket.requester-replied.v1', 2],
      ['ticket.requester-replied.v1', 3],
    ]);
  expect(store.subscriptions).toBe(1);
  expect(upToDate).toBeLessThanOrEqual(20);
  const [[opened]] = (await Promise.all(reading)) as [LoggedEvent[]];
  expect(JSON.parse(opened?.json ?? '')).toMatchObject({
    specversion: '1.0',
    type: 'com.tierline.ticket.opened.v1',
    source: '/tierline',
    subject: `ticket/${id}`,
    client,
    tier: 'L1',
    priority: 'low',
  });
});

it('loses nothing for a reader that falls behind the window, and holds up no other', async () => {
  const client = clientName();
  const log = new PublicLog(events.store, { events: 8 });
  const { id, position } = await open(client);
  let resume = () => {};
  const resumed = new Promise<void>((go) => (resume = go));
  const slow = first(log, 60, { client }, { after: position, onBatch: ({ caughtUp }) => (caughtUp ? resumed : undefined) });
  const fast = first(log, 60, { client }, { after: position });
  const told = Array.from({ length: 60 }, (_, n) => String(n));
  for (const text of told) await note(id, text);
  // The slow one has not asked for anything since it was told that history is over.
  expect(texts(await fast)).toEqual(told);
  resume();
  expect(texts(await slow)).toEqual(told);
});

it('stops reading some time after its last reader, and starts again with the next one without a gap', async () => {
  const client = clientName();
  const store = new Counted();
  const log = new PublicLog(store, { lingerMs: 0 });
  const { id } = await open(client);
  const [opened] = await first(log, 1, { client });
  await eventually(() => store.ended, Boolean);
  await note(id, 'meanwhile');
  const next = first(log, 2, { client }, { after: opened?.position ?? 'start' });
  await note(id, 'then');
  expect(texts(await next)).toEqual(['meanwhile', 'then']);
  expect(store.subscriptions).toBe(2);
});

it('knows where a ticket was at each event, wherever a reader begins', async () => {
  const client = clientName();
  const handoff = { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] };
  const { id } = await open(client);
  const assigned = await command(id, 'AssignTicket', { team: 'desk' });
  await command(id, 'EscalateToTier', { tier: 'L2', team: 'network', reason: 'r', handoff });
  await command(id, 'TriageTicket', { category: 'c', impact: 'high', urgency: 'critical' });
  await open(client, { impact: 'high', urgency: 'critical' });
  const all = await first(new PublicLog(events.store), 6, { client });
  expect(all.map(({ event: { tier, team, priority } }) => [tier, team, priority])).toEqual([
    ['L1', undefined, 'low'],
    ['L1', 'desk', 'low'],
    // L1 has taken it over in time, and handed it on.
    ['L2', 'network', 'low'],
    ['L2', 'network', 'low'],
    ['L2', 'network', 'critical'],
    ['L1', undefined, 'critical'],
  ]);
  const store = new Counted();
  const log = new PublicLog(store);
  const after = assigned.position;
  const types = async (count: number, filter: EventFilter) => (await first(log, count, { client, ...filter }, { after })).map(short);
  expect(await types(3, { tiers: ['L2', 'L3'] })).toEqual([
    ['sla.met.v1', 2],
    ['ticket.escalated.v1', 2],
    ['ticket.triaged.v1', 3],
  ]);
  expect(await types(2, { priorities: ['critical'] })).toEqual([
    ['ticket.triaged.v1', 3],
    ['ticket.opened.v1', 0],
  ]);
  expect(await types(3, { team: 'network' })).toEqual([
    ['sla.met.v1', 2],
    ['ticket.escalated.v1', 2],
    ['ticket.triaged.v1', 3],
  ]);
  expect(await types(1, { types: ['TicketEscalated'] })).toEqual([['ticket.escalated.v1', 2]]);
  expect(await types(3, { ticket: id })).toEqual([
    ['sla.met.v1', 2],
    ['ticket.escalated.v1', 2],
    ['ticket.triaged.v1', 3],
  ]);
});

it('reports which clocks an event ended in time, before the event, and resumes between the two', async () => {
  const client = clientName();
  const { id } = await open(client);
  await command(id, 'ResolveTicket', { category: 'c', cause: 'c', fix: 'f', article: 'a' });
  const clocks = (logged: readonly LoggedEvent[]) =>
    logged.map(({ event: { type, data } }) => (data as { clock?: string }).clock ?? type.replace('com.tierline.', ''));
  const history = async (log: PublicLog, filter: EventFilter, after: FeedPosition | 'start' = 'start') => {
    const seen: LoggedEvent[] = [];
    const { signal } = new AbortController();
    const asked = { filter: { client, ...filter }, sees: everything, after, until: await events.store.end(), signal };
    for await (const batch of log.read(asked)) seen.push(...batch.events);
    return seen;
  };
  const log = new PublicLog(events.store);
  const all = await history(log, {});
  const [, response, resolution, , resolved] = all;
  expect(clocks(all)).toEqual(['ticket.opened.v1', 'response', 'resolution', 'tier-accept', 'ticket.resolved.v1']);
  expect(resolution?.event).toMatchObject({
    type: 'com.tierline.sla.met.v1',
    subject: `ticket/${id}`,
    revision: 1,
    position: `${resolved?.event.position}/2`,
    causationid: resolved?.event.id,
    time: resolved?.event.time,
    data: { clock: 'resolution', cycle: 1, terms: 1, contractVersion: 0, elapsed: expect.any(Number) },
  });
  for (const [index, { position: after }] of all.entries()) {
    expect((await history(new PublicLog(events.store), {}, after)).map(({ json }) => json)).toEqual(
      all.slice(index + 1).map(({ json }) => json),
    );
  }
  expect(clocks(await history(log, { types: ['SlaMet'] }))).toEqual(['response', 'resolution', 'tier-accept']);
  expect(clocks(await history(log, { types: ['SlaMet'] }, response?.position))).toEqual(['resolution', 'tier-accept']);
  expect(clocks(await history(log, { types: ['SlaMet'], ticket: id }, response?.position))).toEqual(['resolution', 'tier-accept']);

  // In the window of recent events, too.
  const window = new PublicLog(events.store);
  const begin = (await events.store.end()) as Position;
  const types = ['SlaMet', 'TicketResolved', 'TicketReopened'] as const;
  const seen = await first(
    window,
    3,
    { client, types },
    {
      after: begin,
      onBatch: async ({ caughtUp }) => {
        if (!caughtUp) return;
        await command(id, 'ReopenTicket', { reason: 'r' });
        await command(id, 'ResolveTicket', { category: 'c', cause: 'c', fix: 'f', article: 'a' });
      },
    },
  );
  for (const [index, { position: after }] of seen.slice(0, -1).entries())
    expect(await first(window, seen.length - index - 1, { client, types }, { after })).toEqual(seen.slice(index + 1));
});

it('reports its position while there are no matching events', async () => {
  const client = clientName();
  const { position: after } = await open(client);
  const log = new PublicLog(events.store);
  const stop = new AbortController();
  let elsewhere: bigint | undefined;
  for await (const batch of log.follow({ filter: { client }, sees: everything, after, idleMs: 20, signal: stop.signal })) {
    expect(batch.events).toEqual([]);
    elsewhere ??= commitOf((await open(clientName())).position);
    if (commitOf(batch.position) >= elsewhere) stop.abort();
  }
});

it('reads up to a position, and no further', async () => {
  const client = clientName();
  const { id } = await open(client);
  const { position: until } = await note(id, 'before');
  await note(id, 'after');
  const { signal } = new AbortController();
  const batches: FeedBatch[] = [];
  for await (const batch of new PublicLog(events.store).read({ filter: { client }, sees: everything, after: 'start', until, signal }))
    batches.push(batch);
  expect(batches.flatMap((batch) => batch.events.map(short))).toEqual([
    ['ticket.opened.v1', 0],
    ['ticket.requester-replied.v1', 1],
  ]);
  expect(batches.at(-1)?.position).toEqual(until);
});

it('folds no tickets of other clients for a reader of one', async () => {
  const client = clientName();
  const { id: other, position: after } = await open(clientName());
  await note(other, 'theirs');
  const { position: until } = await open(client);
  const store = new Counted();
  const { signal } = new AbortController();
  const seen: LoggedEvent[] = [];
  for await (const batch of new PublicLog(store).read({ filter: { client }, sees: everything, after, until, signal }))
    seen.push(...batch.events);
  expect(seen.map(short)).toEqual([['ticket.opened.v1', 0]]);
  // What was said in the middle of a ticket's life could only be told with the ticket.
  expect(store.reads).toBe(0);
});
