import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  type Aggregate,
  type CommandsOf,
  commandsOn,
  event,
  type EventsOf,
  deterministicId,
  execute,
  instantFrom,
  type Policy,
  type ReactionEvents,
  refuse,
  type SendReaction,
  type StoredEvent,
  StoreUnavailable,
  streamName,
} from '#eventsourcing';
import { followerControls, partitionName, policiesName, policyHealth, type ViewHealth } from './control.js';
import { repartitionPolicies } from './repartition-policies.js';
import { runPolicies, type PolicyRunner, type PolicyStatus, type RunPoliciesOptions } from './run-policies.js';
import { KeptLog } from './testing/trails.js';
import { eventually } from '../../../test/eventually.js';
import { type TestEvents, testEvents, type TestViews, testViews } from '../../../test/stores.js';

let server: TestEvents;
let database: TestViews;
const running: PolicyRunner[] = [];
beforeAll(async () => {
  server = await testEvents();
  database = await testViews();
});
afterEach(async () => {
  for (const runner of running.splice(0)) await runner.stop();
});
afterAll(async () => {
  await database.close();
  await server.close();
});

/** Lamps that are switched on and off; a broken one refuses. */
interface Lamp {
  readonly on: boolean;
  readonly broken: boolean;
  readonly switched: number;
}

const events = {
  Switched: event<Lamp, { readonly on: boolean; readonly follower?: string }>({
    personal: null,
    evolve: (lamp, { on }) => ({ ...lamp, on, switched: lamp.switched + 1 }),
  }),
  Broke: event<Lamp, object>({ personal: null, evolve: (lamp) => ({ ...lamp, broken: true }) }),
};
const command = commandsOn<Lamp, EventsOf<{ readonly events: typeof events }>>();

const lamp = {
  category: 'lamp',
  noun: 'lamp',
  idName: 'lamp',
  initial: { on: false, broken: false, switched: 0 },
  client: () => 'acme',
  events,
  commands: {
    Switch: command({
      refuses: ['lamp-broken'],
      decide({ on, follower }: { readonly on: boolean; readonly follower?: string }, lamp) {
        if (lamp.broken) return refuse('lamp-broken', 'It is broken');
        return lamp.on === on ? [] : [{ type: 'Switched', data: { on, ...(follower === undefined ? {} : { follower }) } }];
      },
    }),
    Break: command({ refuses: [], decide: (_command: object, lamp) => (lamp.broken ? [] : [{ type: 'Broke', data: {} }]) }),
  },
} satisfies Aggregate<Lamp>;
type LampEvents = EventsOf<typeof lamp>;
type LampCommands = CommandsOf<typeof lamp>;

/** Longer than a busy machine stands still: nothing is looked at twice. */
const LEASE = 20_000;
/** Where others are to take over soon. */
const SHORT_LEASE = 1_000;

const controlOf = (category: string) => partitionName(policiesName(category), 0);

/** How the first of the policies is doing. */
function statusOf(runner: PolicyRunner): PolicyStatus {
  const [first] = runner.status();
  if (first === undefined) throw new Error('no policy');
  return first;
}

