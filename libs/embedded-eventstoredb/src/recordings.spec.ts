import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedEventStoreDB, type EmbeddedEventStoreDB } from './index.js';
import { parseRecording, play, type PlayedNode, type Recording, type Scenario } from './testing/recording-player.js';

/**
 * Replays what was recorded from a genuine server, request by request. Each answer has to be the same: fields, order,
 * status, trailers, in-band errors. Where the node differs, the scenario is named below with the reason; one that is
 * named and passes fails the test, so that the list cannot outlive its reasons.
 */
const DIFFERS: Readonly<Record<string, string>> = {
  'append-edge/huge': 'the text of RESOURCE_EXHAUSTED is that of grpc-js; the status is the same',
  'server/unknown-method': 'the text of UNIMPLEMENTED is that of grpc-js; the status is the same',
  'server/projections': 'the text of UNIMPLEMENTED is that of grpc-js; the status is the same',
  'server/features': 'only what is served is advertised',
  'server/users': 'no users service: UNIMPLEMENTED at once, where the genuine insecure node never answers',
  'server/operations': 'scavenging is UNIMPLEMENTED',
  'server/monitoring': 'no monitoring service: UNIMPLEMENTED',
  'auth/calls-as-anonymous': 'persistent subscriptions are not served yet',
  'auth/calls-as-ann': 'persistent subscriptions are not served yet',
  'auth/calls-as-admin': 'persistent subscriptions are not served yet',
  'auth/calls-as-ops': 'persistent subscriptions are not served yet',
  'auth/calls-as-wrong-password': 'persistent subscriptions are not served yet',
  'auth/calls-as-unknown-user': 'persistent subscriptions are not served yet',
  'auth/calls-as-no-colon': 'persistent subscriptions are not served yet',
  'auth/calls-as-bearer': 'persistent subscriptions are not served yet',
  'auth/calls-as-empty': 'persistent subscriptions are not served yet',
  'auth/acl-revoked-while-subscribed': 'persistent subscriptions are not served yet',
  'auth/calls-as-malformed': 'credentials that are no base64 end the call with UNKNOWN and a text, not with HTTP status 500',
  'subscribe-stream/burst': 'a live subscriber that falls behind is not dropped: it gets fell_behind and reads on from the log',
  'subscribe-slow/slow-stream': 'a live subscriber that falls behind is not dropped: it gets fell_behind and reads on from the log',
  'subscribe-slow/slow-all': 'a live subscriber that falls behind is not dropped: it gets fell_behind and reads on from the log',
  'subscribe-slow/slow-all-filtered': 'a live subscriber that falls behind is not dropped: it gets fell_behind and reads on from the log',
};

