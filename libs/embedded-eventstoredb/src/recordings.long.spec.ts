import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedEventStoreDB, type EmbeddedEventStoreDB } from './index.js';
import { parseRecording, play, type PlayedNode, type Recording, type Scenario } from './testing/recording-player.js';
import { answeredOtherwise, completed } from './testing/steps-not-shown.js';

/**
 * Replays recordings of a genuine server, request by request. Each response must have the same fields, order, status, trailers and in-band
 * errors. Where the node differs, the scenario is listed below with the reason and the first expected difference: another difference, or
 * none, fails the test.
 */
const DIFFERS: Readonly<Record<string, readonly [reason: string, difference: RegExp]>> = {
  'append-edge/huge': [
    'the text of RESOURCE_EXHAUSTED is that of grpc-js; the status is the same',
    /^step 0 \(Streams\.Append\): details is "Received message larger than max \(17825898 vs 16776960\)" instead of "Received message exceeds/,
  ],
  'server/unknown-method': [
    'the text of UNIMPLEMENTED is that of grpc-js; the status is the same',
    /^step 0 .*: details is "The server does not implement the method .*Streams\/Nope" instead of "Method is unimplemented\."$/,
  ],
  'server/projections': [
    'no projections service: the text of UNIMPLEMENTED is that of grpc-js; the status is the same',
    /^step 0 .*: details is "The server does not implement the method .*Projections\/Create" instead of "Received HTTP status code 404"$/,
  ],
  'server/features': ['only what is served is advertised', /^step 0 .*: recv\[0\]\.methods has 21 items instead of 33:/],
  'server/users': [
    'no users service on a node without users: UNIMPLEMENTED at once, where the genuine insecure node never answers',
    /^step 0 \(Users\.Create\): code \(The server does not implement the method .*\) is 12 instead of 4$/,
  ],
  'server/operations': [
    'the genuine server never answered its first StartScavenge; this one answers',
    /^step 0 \(Operations\.StartScavenge\): no error, expected <the deadline of the client passed/,
  ],
  'auth/calls-as-admin': [
    'the genuine server never answered its first StartScavenge; this one answers',
    /^step 25 \(Operations\.StartScavenge\): no error, expected <the deadline of the client passed/,
  ],
  'server/monitoring': [
    'no monitoring service: UNIMPLEMENTED',
    /^step 0 \(Monitoring\.Stats\): unexpected error 12 UNIMPLEMENTED: The server does not implement the method/,
  ],
  'auth/calls-as-malformed': [
    'credentials that are no base64 end the call with UNKNOWN and a text, not with HTTP status 500',
    /^step 0 \(Streams\.Append\): details is "The authorization header is not Basic base64\(user:password\)\." instead of "Received HTTP status code 500"$/,
  ],
  'subscribe-stream/burst': [
    'a live subscriber that falls behind is not dropped: it gets fell_behind and reads on from the log',
    /^step 2 \(summary\): events is 500 instead of 155$/,
  ],
  ...Object.fromEntries(
    ['slow-stream', 'slow-all', 'slow-all-filtered'].map((name) => [
      `subscribe-slow/${name}`,
      [
        'a live subscriber that falls behind is not dropped: it gets fell_behind and reads on from the log',
        /^step 6 \(summary\): no error, expected Operation timed out: Consumer too slow to handle event while live\./,
      ] as const,
    ]),
  ),
};
/** With this node's own responses (testing/steps-not-shown.ts) they are the same; without them they are not. */
const ANSWERED_OTHERWISE = 'the genuine server forgets event ids when it stops, and writes an old append that is repeated once more';

const FILES = [
  'append',
  'append-idempotency',
  'append-edge',
  'batch-append',
  'delete',
  'read',
  'metadata',
  'all-read',
  'subscribe-stream',
  'subscribe-all',
  'subscribe-slow',
  'persistent-admin',
  'persistent-consume',
  'restart',
  'server',
  'auth',
];
/**
 * Groups that need a node with users and TLS. The first scenario creates the users for the others; the last one changes settings for all.
 */