/** A desk of lamps with a policy: a lamp's follower does as it does, and is broken when it cannot. */
function desk() {
  // A category of its own for each test: a shared server holds the lamps of others.
  const category = `lamp${randomUUID().slice(0, 8)}`;
  const lamps = { ...lamp, category };
  const states: Lamp[] = [];
  const policy: Policy<LampEvents, Lamp, LampCommands> = {
    name: category,
    aggregate: lamps,
    react: {
      Switched: ({ data: { on, follower } }, state) => {
        states.push(state);
        return follower === undefined ? [] : [{ category, id: follower, name: 'Switch', body: { on } }];
      },
    },
    refused: (_reaction, _refusal, { stream }) => [{ category, id: stream.slice(category.length + 1), name: 'Break', body: {} }],
  };
  const context = (commandId: string) => ({
    commandId,
    correlationId: 'c',
    causationId: 'c',
    actor: { id: 'a', kind: 'agent' as const },
    effectiveAt: instantFrom(Date.now()),
    recordedAt: instantFrom(Date.now()),
  });
  const tell = <Name extends keyof LampCommands>(id: string, name: Name, body: LampCommands[Name], commandId: string = randomUUID()) =>
    execute(server.store, lamps, id, name, body, context(commandId));
  const send: SendReaction<LampCommands> = ({ id, name, body }, about) =>
    execute(server.store, lamps, id, name, body, { ...context(about.commandId), ...about });
  const log = new KeptLog();
  const run = (over: Partial<Omit<RunPoliciesOptions, 'send'>> & { readonly send?: SendReaction<LampCommands> } = {}) => {
    const runner = runPolicies({
      db: database.mongo.db,
      store: server.store,
      policies: [policy],
      send,
      log,
      owner: randomUUID(),
      leaseMs: LEASE,
      ...over,
    });
    running.push(runner);
    return runner;
  };
  const eventsOf = async (id: string): Promise<StoredEvent[]> => {
    const events = [];
    for await (const event of server.store.readStream(streamName({ category }, id))) events.push(event);
    return events;
  };
  const reactionTo = async (event: StoredEvent | undefined): Promise<ReactionEvents['PolicyReacted'] | undefined> => {
    for await (const { data } of server.store.readStream(
      streamName({ category: 'reaction' }, deterministicId('reaction', category, event?.id ?? '')),
    ))
      return data as ReactionEvents['PolicyReacted'];
    return undefined;
  };
  const live = (runner: PolicyRunner) =>
    eventually(
      () => statusOf(runner),
      ({ state }) => state === 'live',
    );
  return { category, policy, tell, run, send, log, eventsOf, reactionTo, live, states };
}

