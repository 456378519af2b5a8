import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { decode, encode, type Json } from './recorded-messages.js';

type Fields = { [key: string]: Json };

/** One step of a recorded scenario; see fixtures/README.md. */
interface Step {
  readonly call?: string;
  readonly as?: string;
  readonly on?: string;
  readonly send?: Json;
  readonly recv?: Json;
  readonly error?: { readonly code: number; readonly details: string; readonly trailers?: Record<string, string> };
  readonly end?: true;
  readonly cancel?: true;
  readonly headers?: Record<string, string>;
  readonly note?: string;
  readonly seed?: { readonly stream: string; readonly events: number; readonly ids_from?: string; readonly type: string };
  readonly current_revision?: string;
  readonly position?: Json;
  readonly written?: ReadonlyArray<{ readonly n: number; readonly match: boolean; readonly commit_position: string }>;
  readonly summary?: Json;
  readonly results?: Readonly<Record<string, string>>;
  /** Not in the recordings: what is requested is written some time after its cause, by the genuine server too. */
  readonly settles?: true;
}

export interface Scenario {
  readonly name: string;
  readonly about?: string;
  readonly steps: readonly Step[];
}

export interface Recording {
  readonly group: string;
  readonly scenarios: readonly Scenario[];
}

/** JSON numbers cannot represent the revision of a tombstone. */
export const parseRecording = (text: string): Recording => JSON.parse(text.replace(/: (\d{16,})([,\s}])/g, ': "$1"$2')) as Recording;

type Kind = 'unary' | 'client' | 'server' | 'bidi';

const STREAMS = 'event_store.client.streams.Streams';
const PERSISTENT = 'event_store.client.persistent_subscriptions.PersistentSubscriptions';
const METHODS: Readonly<Record<string, readonly [path: string, kind: Kind, request: string, response: string]>> = {
  'Streams.Append': [`/${STREAMS}/Append`, 'client', 'AppendReq', 'AppendResp'],
  'Streams.BatchAppend': [`/${STREAMS}/BatchAppend`, 'bidi', 'BatchAppendReq', 'BatchAppendResp'],
  'Streams.Delete': [`/${STREAMS}/Delete`, 'unary', 'DeleteReq', 'DeleteResp'],
  'Streams.Tombstone': [`/${STREAMS}/Tombstone`, 'unary', 'DeleteReq', 'DeleteResp'],
  'Streams.Read': [`/${STREAMS}/Read`, 'server', 'ReadReq', 'ReadResp'],
  'PersistentSubscriptions.Create': [`/${PERSISTENT}/Create`, 'unary', 'PsCreateReq', 'Empty'],
  'PersistentSubscriptions.Update': [`/${PERSISTENT}/Update`, 'unary', 'PsCreateReq', 'Empty'],
  'PersistentSubscriptions.Delete': [`/${PERSISTENT}/Delete`, 'unary', 'PsDeleteReq', 'Empty'],
  'PersistentSubscriptions.GetInfo': [`/${PERSISTENT}/GetInfo`, 'unary', 'PsGetInfoReq', 'PsGetInfoResp'],
  'PersistentSubscriptions.List': [`/${PERSISTENT}/List`, 'unary', 'PsListReq', 'PsListResp'],
  'PersistentSubscriptions.ReplayParked': [`/${PERSISTENT}/ReplayParked`, 'unary', 'PsReplayReq', 'Empty'],
  'PersistentSubscriptions.RestartSubsystem': [`/${PERSISTENT}/RestartSubsystem`, 'unary', 'Empty', 'Empty'],
  'PersistentSubscriptions.Read': [`/${PERSISTENT}/Read`, 'bidi', 'PsReadReq', 'PsReadResp'],
  'ServerFeatures.GetSupportedMethods': [
    '/event_store.client.server_features.ServerFeatures/GetSupportedMethods',
    'unary',
    'Empty',
    'SupportedMethods',
  ],
  'Gossip.Read': ['/event_store.client.gossip.Gossip/Read', 'unary', 'Empty', 'ClusterInfo'],
  'Users.Details': ['/event_store.client.users.Users/Details', 'server', 'UsersReq', 'UsersDetailsResp'],
  'Projections.Create': ['/event_store.client.projections.Projections/Create', 'unary', 'Anything', 'Empty'],
  'Monitoring.Stats': ['/event_store.client.monitoring.Monitoring/Stats', 'server', 'StatsReq', 'Empty'],
  ...Object.fromEntries(
    (
      [
        ['Create', 'UsersProfileReq'],
        ['Update', 'UsersProfileReq'],
        ['Delete', 'UsersReq'],
        ['Disable', 'UsersReq'],
        ['Enable', 'UsersReq'],
        ['ChangePassword', 'UsersChangePasswordReq'],
        ['ResetPassword', 'UsersResetPasswordReq'],
      ] as const
    ).map(([name, request]) => [`Users.${name}`, [`/event_store.client.users.Users/${name}`, 'unary', request, 'Empty'] as const]),
  ),
  ...Object.fromEntries(
    ['StartScavenge', 'StopScavenge', 'MergeIndexes', 'SetNodePriority', 'ResignNode', 'RestartPersistentSubscriptions'].map((name) => [
      `Operations.${name}`,
      [
        `/event_store.client.operations.Operations/${name}`,
        'unary',
        name === 'StartScavenge' ? 'ScavengeReq' : 'Anything',
        name.endsWith('Scavenge') ? 'ScavengeResp' : 'Empty',
      ] as const,
    ]),
  ),
  '/event_store.client.streams.Streams/Nope': ['/event_store.client.streams.Streams/Nope', 'unary', 'Empty', 'Empty'],
  '/event_store.client.nope.Nope/Read': ['/event_store.client.nope.Nope/Read', 'unary', 'Empty', 'Empty'],
};

