import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type EventStore, type Instant, instantFrom, isRefusal, readAggregate, type StoredEvent, streamName } from '#eventsourcing';
import type { EventStoreDB } from '#eventstoredb';
import { type AnyGroup, type LookedAt, type Mongo, ViewNews } from '#mongo';
import { createLog } from '#platform';
import {
  contract,
  contractViews,
  DAY,
  defaultContract,
  HOUR,
  MINUTE,
  onCall,
  ticket,
  ticketSla,
  type TicketCommandName,
  type TicketCommands,
  ticketViews,
} from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { type TestStores, testStores } from '../../../test/stores.js';
import { startTimekeeper, type Timekeeper } from './timekeeper.js';
import { startWorker } from './worker.js';

let store: EventStoreDB;
let mongo: Mongo;
let stores: TestStores;
const log = createLog('silent');
/** A client whose contract has nothing wait for more facts that are told late. What is promised between tiers is left out here. */
const hasty = `client-${randomUUID()}`;

beforeAll(async () => {
  stores = await testStores();
  ({ store, mongo } = stores);
  const worker = startWorker({ store, db: mongo.db, groups: [ticketViews, contractViews], policies: [], log });
  stores.onClose(() => worker.stop());
  await agree(hasty, { quietTime: 0 }, instantFrom(Date.now() - DAY));
});
afterAll(() => stores.close());

const timekeeper = (): Timekeeper => startTimekeeper({ store, db: mongo.db, log, pollMs: 20 });

function sent() {
  const commandId = randomUUID();
  return { commandId, actor: { id: 'ada', kind: 'agent' as const }, correlationId: commandId, causationId: commandId };
}

async function tell<Name extends TicketCommandName>(ticketId: string | undefined, name: Name, body: TicketCommands[Name]): Promise<string> {
  const done = await runSystemCommand(store, { aggregate: ticket, id: ticketId, name, body, context: sent() });
  if (isRefusal(done)) throw new Error(JSON.stringify(done));
  return done.id;
}

/** Opens a critical ticket so many milliseconds ago: 15 minutes to respond, four hours to resolve. */
function openAgo(milliseconds: number, client = hasty): Promise<string> {
  const effectiveAt = instantFrom(Date.now() - milliseconds);
  return tell(undefined, 'OpenTicket', {
    client,
    kind: 'incident',
    summary: 's',
    reporter: { id: 'joe' },
    channel: 'phone',
    impact: 'high',
    urgency: 'critical',
    effectiveAt,
  });
}

async function agree(client: string, terms: object, effectiveFrom?: string): Promise<void> {
  const body = { client, terms: { tierTargets: {}, ...terms }, ...(effectiveFrom === undefined ? {} : { effectiveFrom }) };
  const done = await runSystemCommand(store, { aggregate: contract, id: client, name: 'AgreeContract', body, context: sent() });
  if (isRefusal(done)) throw new Error(JSON.stringify(done));
}

async function eventsOf(ticketId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.readStream(streamName(ticket, ticketId))) events.push(event);
  return events;
}

const told = async (ticketId: string) =>
  (await eventsOf(ticketId)).flatMap(({ type, data }) => {
    const { clock, percent } = data as { clock?: string; percent?: number };
    return type === 'SlaBreached' ? [`${clock} breached`] : type === 'SlaThresholdReached' ? [`${clock} ${percent}`] : [];
  });

const ofResponse = ['response 50', 'response 75', 'response 90', 'response breached'];

