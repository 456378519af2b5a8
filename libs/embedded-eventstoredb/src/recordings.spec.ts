import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedEventStoreDB, type EmbeddedEventStoreDB } from './index.js';
import { parseRecording, play, type PlayedNode, type Recording, type Scenario } from './testing/recording-player.js';
import { completed } from './testing/steps-not-shown.js';

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
  'auth/calls-as-admin': 'the genuine server never answered its first StartScavenge; this one answers',
  'server/operations': 'the genuine server never answered its first StartScavenge; this one answers',
  'server/monitoring': 'no monitoring service: UNIMPLEMENTED',
  'auth/calls-as-malformed': 'credentials that are no base64 end the call with UNKNOWN and a text, not with HTTP status 500',
  'subscribe-stream/burst': 'a live subscriber that falls behind is not dropped: it gets fell_behind and reads on from the log',
  'subscribe-slow/slow-stream': 'a live subscriber that falls behind is not dropped: it gets fell_behind and reads on from the log',
  'subscribe-slow/slow-all': 'a live subscriber that falls behind is not dropped: it gets fell_behind and reads on from the log',
  'subscribe-slow/slow-all-filtered': 'a live subscriber that falls behind is not dropped: it gets fell_behind and reads on from the log',
};

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
/** Groups that need a node with users and TLS. The first scenario makes the users of the others, the last one changes settings for all. */
const SECURED = ['auth'];
/** A scenario that looks at the whole log, or that others would notice, gets a node of its own. */
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