/** Credentials that are not base64 were lost when they were recorded as text. */
const NOT_BASE64 = '!!!';
/** Headers that do not affect the response. */
const PLAIN_HEADERS = ['date', 'server', 'content-type', 'grpc-accept-encoding', 'grpc-encoding'];
const NO_ANSWER = '<the deadline of the client passed: the server sent no answer>';
/** How long a call is watched that should get no response. */
const NO_ANSWER_MS = 700;
/** Between what a summary counts and the end of it. */
const SILENCE_MS = 300;
const ANSWER_MS = 20_000;
/** How long a consumer was watched after each of its messages, which gives checkpoints time to be written. */
const QUIET_MS = 400;
/** A step marked so is repeated until it gets the recorded response, at most this long. */
const SETTLED_MS = 10_000;
/** Beyond the end of every log that is played here. */
const FAR_POSITION = 9_000_000_000n;

/** What a call has received so far. */
class Received {
  readonly messages: Fields[] = [];
  error: ServiceError | undefined;
  /** Whether an error was recorded, which then has to be the last thing received. */
  failed = false;
  ended = false;
  private wake: () => void = () => undefined;

  push(message: Fields): void {
    this.messages.push(message);
    this.wake();
  }

  drop(which: (message: Fields) => boolean): void {
    this.messages.splice(0, this.messages.length, ...this.messages.filter((message) => !which(message)));
  }