describe('the timekeeper', () => {
  it('records each warning and breach once, in order, with its own time, however many of them run', async () => {
    const ids = await Promise.all(Array.from({ length: 15 }, () => openAgo(20 * MINUTE)));
    const several = [timekeeper(), timekeeper(), timekeeper()];
    await eventually(async () => (await Promise.all(ids.map(told))).every((moments) => moments.length >= 4), Boolean);
    await sleep(100);
    await Promise.all(several.map((one) => one.stop()));
    for (const id of ids) {
      expect(await told(id)).toEqual(ofResponse);
      const events = await eventsOf(id);
      const openedAt = Date.parse(events[0]?.metadata.effectiveAt ?? '');
      expect(events.slice(1).map(({ metadata }) => (Date.parse(metadata.effectiveAt) - openedAt) / MINUTE)).toEqual([7.5, 11.25, 13.5, 15]);
      expect(events[4]?.metadata).toMatchObject({ actor: { id: 'timekeeper', kind: 'system' }, commandType: 'RecordSlaMoments' });
      expect(Date.parse(events[4]?.metadata.recordedAt ?? '')).toBeGreaterThan(openedAt + 20 * MINUTE);
    }
  });

  it('finds what is due behind any number of tickets with stuck views, even if all are due at the same instant', async () => {
    const tickets = mongo.db.collection<{ _id: string; revision: number; nextMomentAt: string }>(ticketSla.name);
    // As tickets are whose streams were tombstoned. One more than it looks at in one go, and all before the ticket.
    const stuck = Array.from({ length: 501 }, () => ({ _id: randomUUID(), revision: 0, nextMomentAt: '2020-01-01T00:00:00.000Z' }));
    await tickets.insertMany(stuck);
    const id = await openAgo(20 * MINUTE);
    const one = timekeeper();
    await eventually(async () => (await told(id)).length >= 4, Boolean);
    await one.stop();
    await tickets.deleteMany({ _id: { $in: stuck.map(({ _id }) => _id) } });
    expect(await told(id)).toEqual(ofResponse);
  });

  it('ends a hold at the instant that was named, or reports that it has lasted long enough', async () => {
    const telling = `client-${randomUUID()}`;
    await agree(telling, { quietTime: 0, holdEnds: 'tell' }, instantFrom(Date.now() - DAY));
    const held = async (client: string) => {
      const id = await openAgo(10 * MINUTE, client);
      const [since, until] = [8, 5].map((minutes) => instantFrom(Date.now() - minutes * MINUTE)) as [Instant, Instant];
      await tell(id, 'PutOnHold', { reason: 'customer', note: 'Back soon', effectiveAt: since, until });
      return { id, until };
    };
    const [resumed, told] = [await held(hasty), await held(telling)];
    const one = timekeeper();
    const after = async ({ id }: { id: string }, type: string) => (await eventsOf(id)).filter((event) => event.type === type);
    await eventually(
      async () => (await after(resumed, 'TicketResumed')).length > 0 && (await after(told, 'HoldExpired')).length > 0,
      Boolean,
    );
    await one.stop();
    expect((await after(resumed, 'TicketResumed'))[0]?.metadata).toMatchObject({ effectiveAt: resumed.until, actor: { id: 'timekeeper' } });
    expect((await after(told, 'HoldExpired'))[0]).toMatchObject({ data: { until: told.until }, metadata: { effectiveAt: told.until } });
    expect(await after(told, 'TicketResumed')).toEqual([]);
  });

  it('records what becomes due while it runs, soon afterwards', async () => {
    const one = timekeeper();
    const id = await openAgo(15 * MINUTE - 1_500);
    await eventually(async () => (await told(id)).length === 4, Boolean);
    await one.stop();
    const breach = (await eventsOf(id)).at(-1);
    expect(breach?.type).toBe('SlaBreached');
    expect(Date.parse(breach?.metadata.recordedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(breach?.metadata.effectiveAt ?? ''));
  });

  it('records afterwards what was missed during downtime, even for what has ended since', async () => {
    const id = await openAgo(6 * HOUR);
    await tell(id, 'StartWork', { effectiveAt: instantFrom(Date.now() - 5 * HOUR) });
    await tell(id, 'ResolveTicket', { category: 'c', article: 'KB-1', effectiveAt: instantFrom(Date.now() - HOUR) });
    const one = timekeeper();
    await eventually(async () => (await told(id)).length >= 8, Boolean);
    await one.stop();
    expect(await told(id)).toEqual([...ofResponse, 'resolution 50', 'resolution 75', 'resolution 90', 'resolution breached']);
  });

  it('waits for a quiet time with moments before a late fact, and restates what it recorded too soon', async () => {
    const client = `client-${randomUUID()}`;
    await agree(client, { quietTime: 2_000 }, instantFrom(Date.now() - DAY));
    const one = timekeeper();
    const id = await openAgo(HOUR, client);
    const recordedAt = Date.parse((await eventsOf(id))[0]?.metadata.recordedAt ?? '');
    await eventually(async () => (await told(id)).length === 4, Boolean);
    const breach = (await eventsOf(id)).find(({ type }) => type === 'SlaBreached');
    expect(Date.parse(breach?.metadata.recordedAt ?? '')).toBeGreaterThanOrEqual(recordedAt + 2_000);
    await tell(id, 'StartWork', { effectiveAt: instantFrom(recordedAt - HOUR + 5 * MINUTE) });
    await one.stop();
    const restated = (await eventsOf(id)).filter(({ type }) => type === 'SlaRestated');
    expect(restated).toHaveLength(4);
    expect(restated[3]?.data).toMatchObject({ clock: 'response', moment: { terms: 1 }, because: { revision: 5, type: 'WorkStarted' } });
  });

  it("moves open tickets to a contract that comes into force, now or later, and leaves other clients' alone", async () => {
    const client = `client-${randomUUID()}`;
    const [early, other] = [await openAgo(MINUTE, client), await openAgo(MINUTE, `${client}-other`)];
    const done = await openAgo(MINUTE, client);
    await tell(done, 'CancelTicket', { reason: 'r' });
    await agree(client, { targets: { ...defaultContract.targets, critical: { response: 30 * MINUTE, resolution: 2 * HOUR } } });
    const one = timekeeper();
    const rebasedTo = async (id: string) =>
      (await eventsOf(id)).flatMap(({ type, data }) =>
        type === 'SlaTermsRebased' ? [(data as { contract: { version: number } }).contract.version] : [],
      );
    await eventually(async () => (await rebasedTo(early)).length > 0, Boolean);
    const late = await openAgo(0, client);
    await agree(client, { thresholds: [80] }, instantFrom(Date.now() + 800));
    expect((await readAggregate(store, contract, client)).state?.versions).toHaveLength(2);
    await eventually(async () => (await rebasedTo(late)).length > 0 && (await rebasedTo(early)).length > 1, Boolean);
    await sleep(100);
    await one.stop();
    expect(await rebasedTo(early)).toEqual([1, 2]);
    expect(await rebasedTo(late)).toEqual([2]);
    expect(await rebasedTo(other)).toEqual([]);
    expect(await rebasedTo(done)).toEqual([]);
    const last = (await eventsOf(late)).at(-1)?.metadata;
    expect(last?.effectiveAt).toBe((await readAggregate(store, contract, client)).state?.versions[1]?.effectiveFrom);
  });

  it("runs the contract's escalation policies, each step once, until someone takes care of the ticket", async () => {
    const client = `client-${randomUUID()}`;
    const schedule = `night-${randomUUID()}`;
    const leads = [{ kind: 'team', team: 'leads' }];
    await agree(client, {
      escalationPolicies: [
        {
          name: 'untouched',
          trigger: { on: 'opened' },
          steps: [
            { after: 100, targets: leads },
            { after: 100, targets: leads, escalateToNextTier: true },
          ],
        },
        {
          name: 'waiting',
          trigger: { on: 'handed-over' },
          steps: [
            { after: 200, targets: [{ kind: 'on-call', schedule }] },
            { after: HOUR, targets: leads },
          ],
        },
      ],
    });
    const rotation = { zone: 'UTC', people: [{ id: 'owl' }], startsOn: '2020-01-01', handOverAt: '00:00', days: 1 };
    const body = { schedule, rotations: [rotation] };
    await runSystemCommand(store, { aggregate: onCall, id: schedule, name: 'SetOnCallRotations', body, context: sent() });
    const several = [timekeeper(), timekeeper()];
    const id = await openAgo(0, client);
    const done = async () =>
      (await eventsOf(id)).flatMap(({ type, data }) => {
        const { policy, step, to } = data as { policy?: string; step?: number; to?: string };
        return type === 'EscalationStepDispatched' ? [`${policy} ${step}`] : type === 'TicketEscalated' ? [`to ${to}`] : [];
      });
    await eventually(async () => (await done()).length >= 4, Boolean);
    await sleep(100);
    await Promise.all(several.map((one) => one.stop()));
    expect(await done()).toEqual(['untouched 0', 'untouched 1', 'to L2', 'waiting 0']);
    const events = await eventsOf(id);
    const [first, second, third] = events.filter(({ type }) => type === 'EscalationStepDispatched');
    expect(third?.data).toMatchObject({ targets: [{ kind: 'person', person: { id: 'owl' } }] });
    expect(Date.parse(second?.metadata.effectiveAt ?? '') - Date.parse(first?.metadata.recordedAt ?? '')).toBe(100);
  });

  it('learns which views may have changed, and treats all as changed if events may have been missed', async () => {
    const client = `client-${randomUUID()}`;
    const agreed = { ...(contractViews as AnyGroup), streamPrefix: streamName(contract, client) };
    const [feed, broken] = [{ opened: 0 }, new AbortController()];
    const subscribe: EventStore['subscribe'] = (filter, after, signal) => {
      feed.opened++;
      return store.subscribe(filter, after, AbortSignal.any([signal, ...(feed.opened > 2 ? [] : [broken.signal])]));
    };
    const news = new ViewNews({ subscribe } as EventStore, mongo.db, [ticketViews, agreed]);
    const lookUntil = (is: (look: LookedAt) => boolean) => eventually(() => news.look(), is);
    expect((await news.look()).isFresh(agreed)).toBe(true);
    await lookUntil(({ areShown, isFresh }) => areShown && !isFresh(agreed));
    await openAgo(0, client);
    const { isFresh } = await lookUntil(({ isFresh }) => isFresh(ticketViews));
    expect(isFresh(agreed)).toBe(false);
    await agree(client, {});
    await lookUntil(({ isFresh }) => isFresh(agreed));
    await lookUntil(({ areShown, isFresh }) => areShown && !isFresh(agreed));
    expect((await news.look(true)).isFresh(agreed)).toBe(true);
    await lookUntil(({ areShown, isFresh }) => areShown && !isFresh(agreed));
    broken.abort();
    await eventually(
      () => feed.opened,
      (opened) => opened >= 4,
    );
    expect((await news.look()).isFresh(agreed)).toBe(true);
    await news.stop();
  });

  it('does nothing with views made from another log, and reports it', async () => {
    const controls = mongo.db.collection<{ _id: string }>('views');
    const event = { stream: `ticket-${randomUUID()}`, revision: 0, id: randomUUID() };
    await controls.insertOne({ _id: 'other/0', owner: null, checkpoint: { commit: '1', prepare: '1', event } } as never);
    const one = timekeeper();
    await eventually(
      () => one.status().lastError?.message ?? '',
      (message) => message.includes('another log'),
    );
    await one.stop();
    await controls.deleteOne({ _id: 'other/0' });
  });
});
