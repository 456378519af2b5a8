import { randomUUID } from 'node:crypto';
import { EventStore, type FeedFilter, type FeedItem, isRefusal, type Position } from '#eventsourcing';
import { type EventFilter, ticket, type TicketCommandName, type TicketCommands } from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
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
  readStream = (...args: Parameters<EventStore['readStream']>) => {
    this.reads++;
    return events.store.readStream(...args);
  };
  append = (...args: Parameters<EventStore['append']>) => events.store.append(...args);
  end = () => events.store.end();
  lastBefore = (...args: Parameters<EventStore['lastBefore']>) => events.store.lastBefore(...args);
  readAll = (...args: Parameters<EventStore['readAll']>) => events.store.readAll(...args);
  subscribe(filter: FeedFilter, after: Position | 'start' | 'end', signal: AbortSignal): AsyncIterable<FeedItem> {
    this.subscriptions++;
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
const note = (id: string, text: string) => command(id, 'SendPublicReply', { text });

const commitOf = (position: Position | 'start') => (position === 'start' ? -1n : position.commit);
const everything = () => true;
const clientName = () => `client-${randomUUID()}`;

/** Reads a feed until it has brought so many events. */
async function first(
  log: PublicLog,
  count: number,
  filter: EventFilter,
  { after = 'start', onBatch = () => undefined }: { after?: Position | 'start'; onBatch?: (batch: FeedBatch) => Promise<void> | void } = {},
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
  logged.flatMap(({ event }) => (event.type.includes('public-reply') ? [(event.data as { text: string }).text] : []));

it('brings history and then what comes, as CloudEvents, to many readers from one subscription', async () => {
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
      ['ticket.public-reply-sent.v1', 1],
      ['ticket.public-reply-sent.v1', 2],
      ['ticket.public-reply-sent.v1', 3],
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
  const slow = first(
    log,
    60,
    { client },
    { after: position, onBatch: ({ caughtUp }) => (caughtUp ? new Promise<void>((go) => (resume = go)) : undefined) },
  );
  const fast = first(log, 60, { client }, { after: position });
  const told = Array.from({ length: 60 }, (_, n) => String(n));
  for (const text of told) await note(id, text);
  // The slow one has not asked for anything since it was told that history is over.
  expect(texts(await fast)).toEqual(told);
  resume();
  expect(texts(await slow)).toEqual(told);
});

it('knows where a ticket was at each event, wherever a reader begins', async () => {
  const client = clientName();
  const handoff = { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] };
  const { id } = await open(client);
  const assigned = await command(id, 'AssignTicket', { team: 'desk' });
  await command(id, 'EscalateToTier', { tier: 'L2', team: 'network', reason: 'r', handoff });
  await command(id, 'TriageTicket', { category: 'c', impact: 'high', urgency: 'critical' });
  await open(client, { impact: 'high', urgency: 'critical' });
  const all = await first(new PublicLog(events.store), 5, { client });
  expect(all.map(({ event: { tier, team, priority } }) => [tier, team, priority])).toEqual([
    ['L1', undefined, 'low'],
    ['L1', 'desk', 'low'],
    ['L2', 'network', 'low'],
    ['L2', 'network', 'critical'],
    ['L1', undefined, 'critical'],
  ]);
  const store = new Counted();
  const log = new PublicLog(store);
  const after = assigned.position;
  const types = async (count: number, filter: EventFilter) => (await first(log, count, { client, ...filter }, { after })).map(short);
  expect(await types(2, { tiers: ['L2', 'L3'] })).toEqual([
    ['ticket.escalated.v1', 2],
    ['ticket.triaged.v1', 3],
  ]);
  expect(await types(2, { priorities: ['critical'] })).toEqual([
    ['ticket.triaged.v1', 3],
    ['ticket.opened.v1', 0],
  ]);
  expect(await types(2, { team: 'network' })).toEqual([
    ['ticket.escalated.v1', 2],
    ['ticket.triaged.v1', 3],
  ]);
  expect(await types(1, { types: ['TicketEscalated'] })).toEqual([['ticket.escalated.v1', 2]]);
  expect(await types(2, { ticket: id })).toEqual([
    ['ticket.escalated.v1', 2],
    ['ticket.triaged.v1', 3],
  ]);
});

it('says where it is while nothing comes that is wanted', async () => {
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
    ['ticket.public-reply-sent.v1', 1],
  ]);
  expect(batches.at(-1)?.position).toEqual(until);
});