  fail(error: ServiceError): void {
    this.error = error;
    this.wake();
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  async until(condition: () => boolean, milliseconds: number): Promise<void> {
    const deadline = Date.now() + milliseconds;
    while (!condition() && Date.now() < deadline) {
      await new Promise<void>((resolve) => {
        // A timer that outlived its wait would keep the process.
        const timer = setTimeout(resolve, Math.max(1, deadline - Date.now()));
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

interface OpenCall {
  readonly method: string;
  readonly received: Received;
  halfClosed: boolean;
  write(message: Json): void;
  halfClose(): void;
  cancel(): void;
  pause(): void;
  resume(): void;
}

/** What a scenario may do with the node under test. */
export interface PlayedNode {
  port(): number;
  /** The certificate to trust, if the node uses TLS. */
  readonly certificate?: Buffer;
  stop(how: 'TERM' | 'KILL'): Promise<void>;
  start(): Promise<void>;
}

export class Mismatch extends Error {}

/** Plays one scenario; throws a `Mismatch` that says where the node's response differed. */
export async function play(node: PlayedNode, scenario: Scenario): Promise<void> {
  const player = new Player(node, scenario);
  try {
    await player.prepare();
    for (const [index, step] of scenario.steps.entries()) await player.step(index, step);
    await player.finish();
  } finally {
    player.close();
  }
}

class Player {
  private client: Client;
  private readonly calls = new Map<string, OpenCall>();
  /** Symbols in the recording, with their log positions. */
  private readonly positions = new Map<string, bigint>();
  private readonly symbols: readonly string[];
  private readonly idBase: bigint;
  /** Symbols of positions whose order depends on when the server happened to write there. */
  private readonly unordered = new Set<string>();
  private lastStream = '';
  private lastHeaders: Record<string, string> = {};
  private lastLink = '';
  private at = '';

  constructor(
    private readonly node: PlayedNode,
    private readonly scenario: Scenario,
  ) {
    this.client = this.connect();
    const text = JSON.stringify(scenario);
    this.symbols = [...new Set(text.match(/\bP\d+\b/g) ?? [])].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
    const ids = (text.match(/10000000-0000-4000-8000-[0-9a-f]{12}/g) ?? []).map((id) => BigInt(`0x${id.slice(24)}`));
    this.idBase = ids.length === 0 ? 0n : (ids.reduce((least, id) => (id < least ? id : least)) >> 12n) << 12n;
  }

  /** What existed before according to the recording, without showing how it was created. */
  async prepare(): Promise<void> {
    const { name, about, steps } = this.scenario;
    if (about?.startsWith('ids 0,1 were written (no_stream)'))
      await this.append(`batch-append-${name}`, [this.event(0, 'test'), this.event(1, 'test')]);
    if (about?.startsWith('6000 events exist')) {
      const { commit_position } = (await this.append('mark', [this.event(999, 'mark')]))['position'] as Fields;
      this.positions.set('P1', BigInt(commit_position as string));
      await this.appendLarge();
    }
    const first = (steps.find((step) => step.summary !== undefined)?.summary as { first?: Json[] } | undefined)?.first;
    if (typeof first?.[0] === 'string')
      await this.append(
        'earlier',
        Array.from({ length: 20 }, (_, n) => this.event(n, 'test')),
      );
    for (const event of first ?? []) {
      const { stream, type, data } = event as { stream?: string; type?: string; data?: string };
      if (stream && type && data && !stream.startsWith('$'))
        await this.append(stream, [{ id: randomUUID(), metadata: { type, 'content-type': 'application/json' }, data }]);
    }
  }

  async step(index: number, step: Step): Promise<void> {
    this.at = `step ${index} (${step.call ?? step.on ?? Object.keys(step)[0]})`;
    if (step.seed) return this.seed(step, step.seed);
    if (step.written) return this.writeAll(step.written, index);
    if (step.results !== undefined) return this.probe(step.as as string, step.results);
    if (step.call) return this.call(step, step.call);
    if (step.on !== undefined) return this.watch(step, step.on);
    if (step.summary !== undefined) return this.summarise(step.summary);
    if (step.note !== undefined) return this.note(step.note);
    throw new Error(`cannot play ${JSON.stringify(step)}`);
  }

  /** Greater symbols mean greater positions, and no message is left over. */
  async finish(): Promise<void> {
    const bound = this.symbols.filter((symbol) => this.positions.has(symbol) && !this.unordered.has(symbol));
    for (const [index, symbol] of bound.entries()) {
      const before = bound[index - 1];
      if (before && (this.positions.get(before) as bigint) >= (this.positions.get(symbol) as bigint))
        throw new Mismatch(`${before} is not before ${symbol}`);
    }
    // What arrived on a call after it was last read was not recorded; only this group keeps writing then.
    if (this.scenario.name.startsWith('calls-as-')) return;
    if (this.calls.size > 0 && !this.readsAll) await this.fence();
    for (const [name, { received }] of this.calls)
      if (received.messages.length > 0) throw new Mismatch(`${name} also got ${JSON.stringify(received.messages)}`);
  }

  close(): void {
    for (const call of this.calls.values()) call.cancel();
    this.fencing?.call.cancel();
    this.client.close();
  }

  /** Whether the scenario has a call that would be sent whatever is written. */
  private get readsAll(): boolean {
    return /"all":\s*\{/.test(
      JSON.stringify(this.scenario.steps.filter(({ as, call }) => as ?? call === 'PersistentSubscriptions.Create')),
    );
  }

  /**
   * Waits until everything expected has arrived. The node sends commits in order: once an event written now has reached one subscriber,
   * everything committed before has been sent to the others.
   */
  private async fence(): Promise<void> {
    if (!this.fencing) {
      const stream = `fence-${randomUUID()}`;
      const call = this.open('Streams.Read', this.fenceHeaders);
      call.write({
        options: { uuid_option: { string: {} }, stream: { stream_identifier: stream, start: {} }, subscription: {}, no_filter: {} },
      });
      call.halfClose();
      this.fencing = { stream, call };
    }
    const { stream, call } = this.fencing;
    const id = randomUUID();
    await this.append(stream, [{ id, metadata: { type: 'fence', 'content-type': 'application/json' }, data: '{}' }], this.fenceHeaders);
    await call.received.until(() => JSON.stringify(call.received.messages.at(-1) ?? null).includes(id), ANSWER_MS);
    if (!JSON.stringify(call.received.messages.at(-1) ?? null).includes(id)) throw this.mismatch('an event that was written did not come');
  }
  private fencing: { readonly stream: string; readonly call: OpenCall } | undefined;

  private get fenceHeaders(): Record<string, string> {
    return this.node.certificate ? { authorization: 'Basic base64(admin:changeit)' } : {};
  }

  /** On a call that accepts appends: a response to a new one shows that there were none to earlier ones. */
  private async fenceBatch(opened: OpenCall): Promise<void> {
    const correlation_id = randomUUID();
    const metadata = { type: 'fence', 'content-type': 'application/json' };
    opened.write({
      correlation_id,
      options: { stream_identifier: `fence-${correlation_id}`, any: {} },
      proposed_messages: [{ id: randomUUID(), metadata, data: '{}' }],
      is_final: true,
    });
    const { received } = opened;
    await received.until(() => received.messages.length > 0 || received.error !== undefined || received.ended, ANSWER_MS);
    const first = received.messages.shift();
    if (JSON.stringify(first ?? null).includes(correlation_id)) return;
    throw this.mismatch(`nothing was to come, and there came ${JSON.stringify(first ?? received.error?.message ?? 'the end')}`);
  }

  private connect(): Client {
    const { certificate } = this.node;
    return new Client(`localhost:${this.node.port()}`, certificate ? credentials.createSsl(certificate) : credentials.createInsecure(), {
      'grpc.max_send_message_length': -1,
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  private open(method: string, headers: Record<string, string> = {}, milliseconds?: number): OpenCall {
    const described = METHODS[method];
    if (!described) throw new Mismatch(`the player does not know ${method}`);
    const [path, , request, response] = described;
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(headers))
      metadata.set(
        key,
        value.replace(/base64\((.*)\)/s, (_all, text: string) => (text === '' ? NOT_BASE64 : Buffer.from(text).toString('base64'))),
      );
    const received = new Received();
    const call = this.client.makeBidiStreamRequest(
      path,
      (message: Json) => encode(request, message),
      (bytes: Buffer) => decode(response, bytes),
      metadata,
      milliseconds === undefined ? {} : { deadline: Date.now() + milliseconds },
    );
    call.on('data', (message: Fields) => received.push(message));
    call.on('error', (error: ServiceError) => received.fail(error));
    call.on('end', () => received.end());
    const opened: OpenCall = {
      method,
      received,
      halfClosed: false,
      write: (message) => call.write(message),
      halfClose: () => {
        opened.halfClosed = true;
        call.end();
      },
      cancel: () => call.cancel(),
      pause: () => void call.pause(),
      resume: () => void call.resume(),
    };
    return opened;
  }

  private async call(step: Step, method: string): Promise<void> {
    if (!step.settles) return this.callOnce(step, method);
    const deadline = Date.now() + SETTLED_MS;
    const positions = [...this.positions];
    for (;;) {
      try {
        return await this.callOnce(step, method);
      } catch (error) {
        if (!(error instanceof Mismatch) || Date.now() > deadline) throw error;
        this.positions.clear();
        for (const [symbol, position] of positions) this.positions.set(symbol, position);
        await wait(100);
      }
    }
  }

  private async callOnce(step: Step, method: string): Promise<void> {
    const kind = METHODS[method]?.[1];
    // An append always gets a response; the one recorded without was sent after its deadline.
    const patience = step.error?.details !== NO_ANSWER ? ANSWER_MS : method === 'Streams.Append' ? -1000 : NO_ANSWER_MS;
    // A Details call is named by its note. Of a batch call the recordings show no headers: it has those of the calls before.
    const as = step.as ?? (this.scenario.steps.some(({ on }) => on === step.note) ? step.note : undefined);
    if (method !== 'Streams.BatchAppend') this.lastHeaders = step.headers ?? {};
    const opened = this.open(method, this.lastHeaders, as ? undefined : patience);
    for (const message of step.send === undefined ? [] : this.requests(step.send)) opened.write(this.fill(message));
    this.lastStream = streamOf(step.send) ?? this.lastStream;
    if (kind !== 'bidi') opened.halfClose();
    if (as !== undefined) return void this.calls.set(as, opened);
    const { received } = opened;
    await received.until(() => received.error !== undefined || received.ended, ANSWER_MS);
    // The status follows the end of the messages.
    if (step.error && !received.error) await received.until(() => received.error !== undefined, 500);
    this.compareError(step.error, received.error);
    if (kind === 'server') this.compareMessages((step.recv ?? []) as Json[], received.messages);
    else this.compareMessages(step.recv === undefined ? [] : [step.recv], received.messages);
  }

  private async watch(step: Step, name: string): Promise<void> {
    const opened = this.calls.get(name);
    if (!opened) throw new Mismatch(`no call ${name}`);
    if (step.cancel) return opened.cancel();
    if (step.send !== undefined) return opened.write(this.fill(step.send));
    const { received } = opened;
    const expected = (step.recv ?? []) as Json[];
    const consuming = opened.method === 'PersistentSubscriptions.Read';
    const silent = expected.length === 0 && !step.error && !step.end;
    if (silent) return this.watchSilence(opened, consuming);
    const count = expected.reduce<number>((sum, message) => sum + (skippedCount(message) ?? 1), 0);
    await received.until(
      () =>
        (received.messages.length >= count && (!step.error || received.error !== undefined) && (!step.end || received.ended)) ||
        received.messages.length > count,
      ANSWER_MS,
    );
    if (consuming) await wait(QUIET_MS);
    if (consuming && !JSON.stringify(expected).includes('$persistentSubscriptionConfig')) received.drop(isOwnCreation);
    for (const message of received.messages) this.lastLink = linkOf(message) ?? this.lastLink;
    this.compareError(step.error, received.error);
    received.failed ||= step.error !== undefined;
    received.error = undefined;
    if (step.end && !received.ended) throw this.mismatch('the call did not end');
    this.compareMessages(expected, received.messages.splice(0, count));
  }

  /** A step that says that nothing came: neither a message nor an end. */
  private async watchSilence({ received, ...opened }: OpenCall, consuming: boolean): Promise<void> {
    if (consuming) await wait(QUIET_MS);
    if (opened.method === 'Streams.BatchAppend' && !opened.halfClosed) await this.fenceBatch({ received, ...opened });
    // Readers of the whole log would get the fence as well; so it is watched for as long as when it was recorded.
    else if (!this.readsAll) await this.fence();
    if (received.messages.length > 0) throw this.mismatch(`nothing was to come, and there came ${JSON.stringify(received.messages)}`);
    this.compareError(undefined, received.error);
    if (received.ended && !received.failed) throw this.mismatch('the call ended');
  }

  /** What a user may do with the stream of the scenario, in the condensed form of the recordings. */
  private async probe(user: string, results: Readonly<Record<string, string>>): Promise<void> {
    const passwords: Record<string, string> = { ann: 'pw', bob: 'pw', admin: 'changeit', ops: 'changeit' };
    const headers: Record<string, string> = user === 'anonymous' ? {} : { authorization: `Basic base64(${user}:${passwords[user]})` };
    const stream = `auth-${this.scenario.name}`;
    const metadata = ((this.scenario.steps[1]?.send as Fields[])[1]?.['proposed_message'] as Fields)['data'] as string;
    const read = (name: string): Json => ({
      options: { uuid_option: { string: {} }, stream: { stream_identifier: name, start: {} }, count: '100', no_filter: {} },
    });
    const append = (name: string, type: string, data: string): Json[] => [
      { options: { stream_identifier: name, any: {} } },
      { proposed_message: { id: randomUUID(), metadata: { type, 'content-type': 'application/json' }, data } },
    ];
    const probes: Record<string, [method: string, send: Json]> = {
      append: ['Streams.Append', append(stream, 'test', '{"n":1}')],
      read: ['Streams.Read', read(stream)],
      readMeta: ['Streams.Read', read(`$$${stream}`)],
      writeMeta: ['Streams.Append', append(`$$${stream}`, '$metadata', metadata)],
      subscribe: [
        'Streams.Read',
        { options: { uuid_option: { string: {} }, stream: { stream_identifier: stream, start: {} }, subscription: {}, no_filter: {} } },
      ],
      delete: ['Streams.Delete', { options: { stream_identifier: stream, revision: '7777' } }],
    };
    for (const [name, expected] of Object.entries(results)) {
      const [method, send] = probes[name] as [string, Json];
      const { received, write, halfClose, cancel } = this.open(method, headers, ANSWER_MS);
      for (const message of Array.isArray(send) ? send : [send]) write(message);
      halfClose();
      await received.until(
        () => received.error !== undefined || received.ended || (name === 'subscribe' && received.messages.length > 0),
        ANSWER_MS,
      );
      if (received.messages.length === 0) await received.until(() => received.error !== undefined, ANSWER_MS);
      cancel();
      const { error } = received;
      const trailers = JSON.stringify(
        Object.fromEntries(Object.entries(error?.metadata.getMap() ?? {}).filter(([key]) => !PLAIN_HEADERS.includes(key))),
      );
      const outcome =
        error && error.code !== status.CANCELLED
          ? `${status[error.code]} ${error.details}${name === 'subscribe' ? '' : ` ${trailers}`}`
          : 'ok';
      this.compare(expected, outcome, `${name} as ${user}`);
    }
  }

  private async append(stream: string, events: readonly Json[], headers: Record<string, string> = {}): Promise<Fields> {
    const opened = this.open('Streams.Append', headers, ANSWER_MS);
    opened.write({ options: { stream_identifier: stream, any: {} } });
    for (const event of events) opened.write({ proposed_message: event });
    opened.halfClose();
    await opened.received.until(() => opened.received.error !== undefined || opened.received.ended, ANSWER_MS);
    const success = opened.received.messages[0]?.['success'] as Fields | undefined;
    if (!success) throw this.mismatch(`append to ${stream}: ${opened.received.error?.message ?? JSON.stringify(opened.received.messages)}`);
    return success;
  }

  private event(n: number, type: string, id = this.idBase + BigInt(n)): Json {
    return {
      id: `10000000-0000-4000-8000-${id.toString(16).padStart(12, '0')}`,
      metadata: { type, 'content-type': 'application/json' },
      data: `{"n":${n}}`,
    };
  }

  private async seed(step: Step, seed: NonNullable<Step['seed']>): Promise<void> {
    const first = seed.ids_from ? BigInt(`0x${seed.ids_from.slice(24)}`) : this.idBase + 999n;
    const events = Array.from({ length: seed.events }, (_, index) =>
      this.event(Number(first - this.idBase) + index, seed.type, first + BigInt(index)),
    );
    const success = await this.append(seed.stream, events);
    this.lastStream = seed.stream;
    if (step.current_revision !== undefined) this.compare(step.current_revision, success['current_revision'] ?? null, 'current_revision');
    if (step.position !== undefined) this.compare(step.position, success['position'] ?? null, 'position');
  }

  /** Single appends, or, right after a seed, the positions of the seeded events. */
  private async writeAll(written: NonNullable<Step['written']>, index: number): Promise<void> {
    if (this.scenario.steps[index - 1]?.seed?.events === written.length) return;
    const name = `subscribe-all-${this.scenario.name}`;
    for (const { n, match, commit_position } of written) {
      const success = await this.append(`${name}-${match ? 'A' : 'B'}`, [this.event(n, match ? 'alpha' : 'beta')]);
      this.compare(commit_position, (success['position'] as Fields)['commit_position'] ?? null, `position of ${n}`);
    }
  }

  private async note(note: string): Promise<void> {
    if (note === 'client half-closes') for (const call of this.calls.values()) call.halfClose();
    else if (note === 'then soft-deleted' || note === 'then tombstoned')
      await this.delete(note === 'then tombstoned' ? 'Streams.Tombstone' : 'Streams.Delete');
    else if (note === 'the client stops reading') for (const call of this.calls.values()) call.pause();
    else if (note === '6000 events written') await this.appendLarge();
    else if (note === 'the client reads on') for (const call of this.calls.values()) call.resume();
    else if (note === '2.1 s later') await wait(2100);
    else if (note.startsWith('12 single-event appends')) {
      for (let i = 0; i < 12; i++)
        await this.append(`all-read-${this.scenario.name}-${i % 3 === 0 ? 'A' : 'B'}`, [this.event(i, i % 4 === 0 ? 'alpha' : 'beta')]);
    } else if (note.startsWith('the node is stopped')) await this.node.stop(note.includes('KILL') ? 'KILL' : 'TERM');
    else if (note === 'started again') {
      await this.node.start();
      this.client.close();
      this.client = this.connect();
    }
  }

  /** 6000 events of 1000 bytes, in appends of 100. */
  private async appendLarge(): Promise<void> {
    for (let append = 0; append < 60; append++) {
      const events = Array.from({ length: 100 }, () => ({
        id: randomUUID(),
        metadata: { type: 'test', 'content-type': 'application/octet-stream' },
        data: 'a'.repeat(1000),
      }));
      await this.append(`subscribe-slow-${this.scenario.name}`, events);
    }
  }

  private async delete(method: string): Promise<void> {
    const opened = this.open(method, {}, ANSWER_MS);
    opened.write({ options: { stream_identifier: this.lastStream, any: {} } });
    opened.halfClose();
    await opened.received.until(() => opened.received.ended, ANSWER_MS);
  }

  /** Scenarios of which only the kinds of messages, or counts, were recorded. */
  private async summarise(summary: Json): Promise<void> {
    if (await this.summariseGroups(summary as Fields)) return;
    const { first, last, order, total, events, succeeded, error } = summary as {
      first?: Json[];
      last?: Json[];
      order?: Array<[string, number]>;
      total?: number;
      events?: Json;
      succeeded?: string;
      error?: Step['error'];
    };
    if (total !== undefined) return; // Its messages were compared one by one before.
    if (succeeded !== undefined) return this.appendAtOnce(20);
    const [opened] = this.calls.values();
    const received = opened?.received;
    if (!received) return this.compare(first ?? null, await this.firstOfLog(first?.length ?? 0), 'first');
    const kinds = (): string[] => received.messages.map((message) => Object.keys(message)[0] as string);
    if (error) {
      await received.until(() => received.error !== undefined, 3 * SILENCE_MS);
      this.compareError(error, received.error);
    } else if (order) {
      if (this.scenario.about?.includes('stops reading')) {
        opened.pause();
        await wait(3 * SILENCE_MS);
        opened.resume();
      }
      const count = order.reduce((sum, [, times]) => sum + times, 0);
      await received.until(() => received.messages.length >= count, ANSWER_MS);
      await wait(SILENCE_MS);
      const runs: Array<[string, number]> = [];
      for (const kind of kinds()) {
        const run = runs.at(-1);
        if (run?.[0] === kind) run[1]++;
        else runs.push([kind, 1]);
      }
      this.compare(order, runs, 'order');
    } else if (first && last) {
      await received.until(() => kinds().includes('caught_up'), ANSWER_MS);
      this.compare(first, kinds().slice(0, first.length), 'first');
      this.compare(last, kinds().slice(-last.length), 'last');
    } else if (typeof events === 'number') {
      await Promise.all(
        Array.from({ length: 500 }, (_, n) => this.append(`subscribe-stream-${this.scenario.name}`, [this.event(n, 'test')])),
      );
      const count = (): number => kinds().filter((kind) => kind === 'event').length;
      await received.until(() => count() >= 500 || received.error !== undefined, ANSWER_MS);
      this.compare(events, count(), 'events');
    } else throw this.mismatch('a summary that the player cannot check');
    received.messages.length = 0;
  }

  /** What was kept of persistent subscriptions; false when the summary is about something else. */
  private async summariseGroups(summary: Fields): Promise<boolean> {
    const name = `${this.scenario.steps.some((step) => step.call === 'PersistentSubscriptions.List') ? 'persistent-admin' : 'persistent-consume'}-${this.scenario.name}`;
    if (typeof summary['delivered'] === 'number') {
      await this.acknowledgeAll(summary['delivered']);
    } else if (summary['measurement_keys']) {
      const info = (await this.ask('PersistentSubscriptions.GetInfo', { options: { stream_identifier: name, group_name: 'g' } }))[
        'subscription_info'
      ] as Fields;
      const connection = (info['connections'] as Fields[])[0] as Fields;
      // The average is omitted if it is 0.
      this.compare(
        summary['connection_fields'] as Json,
        Object.keys({ username: '', average_items_per_second: 0, ...connection }),
        'connection_fields',
      );
      this.compare(
        summary['measurement_keys'],
        (connection['observed_measurements'] as Fields[]).map((measurement) => measurement['key'] as Json),
        'measurement_keys',
      );
    } else if (summary['what'] === 'list_all_subscriptions') {
      const sources = await this.listed({ list_all_subscriptions: {} });
      this.compare(
        ['g1', 'g2'],
        sources.filter(([source]) => source === name).map(([, group]) => group as string),
        'groups of the stream',
      );
      if (!sources.some(([source]) => source === '$all')) throw this.mismatch('no group on $all');
    } else if (summary['what'] === 'list_for_stream.all') {
      const sources = await this.listed({ list_for_stream: { all: {} } });
      if (sources.length === 0 || sources.some(([source]) => source !== '$all'))
        throw this.mismatch(`not only groups on $all: ${JSON.stringify(sources)}`);
    } else if (summary['entry_example_keys']) {
      const { event } = (
        await this.ask('Streams.Read', {
          options: {
            read_direction: 'Backwards',
            uuid_option: { string: {} },
            stream: { stream_identifier: '$persistentSubscriptionConfig', end: {} },
            count: '1',
            no_filter: {},
          },
        })
      )['event'] as { event: { type: string; data: string } };
      const config = JSON.parse(event.data) as Fields;
      this.compare(summary['type'] as Json, event.type, 'type');
      this.compare(summary['keys'] as Json, Object.keys(config), 'keys');
      this.compare(String(summary['version']), config['version'] as Json, 'version');
      const shapes = (config['entries'] as Fields[]).map((entry) => JSON.stringify(Object.keys(entry)));
      if (!shapes.includes(JSON.stringify(summary['entry_example_keys']))) throw this.mismatch(`no entry with these keys: ${shapes[0]}`);
    } else return false;
    return true;
  }

  private async ask(method: string, request: Json): Promise<Fields> {
    const opened = this.open(method, {}, ANSWER_MS);
    opened.write(request);
    opened.halfClose();
    await opened.received.until(() => opened.received.error !== undefined || opened.received.ended, ANSWER_MS);
    const [message] = opened.received.messages;
    if (!message) throw this.mismatch(`${method}: ${opened.received.error?.message ?? 'no answer'}`);
    return message;
  }

  private async listed(options: Json): Promise<Array<[source: Json, group: Json]>> {
    const { subscriptions } = await this.ask('PersistentSubscriptions.List', { options });
    return (subscriptions as Fields[]).map((info) => [info['event_source'] ?? '', info['group_name'] ?? '']);
  }

  /** A consumer that acknowledges events as they come; they have to come in order. */
  private async acknowledgeAll(count: number): Promise<void> {
    const [consumer] = this.calls.values();
    if (!consumer) throw this.mismatch('no consumer');
    const { received } = consumer;
    await received.until(() => received.messages.length > 0, ANSWER_MS);
    received.messages.shift();
    for (let revision = 0; revision < count; revision++) {
      await received.until(() => received.messages.length > 0, ANSWER_MS);
      const event = (received.messages.shift()?.['event'] as Fields | undefined)?.['event'] as Fields | undefined;
      this.compare(String(revision), String(event?.['revision']), 'revision');
      consumer.write({ ack: { ids: [event?.['id'] as string] } });
    }
  }

  /** The same event many times at once: it is written once, and every response has the same revision and position. */
  private async appendAtOnce(times: number): Promise<void> {
    const answers = await Promise.all(
      Array.from({ length: times }, () => this.append(`append-idempotency-${this.scenario.name}`, [this.event(0, 'test')])),
    );
    for (const answer of answers) {
      this.compare('0', answer['current_revision'] ?? null, 'current_revision');
      this.compare({ commit_position: 'P1', prepare_position: 'P1' }, answer['position'] ?? null, 'position');
    }
  }

  private async firstOfLog(count: number): Promise<Json> {
    const opened = this.open('Streams.Read', {}, ANSWER_MS);
    opened.write({ options: { uuid_option: { string: {} }, all: { start: {} }, count: String(count), no_filter: {} } });
    opened.halfClose();
    await opened.received.until(() => opened.received.ended, ANSWER_MS);
    return opened.received.messages.map((message) => {
      const { stream, type, data } = (message['event'] as { event: Fields }).event;
      return { stream: stream ?? null, type: type ?? null, data: data ?? null };
    });
  }

  private requests(send: Json): Json[] {
    if (!Array.isArray(send)) return [send];
    const requests: Json[] = [];
    for (const message of send) {
      const skipped = skippedCount(message);
      if (skipped === undefined) requests.push(message);
      else {
        const from = requests.length - 1;
        for (let index = 0; index < skipped; index++) requests.push({ proposed_message: this.event(from + index, 'test') });
      }
    }
    return requests;
  }

  /** Replaces symbols by positions and large numbers. */
  private fill(message: Json): Json {
    if (typeof message === 'string') {
      if (message === '<uint64.max>') return String(2n ** 64n - 1n);
      if (message === '<created>') return '1';
      if (message === '<uuid>') return this.lastLink;
      return /^P\d+$/.test(message) ? String(this.positionOf(message)) : message;
    }
    if (Array.isArray(message)) return message.map((item) => this.fill(item));
    if (message === null || typeof message !== 'object') return message;
    return Object.fromEntries(Object.entries(message).map(([key, value]) => [key, key === 'data' ? value : this.fill(value)]));
  }

  /** A position that no response has named: slightly after the previous one, or far beyond the end. */
  private positionOf(symbol: string): bigint {
    const known = this.positions.get(symbol);
    if (known !== undefined) return known;
    const before = this.positions.get(this.symbols[this.symbols.indexOf(symbol) - 1] ?? '');
    const made = symbol === this.symbols.at(-1) || before === undefined ? FAR_POSITION : before + 1n;
    this.positions.set(symbol, made);
    return made;
  }

  private compareError(expected: Step['error'], actual: ServiceError | undefined): void {
    if (!expected) {
      if (actual && actual.code !== status.CANCELLED) throw this.mismatch(`unexpected error ${actual.message}`);
      return;
    }
    if (!actual) throw this.mismatch(`no error, expected ${expected.details}`);
    this.compare(expected.code, actual.code, `code (${actual.details})`);
    // If the connection is gone, the library itself reports it.
    if (!expected.details.startsWith('<') && expected.code !== (status.UNAVAILABLE as number))
      this.compare(expected.details, actual.details, 'details');
    if (expected.code === (status.UNAVAILABLE as number) || !expected.trailers) return;
    const trailers = Object.fromEntries(Object.entries(actual.metadata.getMap()).filter(([key]) => !PLAIN_HEADERS.includes(key)));
    this.compare(expected.trailers, trailers as Json, 'trailers');
  }

  private compareMessages(expected: readonly Json[], actual: readonly Json[]): void {
    let at = 0;
    for (const [index, message] of expected.entries()) {
      const skipped = skippedCount(message);
      if (skipped !== undefined) at += skipped;
      else if (message === '<events>' && actual.length > 0) at = actual.length;
      else this.compare(message, actual[at++] ?? null, `recv[${index}]`);
    }
    if (actual.length !== at) throw this.mismatch(`${actual.length} messages instead of ${at}: ${JSON.stringify(actual.slice(at))}`);
  }

  private compare(expected: Json, actual: Json, path: string): void {
    if ((expected === '<as in server.json>' || expected === '<accepted>') && actual !== null) return;
    if (typeof expected === 'string' && expected.endsWith(MAY_BE_ABSENT)) {
      for (const [symbol] of expected.matchAll(/\bP\d+\b/g)) this.unordered.add(symbol);
      return isEmpty(actual) ? undefined : this.compare(expected.slice(0, -MAY_BE_ABSENT.length), actual, path);
    }
    if (typeof expected === 'string' && typeof actual === 'string') {
      if (/^P\d+$/.test(expected)) return this.comparePosition(expected, BigInt(actual), path);
      if (expected === '<uint64.max>' && actual === String(2n ** 64n - 1n)) return;
      if (expected === actual || isPlaceholderFor(expected, actual)) return;
      if (/C:P\d+\/P:P\d+/.test(expected) || /<time>/.test(expected)) return this.compareText(expected, actual, path);
    } else if (Array.isArray(expected) && Array.isArray(actual)) {
      if (expected.length !== actual.length)
        throw this.mismatch(`${path} has ${actual.length} items instead of ${expected.length}: ${JSON.stringify(actual)}`);
      return expected.forEach((item, index) => this.compare(item, actual[index] as Json, `${path}[${index}]`));
    } else if (isFields(expected) && isFields(actual)) {
      for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
        if (isTiming(expected[key]) && (actual[key] === undefined || /^\d+$/.test(String(actual[key])))) continue;
        if (dependsOnMoment(expected, key)) continue;
        this.compare(expected[key] ?? null, actual[key] ?? null, `${path}.${key}`);
      }
      if (expected['type'] === 'SubscriptionCheckpoint') this.unordered.add(expected['commit_position'] as string);
      return;
    } else if (String(expected) === String(actual)) return;
    else if (expected === '<port>' && typeof actual === 'number') return;
    else if (isEmpty(expected) && isEmpty(actual)) return;
    throw this.mismatch(`${path} is ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
  }

  private comparePosition(symbol: string, actual: bigint, path: string): void {
    const known = this.positions.get(symbol);
    if (known === undefined) this.positions.set(symbol, actual);
    else if (known !== actual) throw this.mismatch(`${path} is position ${actual} instead of ${symbol} = ${known}`);
  }

  /** Text that contains positions or times. */
  private compareText(expected: string, actual: string, path: string): void {
    const symbols = [...expected.matchAll(/\bP\d+\b/g)].map(([symbol]) => symbol);
    const pattern = expected
      .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replace(/\bP\d+\b/g, '(\\d+)')
      .replace(/<time>/g, '[^"]+');
    const match = new RegExp(`^${pattern}$`).exec(actual);
    if (!match) throw this.mismatch(`${path} is ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
    symbols.forEach((symbol, index) => this.comparePosition(symbol, BigInt(match[index + 1] as string), path));
  }

  private mismatch(text: string): Mismatch {
    return new Mismatch(`${this.at}: ${text}`);
  }
}

const isFields = (value: Json): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

const skippedCount = (message: Json): number | undefined => {
  const match = typeof message === 'string' ? /^<\.\.\. (\d+) more \.\.\.>$/.exec(message) : null;
  return match ? Number(match[1]) : undefined;
};

const MAY_BE_ABSENT = ' <may still be absent at this moment>';

/**
 * Rates, how far a group on the whole log had come right after it was created, and whether the first checkpoint has been written: the
 * genuine server does this some time later.
 */
const dependsOnMoment = (expected: Fields, key: string): boolean =>
  /^average_(items_)?per_second$/.test(key) ||
  (expected['event_source'] === '$all' &&
    !expected['connections'] &&
    ['last_known_event_position', 'read_buffer_count', 'live_buffer_count'].includes(key)) ||
  (key === 'last_checkpointed_event_position' &&
    expected[key] === undefined &&
    (expected['event_source'] === '$all' || expected['total_items'] !== undefined));

/** Whether a group at the end of the whole log sees the event of its own creation is a race on the genuine server. */
const isOwnCreation = (message: Fields): boolean => /"stream":"(\$\$)?\$persistentSubscriptionConfig"/.test(JSON.stringify(message));

const linkOf = (message: Fields): string | undefined =>
  ((message['event'] as Fields | undefined)?.['link'] as Fields | undefined)?.['id'] as string | undefined;

const isEmpty = (value: Json): boolean => value === null || value === '';
const isTiming = (expected: Json | undefined): boolean => typeof expected === 'string' && /^<(rate|count of|varies)/.test(expected);

function isPlaceholderFor(expected: string, actual: string): boolean {
  if (expected === '<uuid>') return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(actual);
  const form = /^<subscription-id>(?: \(form: (.*)\))?$/.exec(expected);
  if (form) return form[1] === undefined ? actual !== '' : actual === form[1];
  if (expected.startsWith('<position ')) return true;
  if (expected.startsWith('<Live, or ')) return ['Live', 'Behind', 'Behind, OutstandingPageRequest'].includes(actual);
  if (/^<(time|ticks|address|port|most_significant_bits|least_significant_bits)>$/.test(expected)) return actual !== '';
  // The length of all groups' settings depends on the names of the others.
  if (/^<\d+ bytes: "\{\\n  \\"version"/.test(expected)) return actual.startsWith('{\n  "version"');
  const long = /^<(\d+) bytes: "(.)/.exec(expected);
  return long !== null && actual === (long[2] as string).repeat(Number(long[1]));
}

function streamOf(send: Json | undefined): string | undefined {
  const options = (Array.isArray(send) ? send[0] : send) as Fields | undefined;
  return ((options?.['options'] as Fields | undefined)?.['stream_identifier'] as string | undefined) ?? undefined;
}