const SECURED = ['auth'];
/** A scenario that reads the whole log, or that others would notice, gets a separate node. */
const needsOwnNode = (scenario: Scenario): boolean =>
  scenario.name === 'first-events' || /"all":\s*\{|RestartSubsystem|the node is stopped/.test(JSON.stringify(scenario.steps));
/** Scenarios of persistent subscriptions mostly wait. */
const atOnce = (file: string): number => (file === 'persistent-consume' ? 40 : 12);
const usesGroups = (scenario: Scenario): boolean =>
  scenario.steps.some((step) => step.call === 'PersistentSubscriptions.Create' && step.recv !== undefined);

const fixtures = join(process.cwd(), 'libs/embedded-eventstoredb/fixtures');
const recordings = FILES.map((file): [string, Recording] => [file, parseRecording(readFileSync(join(fixtures, `${file}.json`), 'utf8'))]);

const tls = { cert: readFileSync(join(fixtures, 'tls/cert.pem'), 'utf8'), key: readFileSync(join(fixtures, 'tls/key.pem'), 'utf8') };

async function withNode<T>(secured: boolean, use: (node: PlayedNode) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
  // The recorded node ran no projections.
  const options = { systemStreams: false, ...(secured && { tls, credentials: { user: 'admin', password: 'changeit' } }) };
  let running: EmbeddedEventStoreDB = await startEmbeddedEventStoreDB({ directory, port: 0, ...options });
  const { port } = running;
  try {
    return await use({
      port: () => port,
      ...(secured && { certificate: Buffer.from(tls.cert) }),
      stop: () => running.close(),
      start: async () => void (running = await startEmbeddedEventStoreDB({ directory, port, ...options })),
    });
  } finally {
    await running.close();
    rmSync(directory, { recursive: true });
  }
}

async function concurrently<T>(items: readonly T[], count: number, each: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  await Promise.all(
    Array.from({ length: count }, async () => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await each(item);
    }),
  );
}

describe.each(recordings)('%s', (file, recording) => {
  const outcomes = new Map<string, string>();

  beforeAll(async () => {
    const playOne = async (node: PlayedNode, scenario: Scenario): Promise<void> => {
      try {
        await play(node, scenario);
        outcomes.set(scenario.name, 'same');
      } catch (error) {
        outcomes.set(
          scenario.name,
          error instanceof Error ? (error.name === 'Error' ? error.message : String(error.stack)) : String(error),
        );
      }
    };
    const scenarios = recording.scenarios.map((scenario) => completed(file, scenario));
    if (!SECURED.includes(file)) {
      return withNode(false, (node) =>
        concurrently(scenarios, atOnce(file), (scenario) =>
          needsOwnNode(scenario) ? withNode(false, (own) => playOne(own, scenario)) : playOne(node, scenario),
        ),
      );
    }
    const [first, ...others] = scenarios as [Scenario, ...Scenario[]];
    const last = others.pop() as Scenario;
    await withNode(true, async (node) => {
      await playOne(node, first);
      // Some of them restart all persistent subscriptions.
      for (const scenario of others.filter(usesGroups)) await playOne(node, scenario);
      await concurrently(
        others.filter((scenario) => !usesGroups(scenario)),
        atOnce(file),
        (scenario) => playOne(node, scenario),
      );
      await playOne(node, last);
    });
  });

  it.each(recording.scenarios.map((scenario) => scenario.name))('%s', (name) => {
    const [, difference] = DIFFERS[`${file}/${name}`] ?? [];
    if (difference) expect(outcomes.get(name)).toMatch(difference);
    else expect(outcomes.get(name)).toBe('same');
  });
});

it('lists only existing scenarios as different', () => {
  const names = new Set(recordings.flatMap(([file, { scenarios }]) => scenarios.map(({ name }) => `${file}/${name}`)));
  expect([...Object.keys(DIFFERS), ...answeredOtherwise].filter((name) => !names.has(name))).toEqual([]);
});

it.each(answeredOtherwise)(`differs in %s: ${ANSWERED_OTHERWISE}`, async (name) => {
  const [, { scenarios }] = recordings.find(([file]) => name.startsWith(`${file}/`)) as [string, Recording];
  const scenario = scenarios.find((other) => name.endsWith(`/${other.name}`)) as Scenario;
  await withNode(false, (node) =>
    expect(play(node, scenario)).rejects.toThrow(
      /^step \d+ \(Streams\.Append\): recv\[0\]\.success\.current_revision is "2" instead of "4"$/,
    ),
  );
});

it('counts the scenarios that are the same', () => {
  const total = recordings.reduce((sum, [, { scenarios }]) => sum + scenarios.length, 0);
  expect({ total, different: Object.keys(DIFFERS).length + answeredOtherwise.length }).toEqual({ total: 547, different: 15 });
});