const FILES = ['append', 'append-idempotency', 'append-edge', 'batch-append', 'delete', 'read', 'metadata', 'all-read', 'subscribe-stream', 'subscribe-all', 'subscribe-slow', 'server', 'auth'];
/** Groups that need a node with users and TLS. The first scenario makes the users of the others, the last one changes settings for all. */
const SECURED = ['auth'];
/** A scenario that looks at the whole log gets a log of its own. */
const looksAtAll = (scenario: Scenario): boolean => scenario.name === 'first-events' || /"all":\s*\{/.test(JSON.stringify(scenario.steps));
/** What a scenario did beyond the steps that it shows, before the step of that number. */
const NOT_SHOWN: Readonly<Record<string, ReadonlyArray<readonly [number, Scenario['steps'][number]]>>> = {
  'all-read/system-events-mixed': [
    [2, { call: 'Streams.Append', send: [{ options: { stream_identifier: 'all-read-system-events-mixed-l', any: {} } }, { proposed_message: { id: '10000000-0000-4000-8000-000000006005', metadata: { type: '$>', 'content-type': 'application/json' }, data: '0@all-read-system-events-mixed' } }], recv: { success: { current_revision: '0', position: { commit_position: 'P3', prepare_position: 'P3' } } } }],
    [3, { call: 'Streams.Delete', send: { options: { stream_identifier: 'all-read-system-events-mixed', any: {} } }, recv: { position: { commit_position: 'P5', prepare_position: 'P5' } } }],
  ],
  'auth/users': [[0, { call: 'Users.Create', headers: { authorization: 'Basic base64(admin:changeit)' }, send: { options: { login_name: 'ops', password: 'changeit', full_name: 'Event Store Operations', groups: ['$ops'] } }, recv: {} }]],
  'auth/acl-revoked-while-subscribed': [
    [0, { call: 'Streams.Append', headers: { authorization: 'Basic base64(admin:changeit)' }, send: [{ options: { stream_identifier: 'auth-acl-revoked-while-subscribed', any: {} } }, { proposed_message: { id: '10000000-0000-4000-8000-000000012000', metadata: { type: 'test', 'content-type': 'application/json' }, data: '{"n":0}' } }], recv: { success: { current_revision: '0', position: { commit_position: 'P1', prepare_position: 'P1' } } } }],
  ],
};
const withHiddenSteps = (file: string, scenario: Scenario): Scenario => {
  const hidden = NOT_SHOWN[`${file}/${scenario.name}`] ?? [];
  return { ...scenario, steps: scenario.steps.flatMap((step, index) => [...hidden.filter(([before]) => before === index).map(([, extra]) => extra), step]) };
};
const AT_ONCE = 12;

const fixtures = join(process.cwd(), 'libs/embedded-eventstoredb/fixtures');
const recordings = FILES.map((file): [string, Recording] => [file, parseRecording(readFileSync(join(fixtures, `${file}.json`), 'utf8'))]);

const tls = { cert: readFileSync(join(fixtures, 'tls/cert.pem'), 'utf8'), key: readFileSync(join(fixtures, 'tls/key.pem'), 'utf8') };

async function withNode<T>(secured: boolean, use: (node: PlayedNode) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
  const security = secured ? { tls, credentials: { user: 'admin', password: 'changeit' } } : {};
  let running: EmbeddedEventStoreDB = await startEmbeddedEventStoreDB({ directory, port: 0, ...security });
  const { port } = running;
  try {
    return await use({
      port: () => port,
      ...(secured && { certificate: Buffer.from(tls.cert) }),
      stop: () => running.close(),
      start: async () => void (running = await startEmbeddedEventStoreDB({ directory, port, ...security })),
    });
  } finally {
    await running.close();
    rmSync(directory, { recursive: true });
  }
}

async function concurrently<T>(items: readonly T[], each: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await each(item);
  }));
}

describe.each(recordings)('%s', (file, recording) => {
  const outcomes = new Map<string, string>();

  beforeAll(async () => {
    const playOne = async (node: PlayedNode, scenario: Scenario): Promise<void> => {
      try {
        await play(node, scenario);
        outcomes.set(scenario.name, 'same');
      } catch (error) {
        outcomes.set(scenario.name, error instanceof Error ? (error.name === 'Error' ? error.message : String(error.stack)) : String(error));
      }
    };
    const scenarios = recording.scenarios.map((scenario) => withHiddenSteps(file, scenario));
    if (!SECURED.includes(file)) return withNode(false, (node) => concurrently(scenarios, (scenario) => (looksAtAll(scenario) ? withNode(false, (own) => playOne(own, scenario)) : playOne(node, scenario))));
    const [first, ...others] = scenarios as [Scenario, ...Scenario[]];
    const last = others.pop() as Scenario;
    await withNode(true, async (node) => {
      await playOne(node, first);
      await concurrently(others, (scenario) => playOne(node, scenario));
      await playOne(node, last);
    });
  }, 60_000);

  it.each(recording.scenarios.map((scenario) => scenario.name))('%s', (name) => {
    const reason = DIFFERS[`${file}/${name}`];
    if (reason) expect(outcomes.get(name)).not.toBe('same');
    else expect(outcomes.get(name)).toBe('same');
  });
});

it('names no scenario as different that does not exist', () => {
  const names = new Set(recordings.flatMap(([file, { scenarios }]) => scenarios.map(({ name }) => `${file}/${name}`)));
  expect(Object.keys(DIFFERS).filter((name) => !names.has(name))).toEqual([]);
});
