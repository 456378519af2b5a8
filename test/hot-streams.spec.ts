import { randomUUID } from 'node:crypto';
import { NO_EVENTS } from '#audit';
import {
  type Appended,
  type CommandContext,
  EventStore,
  execute,
  type ExpectedRevision,
  type FeedFilter,
  type FeedItem,
  FoldedStreams,
  foldedStreamsOf,
  type Instant,
  instantFrom,
  isRefusal,
  type NewEvent,
  type Position,
  readAggregate,
  type StoredEvent,
  streamName,
} from '#eventsourcing';
import { ticket, type TicketCommandName, type TicketCommands } from '#ticketing';
import { type TestEvents, testEvents } from './stores.js';

/** Commands on streams that a process has used lately. Each `Process` stands for a process of its own, on one store. */
let events: TestEvents;

beforeAll(async () => {
  events = await testEvents();
});
afterAll(() => events.close());

/** Of nobody else on a shared server. */
const client = `client-${randomUUID()}`;

/** A process with what it knows of streams, which counts how often it reads one, and how many events. */
class Process extends EventStore {
  reads = 0;
  eventsRead = 0;

  async *readStream(stream: string, fromRevision?: number): AsyncIterable<StoredEvent> {
    this.reads++;
    for await (const event of events.store.readStream(stream, fromRevision)) {
      this.eventsRead++;
      yield event;
    }
  }
  seal(stream: string, sealed: readonly NewEvent[]) {
    return events.store.seal(stream, sealed);
  }

  append(stream: string, expected: ExpectedRevision, appended: readonly NewEvent[]): Promise<Appended> {
    return events.store.append(stream, expected, appended);
  }
  end(): Promise<Position | 'start'> {
    return events.store.end();
  }
  has(position: Position): Promise<boolean> {
    return events.store.has(position);
  }
  eventAt(position: Position): Promise<StoredEvent | undefined> {
    return events.store.eventAt(position);
  }
  lastBefore(instant: Instant): Promise<Position | 'start'> {
    return events.store.lastBefore(instant);
  }
  readAll(filter: FeedFilter, after?: Position): AsyncIterable<StoredEvent> {
    return events.store.readAll(filter, after);
  }
  subscribe(filter: FeedFilter, after: Position | 'start' | 'end', signal: AbortSignal): AsyncIterable<FeedItem> {
    return events.store.subscribe(filter, after, signal);
  }

  send<Name extends TicketCommandName>(
    id: string,
    name: Name,
    command: TicketCommands[Name],
    more: Partial<CommandContext> = {},
    given?: () => Promise<never>,
  ) {
    const now = instantFrom(Date.now());
    const context: CommandContext = {
      commandId: randomUUID(),
      correlationId: 'c',
      causationId: 'c',
      actor: { id: 'ada', kind: 'agent' },
      effectiveAt: now,
      recordedAt: now,
      ...more,
    };
    return execute(this, ticket, id, name, command, context, { opens: name === 'OpenTicket', ...(given && { given }) });
  }

  /** Opens a ticket: its id. */
  async open(): Promise<string> {
    const id = randomUUID();
    const opened = await this.send(id, 'OpenTicket', {
      client,
      kind: 'incident',
      summary: 'Cannot print',
      reporter: { id: 'joe' },
      channel: 'phone',
      impact: 'medium',
      urgency: 'high',
    });
    expect(opened).toMatchObject({ revision: 0, repeated: false });
    return id;
  }

  /** What it has read since the last time it was asked. */
  readSince(): number {
    const { reads } = this;
    this.reads = 0;
    this.eventsRead = 0;
    return reads;
  }
}

const step = (action: string) => ({ action, outcome: 'o' });

async function streamOf(id: string): Promise<StoredEvent[]> {
  const found: StoredEvent[] = [];
  for await (const event of events.store.readStream(streamName(ticket, id))) found.push(event);
  return found;
}