describe('a policy', () => {
  it('reacts to past and new events, with commands that name their event', async () => {
    const { category, tell, run, eventsOf, reactionTo, live } = desk();
    await tell('one', 'Switch', { on: true, follower: 'two' });
    const runner = run();
    await live(runner);
    await tell('three', 'Switch', { on: true, follower: 'four' });
    for (const [leader, follower] of [
      ['one', 'two'],
      ['three', 'four'],
    ] as const) {
      const [led] = await eventually(
        () => eventsOf(follower),
        (events) => events.length > 0,
      );
      const [source] = await eventsOf(leader);
      expect(led).toMatchObject({
        type: 'Switched',
        data: { on: true },
        metadata: { causationId: source?.id, correlationId: 'c', actor: { id: `policy:${category}`, kind: 'system' } },
      });
      const reaction = await eventually(
        () => reactionTo(source),
        (record) => record !== undefined,
      );
      expect(reaction).toEqual({
        policy: category,
        to: { stream: source?.stream, revision: 0, eventId: source?.id, type: 'Switched' },
        reactions: [{ category, id: follower, command: 'Switch', commandId: led?.metadata.commandId, outcome: 'done' }],
      });
    }
    const known = await eventually(
      () => statusOf(runner),
      ({ state, sent }) => state === 'live' && sent === 2,
    );
    expect(known.refused).toBe(0);
  });

  it('sees the state right after the event, not what came later', async () => {
    const { tell, run, states, live } = desk();
    for (const on of [true, false, true]) await tell('one', 'Switch', { on });
    await live(run());
    expect(states).toEqual([1, 2, 3].map((switched) => ({ on: switched % 2 === 1, broken: false, switched })));
  });

  it('reads nothing where a command of the same process has led to the event', async () => {
    const { category, tell, run, states } = desk();
    for (const on of [true, false]) await tell('one', 'Switch', { on });
    const read = jest.spyOn(server.store, 'readStream');
    try {
      run();
      await eventually(
        () => states,
        ({ length }) => length === 2,
      );
      expect(states.map(({ switched }) => switched)).toEqual([1, 2]);
      // For the first event alone, which the lamp has moved on from.
      expect(read.mock.calls.filter(([stream]) => stream === streamName({ category }, 'one'))).toHaveLength(1);
    } finally {
      read.mockRestore();
    }
  });

  it('keeps the order of a stream', async () => {
    const { tell, run, eventsOf } = desk();
    for (let index = 0; index < 12; index++) await tell('one', 'Switch', { on: index % 2 === 0, follower: 'two' });
    run();
    const led = await eventually(
      () => eventsOf('two'),
      (events) => events.length >= 12,
    );
    expect(led.map(({ data }) => (data as { on: boolean }).on)).toEqual(Array.from({ length: 12 }, (_, index) => index % 2 === 0));
  });

  it('records a refused command, does what follows from it, and continues', async () => {
    const { tell, run, eventsOf, reactionTo, log } = desk();
    await tell('two', 'Break', {});
    await tell('one', 'Switch', { on: true, follower: 'two' });
    await tell('three', 'Switch', { on: true, follower: 'four' });
    const runner = run();
    await eventually(
      () => eventsOf('four'),
      (events) => events.length === 1,
    );
    const [switched, broke] = await eventually(
      () => eventsOf('one'),
      (events) => events.length === 2,
    );
    expect(broke).toMatchObject({ type: 'Broke', metadata: { causationId: switched?.id } });
    const reaction = await eventually(
      () => reactionTo(switched),
      (record) => record !== undefined,
    );
    expect(reaction?.reactions).toMatchObject([
      { id: 'two', outcome: 'refused', refusal: { refused: 'lamp-broken', message: 'It is broken' } },
      { id: 'one', command: 'Break', outcome: 'done' },
    ]);
    await eventually(
      () => statusOf(runner),
      ({ refused }) => refused === 1,
    );
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('never reacts to an event twice, even if its checkpoint is lost', async () => {
    const { category, tell, run, eventsOf, live } = desk();
    await tell('one', 'Switch', { on: true, follower: 'two' });
    const first = run();
    await eventually(
      () => eventsOf('two'),
      (events) => events.length === 1,
    );
    await live(first);
    await first.stop();
    // The follower was switched off since: reacting anew would switch it on.
    await tell('two', 'Switch', { on: false });
    await followerControls(database.mongo.db).deleteOne({ _id: controlOf(category) });
    const second = run();
    await live(second);
    expect(await eventsOf('two')).toHaveLength(2);
    expect(statusOf(second).sent).toBe(0);
  });

  it('retries after temporary failures, and executes each command only once', async () => {
    const { policy, tell, run, send, eventsOf, reactionTo } = desk();
    await tell('one', 'Switch', { on: true, follower: 'two' });
    let attempts = 0;
    const healthBefore: ViewHealth[] = [];
    const health = () => policyHealth(database.mongo.db, policy);
    const runner = run({
      send: async (reaction, context) => {
        // Of a failure it may be told a moment later.
        healthBefore.push(await (attempts === 0 ? health() : eventually(health, ({ state }) => state === 'failing')));
        const done = await send(reaction, context);
        // Done, and its answer lost.
        if (++attempts === 1) throw new StoreUnavailable('away');
        return done;
      },
    });
    const [source] = await eventsOf('one');
    await eventually(
      () => reactionTo(source),
      (record) => record !== undefined,
    );
    expect(attempts).toBe(2);
    expect(await eventsOf('two')).toHaveLength(1);
    await eventually(
      () => statusOf(runner),
      ({ state, lastError }) => state === 'live' && lastError === undefined,
    );
    // Health checks elsewhere know it too, for as long as it lasts.
    expect(healthBefore).toMatchObject([{ state: 'running' }, { state: 'failing', trouble: { message: 'away' } }]);
    expect(healthBefore[0]).not.toHaveProperty('trouble');
    await eventually(health, ({ state }) => state === 'running');
    await runner.stop();
    expect((await health()).state).toBe('stopped');
  });

  it('does not react to imported facts', async () => {
    const { category, run, eventsOf, live, tell } = desk();
    const imported = { system: 'old', key: 'k', row: 0, said: {} };
    const now = instantFrom(Date.now());
    await server.store.append(streamName({ category }, 'one'), 'no-stream', [
      {
        id: randomUUID(),
        type: 'Switched',
        data: { on: true, follower: 'two' },
        metadata: {
          commandId: 'c',
          commandType: 'Import',
          correlationId: 'c',
          causationId: 'c',
          actor: { id: 'a', kind: 'system' },
          client: 'acme',
          effectiveAt: now,
          recordedAt: now,
          schemaVersion: 1,
          imported,
        },
      },
    ]);
    await tell('three', 'Switch', { on: true, follower: 'four' });
    await live(run());
    expect(await eventsOf('two')).toHaveLength(0);
    expect(await eventsOf('four')).toHaveLength(1);
  });

  it('runs in one process at a time; another takes over when that one stops', async () => {
    const { tell, run, eventsOf, live } = desk();
    const first = run();
    await live(first);
    const second = run();
    await eventually(
      () => statusOf(second),
      ({ state }) => state === 'waiting',
    );
    await first.stop();
    await live(second);
    await tell('one', 'Switch', { on: true, follower: 'two' });
    await eventually(
      () => eventsOf('two'),
      (events) => events.length === 1,
    );
    expect(statusOf(first).state).toBe('stopped');
  });

  it('shares its log position with others of its aggregate, and a new one begins at the start', async () => {
    const { category, policy, tell, run, eventsOf } = desk();
    await tell('one', 'Switch', { on: true, follower: 'two' });
    const first = run();
    await eventually(
      () => eventsOf('two'),
      (events) => events.length === 1,
    );
    await first.stop();
    const seen: string[] = [];
    const watching: typeof policy = {
      ...policy,
      name: `${category}-watching`,
      react: {
        Switched: ({ stream }) => {
          seen.push(stream.slice(category.length + 1));
          return [];
        },
      },
    };
    const both = run({ policies: [policy, watching] });
    await eventually(
      () => both.status(),
      (all) => all.every(({ state }) => state === 'live'),
    );
    await tell('three', 'Switch', { on: true });
    await eventually(
      () => seen,
      (streams) => streams.length >= 3,
    );
    // Streams side by side, each in its order.
    expect([...seen].sort()).toEqual(['one', 'three', 'two']);
    expect(both.status().map(({ sent }) => sent)).toEqual([0, 0]);
    const own = await followerControls(database.mongo.db)
      .find({ _id: { $regex: category } })
      .toArray();
    expect(own.map(({ _id }) => _id).sort()).toEqual([policiesName(category), controlOf(category)]);
  });

  it('that fails holds up no other, and catches up when it can', async () => {
    const { category, policy, tell, run, live, eventsOf } = desk();
    const state = { isBroken: true, seen: new Set<string>() };
    const brittle: typeof policy = {
      ...policy,
      name: `${category}-brittle`,
      react: {
        Switched: ({ id }) => {
          if (state.isBroken) throw new Error('broken');
          state.seen.add(id);
          return [];
        },
      },
    };
    const runner = run({ policies: [policy, brittle] });
    await live(runner);
    for (const [leader, follower] of [
      ['one', 'two'],
      ['three', 'four'],
      ['five', 'six'],
    ] as const) {
      await tell(leader, 'Switch', { on: true, follower });
      await eventually(
        () => eventsOf(follower),
        (events) => events.length === 1,
      );
    }
    await eventually(
      () => statusOf(runner),
      ({ state: now, sent }) => now === 'live' && sent === 3,
    );
    const [, failing] = await eventually(
      () => runner.status(),
      ([, second]) => second?.state === 'failing',
    );
    expect(failing?.lastError?.message).toBe('broken');
    await eventually(
      () => policyHealth(database.mongo.db, brittle),
      (health) => health.state === 'failing',
    );
    expect(await policyHealth(database.mongo.db, policy)).toMatchObject({ state: 'running' });
    state.isBroken = false;
    await eventually(
      () => runner.status(),
      ([, second]) => second?.state === 'live',
    );
    expect(state.seen.size).toBe(6);
    await eventually(
      () => policyHealth(database.mongo.db, brittle),
      (health) => health.state === 'running',
    );
  });

  it('continues where an older version with a separate follower stopped, and keeps that version away', async () => {
    const { category, policy, tell, run, send, live, eventsOf } = desk();
    await tell('one', 'Switch', { on: true, follower: 'two' });
    const first = run();
    await eventually(
      () => eventsOf('two'),
      (events) => events.length === 1,
    );
    await first.stop();
    const controls = followerControls(database.mongo.db);
    const done = await controls.findOneAndDelete({ _id: controlOf(category) });
    const alone = `policy:${policy.name}`;
    const checkpoint = done?.checkpoint ?? null;
    const leaseUntil = new Date(Date.now() + 60_000);
    await controls.insertOne({ _id: alone, generation: 1, checkpoint, owner: 'old-worker', leaseUntil, handover: null });
    const looked: string[] = [];
    const watching: typeof policy = {
      ...policy,
      react: {
        Switched: ({ stream }) => {
          looked.push(stream.slice(category.length + 1));
          return [];
        },
      },
    };
    await live(run({ policies: [watching], send }));
    await tell('three', 'Switch', { on: true });
    await eventually(
      () => looked,
      (streams) => streams.includes('three'),
    );
    expect(looked).not.toContain('one');
    const left = await controls.findOne({ _id: alone });
    expect(left).toMatchObject({ generation: 2, owner: controlOf(category) });
    expect(left?.leaseUntil?.getUTCFullYear()).toBe(9999);
  });

  it('is shared by several workers, also after repartitioning', async () => {
    const { category, policy, tell, run, eventsOf } = desk();
    const ids = Array.from({ length: 12 }, (_, index) => `lamp-${index}`);
    const lit = async (id: string) => (await eventsOf(`${id}-follower`)).length;
    const first = run({ partitions: 4, leaseMs: SHORT_LEASE });
    const live = (runner: PolicyRunner) => runner.status().filter(({ state }) => state === 'live').length;
    await eventually(
      () => live(first),
      (count) => count === 4,
    );
    const second = run({ leaseMs: SHORT_LEASE });
    await eventually(
      () => [live(first), live(second)].join(),
      (counts) => counts === '2,2',
    );
    for (const id of ids) await tell(id, 'Switch', { on: true, follower: `${id}-follower` });
    for (const id of ids) {
      await eventually(
        () => lit(id),
        (count) => count === 1,
      );
    }
    for (const partitions of [2, 1]) {
      await repartitionPolicies(database.mongo.db, category, partitions, randomUUID(), { leaseMs: LEASE });
      await eventually(
        () => live(first) + live(second),
        (count) => count === partitions,
      );
    }
    const names = (
      await followerControls(database.mongo.db)
        .find({ _id: { $regex: `^${policiesName(category)}/` } })
        .toArray()
    ).map(({ _id }) => _id);
    expect(names).toEqual([partitionName(policiesName(category), 0)]);
    for (const id of ids) await tell(id, 'Switch', { on: false, follower: `${id}-follower` });
    for (const id of ids) {
      await eventually(
        () => lit(id),
        (count) => count === 2,
      );
    }
    await eventually(
      () => policyHealth(database.mongo.db, policy),
      ({ state }) => state === 'running',
    );
    await expect(repartitionPolicies(database.mongo.db, category, 3, 'nobody')).rejects.toThrow('power of two');
  });
});