describe('a stream that this process has used lately', () => {
  it('is not read for a command, from its opening on', async () => {
    const one = new Process();
    const id = await one.open();
    for (let revision = 1; revision <= 5; revision++)
      expect(await one.send(id, 'RecordDiagnosticStep', step(String(revision)))).toMatchObject({ revision });
    expect(await one.send(id, 'StartWork', {}, { ifRevisions: [5] })).toMatchObject({ revision: 6 });
    expect(one.readSince()).toBe(0);
    expect((await streamOf(id)).map(({ revision }) => revision)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('is read once by a process that has not used it', async () => {
    const id = await new Process().open();
    const other = new Process();
    await other.send(id, 'RecordDiagnosticStep', step('a'));
    await other.send(id, 'RecordDiagnosticStep', step('b'));
    expect(other.readSince()).toBe(1);
  });

  it('is read again after another process has changed it: nothing is decided on what is out of date', async () => {
    const [one, other] = [new Process(), new Process()];
    const id = await one.open();
    await other.send(id, 'CancelTicket', { reason: 'Reported twice' });
    expect(await one.send(id, 'RecordDiagnosticStep', step('a'))).toMatchObject({ refused: 'ticket-cancelled' });
    expect(one.readSince()).toBe(1);
    expect((await streamOf(id)).map(({ type }) => type)).toEqual(['TicketOpened', 'TicketCancelled']);
  });

  it('is read from the last known event on', async () => {
    const [one, other] = [new Process(), new Process()];
    const id = await one.open();
    for (const action of ['a', 'b', 'c', 'd', 'e']) await one.send(id, 'RecordDiagnosticStep', step(action));
    await other.send(id, 'StartWork', {});
    await other.send(id, 'PutOnHold', { reason: 'customer', note: 'n' });
    expect(other.eventsRead).toBe(6);

    expect(await one.send(id, 'Resume', {})).toMatchObject({ revision: 8 });
    expect([one.eventsRead, one.readSince()]).toEqual([3, 1]);
    expect(await one.send(id, 'CloseTicket', {})).toMatchObject({ refused: 'not-resolved' });
    expect([one.eventsRead, one.readSince()]).toEqual([1, 1]);
    const known = await readAggregate(one, ticket, id, { maxAgeMs: 60_000 });
    expect(known.state).toEqual((await readAggregate(events.store, ticket, id)).state);
  });

  it('is read completely if it differs from what is cached', async () => {
    const one = new Process();
    const id = await one.open();
    const stream = streamName(ticket, id);
    const known = foldedStreamsOf(one).get(ticket, stream)!;
    foldedStreamsOf(one).put(ticket, stream, { ...known, state: null, chain: { hash: 'another', revision: 0, begun: true } });
    expect(await one.send(id, 'StartWork', {})).toMatchObject({ revision: 1, events: [{ type: 'WorkStarted' }] });
    expect(one.readSince()).toBe(2);
  });

  it('is read completely once personal data in it was erased', async () => {
    const [one, other] = [new Process(), new Process()];
    const id = await one.open();
    for (const action of ['a', 'b']) await one.send(id, 'RecordDiagnosticStep', step(action));
    await other.send(id, 'TellErased', { because: 'retention' });
    for (const process of [one, other]) {
      process.readSince();
      await process.send(id, 'RecordDiagnosticStep', step('c'));
      expect(process.eventsRead).toBeGreaterThanOrEqual(4);
    }
  });

  it('is not read for concurrent commands of this process: they take turns', async () => {
    const one = new Process();
    const id = await one.open();
    const sent = Array.from({ length: 12 }, (_, index) => one.send(id, 'RecordDiagnosticStep', step(String(index))));
    expect((await Promise.all(sent)).map((done) => (isRefusal(done) ? done : done.revision))).toEqual(sent.map((_, index) => index + 1));
    expect(one.readSince()).toBe(0);
  });

  it('is not waited for by others while a command looks something up', async () => {
    const one = new Process();
    const id = await one.open();
    let found = () => {};
    const looking = new Promise<never>((resolve) => (found = resolve as () => void));
    const slow = one.send(id, 'RecordDiagnosticStep', step('a'), {}, () => looking);
    expect(await one.send(id, 'RecordDiagnosticStep', step('b'))).toMatchObject({ revision: 1 });
    found();
    expect(await slow).toMatchObject({ revision: 2 });
  });

  it('is read before a refusal is returned, which may be outdated', async () => {
    const [one, other] = [new Process(), new Process()];
    const id = await one.open();
    expect(await one.send(id, 'CloseTicket', {})).toMatchObject({ refused: 'not-resolved' });
    expect(one.readSince()).toBe(1);
    await other.send(id, 'ResolveTicket', { category: 'c', article: 'a' });
    expect(await one.send(id, 'CloseTicket', {})).toMatchObject({ revision: 2, events: [{ type: 'TicketClosed' }] });
  });

  it("is read before 'no change' is returned", async () => {
    const [one, other] = [new Process(), new Process()];
    const id = await one.open();
    await one.send(id, 'PutOnHold', { reason: 'customer', note: 'n' });
    await other.send(id, 'Resume', {});
    expect(await one.send(id, 'PutOnHold', { reason: 'customer', note: 'n' })).toMatchObject({
      revision: 3,
      events: [{ type: 'TicketPutOnHold' }],
    });
  });

  it('is read before a mismatch of If-Match is returned', async () => {
    const [one, other] = [new Process(), new Process()];
    const id = await one.open();
    await other.send(id, 'RecordDiagnosticStep', step('a'));
    expect(await one.send(id, 'RecordDiagnosticStep', step('b'), { ifRevisions: [1] })).toMatchObject({ revision: 2 });
    await other.send(id, 'RecordDiagnosticStep', step('c'));
    // At the revision that the sender has seen, which the stream has left.
    expect(await one.send(id, 'RecordDiagnosticStep', step('d'), { ifRevisions: [2] })).toMatchObject({ refused: 'revision-mismatch' });
  });

  it('answers a repeated command with what was done then, and refuses another one with its id', async () => {
    const [one, other] = [new Process(), new Process()];
    const id = await one.open();
    const key = { commandId: randomUUID(), commandDigest: 'd' };
    await one.send(id, 'RecordDiagnosticStep', step('a'), key);
    await one.send(id, 'RecordDiagnosticStep', step('b'));
    for (const process of [one, other, one]) {
      expect(await process.send(id, 'RecordDiagnosticStep', step('a'), key)).toMatchObject({
        revision: 1,
        repeated: true,
        events: [{ type: 'DiagnosticStepRecorded', data: { action: 'a' } }],
      });
      expect(await process.send(id, 'RecordDiagnosticStep', step('x'), { ...key, commandDigest: 'x' })).toMatchObject({
        refused: 'idempotency-key-reused',
      });
      expect(await process.send(id, 'StartWork', {}, key)).toMatchObject({ refused: 'idempotency-key-reused' });
    }
    expect(await streamOf(id)).toHaveLength(3);
  });

  it('executes a command sent to several processes at once only once, and each returns the result', async () => {
    const processes = Array.from({ length: 4 }, () => new Process());
    const id = await (processes[0] as Process).open();
    for (let round = 1; round <= 10; round++) {
      const key = { commandId: randomUUID(), commandDigest: 'd' };
      const done = await Promise.all(processes.map((process) => process.send(id, 'RecordDiagnosticStep', step(String(round)), key)));
      expect(done.map((result) => (isRefusal(result) ? result : result.revision))).toEqual([round, round, round, round]);
    }
    expect(await streamOf(id)).toHaveLength(11);
  });

  it('is cached as in the log, however processes race', async () => {
    const processes = Array.from({ length: 3 }, () => new Process());
    const id = await (processes[0] as Process).open();
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        processes.flatMap((process) =>
          ['a', 'b'].map((action) => process.send(id, 'RecordDiagnosticStep', step(action), { recordedAt: instantFrom(Date.now()) })),
        ),
      );
    }
    const { state, revision } = await readAggregate(events.store, ticket, id);
    expect(revision).toBe(30);
    for (const process of processes) {
      const known = await readAggregate(process, ticket, id, { maxAgeMs: 60_000 });
      if (known.revision === revision) expect(known.state).toEqual(state);
      expect(await process.send(id, 'RecordDiagnosticStep', step('last'))).not.toHaveProperty('refused');
    }
  });
});

describe('what a process knows of streams', () => {
  const folded = (revision: number, weight = 1_000) => ({
    state: null,
    revision,
    chain: NO_EVENTS,
    commandIds: new Set<string>(),
    weight,
    confirmedAt: 0,
  });

  it('is limited in number and size: recently used ones are kept', () => {
    const streams = new FoldedStreams({ streams: 3, weight: 10_000 });
    for (const name of ['a', 'b', 'c']) streams.put(ticket, name, folded(0));
    streams.get(ticket, 'a');
    streams.put(ticket, 'd', folded(0));
    expect(['a', 'b', 'c', 'd'].filter((name) => streams.get(ticket, name) !== undefined)).toEqual(['a', 'c', 'd']);
    streams.put(ticket, 'heavy', folded(600, 9_500));
    expect([streams.streams, streams.weight]).toEqual([1, 9_500]);
    streams.put(ticket, 'too heavy', folded(600, 10_001));
    expect(streams.get(ticket, 'too heavy')).toBeUndefined();
  });

  it('gives streams to one user after the other, even if one fails', async () => {
    const streams = new FoldedStreams();
    const done: string[] = [];
    const use = (name: string, stream: string) =>
      streams.inTurn(stream, async () => {
        done.push(`${name} begins`);
        await Promise.resolve();
        done.push(`${name} ends`);
        if (name === 'b') throw new Error('It fails');
      });
    const used = await Promise.allSettled([use('a', 's'), use('b', 's'), use('c', 's'), use('d', 'another')]);
    expect(used.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(done.filter((line) => !line.startsWith('d'))).toEqual(['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]));
    expect(done.indexOf('d begins')).toBeLessThan(done.indexOf('b begins'));
  });

  it('never goes back', () => {
    const streams = new FoldedStreams();
    streams.put(ticket, 's', folded(5));
    streams.put(ticket, 's', folded(4));
    expect(streams.get(ticket, 's')?.revision).toBe(5);
  });
});
