import { type BrokenChain, isBroken, NO_EVENTS } from '#audit';
import {
  type Aggregate,
  type AnyEvent,
  type CodesOf,
  type CommandsOf,
  type DecisionContext,
  type EventsOf,
  evolve,
  type GivenOf,
  type StateOf,
  streamName,
} from './aggregate.js';
import { appendChained, followChain } from './chained-append.js';
import { type EventStore, RevisionConflict } from './event-store.js';
import type { Actor, EventMap, EventOf, NewEvent, Position, RecordedEvent, Using } from './event.js';
import { type Folded, foldedStreamsOf, WEIGHT_OF_STREAM, weightOfEvent } from './folded-streams.js';
import { eventIdFor } from './ids.js';
import type { Instant } from './instant.js';
import { erasableActor, PERSONAL_DATA_ERASED, personalFieldsOf } from './personal.js';
import { isRefusal, refuse, type Refusal } from './refusal.js';
import { schemaVersion, upcast } from './upcasting.js';

/** The context of a command. */
export interface CommandContext extends DecisionContext {
  readonly commandDigest?: string;
  /** Who sends it, if not the actor. */
  readonly sentBy?: Actor;
  readonly using?: Using;
  readonly correlationId: string;
  readonly causationId: string;
  readonly recordedAt: Instant;
  /** Revisions that the sender has seen and allows (If-Match): at any other revision the command is refused. */
  readonly ifRevisions?: readonly number[];
}

/** What was done. `revision` is -1 if nothing was done to a stream that does not exist. */
export interface Executed<Events extends EventMap> {
  readonly revision: number;
  /** Position of the last event; absent if nothing was appended now. */
  readonly position?: Position;
  readonly events: readonly EventOf<Events>[];
  /** Whether this command had been done before: nothing was appended now. */
  readonly repeated: boolean;
}

/** The codes that any command may be refused with, in addition to its own. */
export type AnyRefusalCode = 'chain-broken' | 'forbidden' | 'idempotency-key-reused' | 'revision-mismatch';

/** What the sender may know and do. */
export interface Access<State> {
  /** Whether the sender may know of an aggregate in this state. A hidden one looks as if it did not exist. */
  sees(state: State): boolean;
  /** Why this may not be done to an aggregate in this state. */
  refuses(state: State): Refusal<'forbidden'> | undefined;
}

const EVERYTHING: Access<unknown> = { sees: () => true, refuses: () => undefined };

/** How a command is run. */
export interface ExecuteOptions<State, Given> {
  /** Default: the sender may do everything. */
  readonly access?: Access<State>;
  /** The command begins a stream, so the first attempt need not read it. */
  readonly opens?: boolean;
  /** Looks up what the command needs from outside its aggregate, for the state that it decides on. */
  readonly given?: (state: State, revision: number) => Promise<Given>;
}

/** Each round of a race for a stream has a winner, so this many can race without anyone giving up. */
const ATTEMPTS = 32;

/**
 * Runs a command on an aggregate: read, upcast, fold, decide, append at the exact revision. A stream with a broken chain of hashes accepts
 * no more events. A repeated command id returns what the command did the first time. On a conflict it reads and decides again, up to 32
 * times.
 *
 * A recently used stream is not read: the decision uses the cached state and is appended at its revision. If another process was faster,
 * the append fails and the newer events are read. Results that no append guards (a refusal, no change, a repeated command) are returned
 * only after reading them. Commands of this process on one stream take turns, except those that look something up: that may take long, and
 * nobody else waits for it.
 * @throws StoreUnavailable if the store is out of reach (repeating the command with its id is safe), StreamDeleted, RevisionConflict if
 * others were faster every time
 */
export function execute<Of extends Aggregate, Name extends keyof CommandsOf<Of>>(
  store: EventStore,
  aggregate: Of,
  id: string,
  name: Name,
  command: CommandsOf<Of>[Name],
  context: CommandContext,
  options: ExecuteOptions<StateOf<Of>, GivenOf<Of, Name>> = {},
): Promise<Executed<EventsOf<Of>> | Refusal<CodesOf<Of, Name> | AnyRefusalCode>> {
  const run = () => decideAndAppend(store, aggregate, id, name, command, context, options);
  return options.given === undefined ? foldedStreamsOf(store).inTurn(streamName(aggregate, id), run) : run();
}

async function decideAndAppend<Of extends Aggregate, Name extends keyof CommandsOf<Of>>(
  store: EventStore,
  aggregate: Of,
  id: string,
  name: Name,
  command: CommandsOf<Of>[Name],
  context: CommandContext,
  { access = EVERYTHING, opens = false, given }: ExecuteOptions<StateOf<Of>, GivenOf<Of, Name>>,
): Promise<Executed<EventsOf<Of>> | Refusal<CodesOf<Of, Name> | AnyRefusalCode>> {
  const stream = streamName(aggregate, id);
  const streams = foldedStreamsOf(store);
  const { actor, commandId, ifRevisions } = context;
  const definition = aggregate.commands[name] as Of['commands'][string];

  let known: Folded<StateOf<Of>> | undefined = opens ? empty(aggregate) : streams.get<StateOf<Of>>(aggregate, stream);
  /** The newest that was known or read: only what follows it has to be read. */
  let newest = known;
  if (known?.commandIds.has(commandId)) known = undefined;
  for (let conflicts = 0; ;) {
    let folded = known;
    if (folded === undefined) {
      const read = await readFolded(store, aggregate, stream, commandId, newest);
      newest = folded = read.folded;
      streams.put(aggregate, stream, folded);
      const [first] = read.done;
      // The original actor gets the result, even if they may no longer do it; nobody else does.
      const theirs = first?.metadata.actor.id === actor.id || access.refuses(folded.state) === undefined;
      if (first !== undefined && theirs && access.sees(folded.state)) {
        const { commandType, commandDigest } = first.metadata;
        if (commandType !== name || commandDigest !== context.commandDigest)
          return refuse('idempotency-key-reused', `The idempotency key was already used for another ${commandType} command`);
        const revision = read.done.at(-1)?.revision ?? -1;
        return { revision, events: read.done.map(({ type, data }) => ({ type, data }) as EventOf<EventsOf<Of>>), repeated: true };
      }
    }
    const hidden = folded.revision >= 0 && !access.sees(folded.state);
    const { state, revision, chain } = hidden ? empty(aggregate) : folded;
    if (isBroken(chain)) {
      if (known === undefined) return brokenChain(aggregate, chain);
      known = undefined;
      continue;
    }
    const matches = ifRevisions === undefined || ifRevisions.includes(revision);
    const decision =
      access.refuses(state) ??
      (matches
        ? definition.decide(command as object, state, { ...context, id }, await given?.(state, revision))
        : elsewhere(aggregate, revision));
    if (isRefusal(decision) || decision.length === 0) {
      if (known === undefined) {
        return isRefusal(decision) ? (decision as Refusal<CodesOf<Of, Name> | AnyRefusalCode>) : { revision, events: [], repeated: false };
      }
      // Another process may have changed the stream since.
      known = undefined;
      continue;
    }
    const after = decision.reduce((state, event) => evolve(aggregate, state, event, factsOf(event, context)), state);
    // It would begin where something hidden is, or would itself be hidden.
    if (hidden || !access.sees(after)) return refuse('forbidden', 'This requires access to that client');
    const client = aggregate.client(after);
    const events = decision.map((event, index) => newEvent(aggregate, event, index, name, client, after, context));
    try {
      const confirmedAt = performance.now();
      const appended = await appendChained(store, stream, chain, events);
      // What was personal in the events before is still in the state.
      if (events.some(({ type }) => type === PERSONAL_DATA_ERASED)) streams.forget(stream);
      else
        streams.put(aggregate, stream, {
          state: after,
          revision: appended.revision,
          chain: appended.chain,
          commandIds: folded.commandIds.add(commandId),
          weight: events.reduce((weight, { data }) => weight + weightOfEvent(data), folded.weight),
          confirmedAt,
        });
      const { position } = appended;
      return {
        revision: appended.revision,
        ...(position && { position }),
        events: decision.map(({ type, data }) => ({ type, data }) as EventOf<EventsOf<Of>>),
        repeated: false,
      };
    } catch (error) {
      streams.forget(stream);
      if (!(error instanceof RevisionConflict) || ++conflicts === ATTEMPTS) throw error;
      known = undefined;
    }
  }
}

function brokenChain({ noun }: Aggregate, { revision, reason }: BrokenChain): Refusal<'chain-broken'> {
  const what = { 'missing-events': 'events before it are missing', 'missing-hash': 'it has no hash', 'wrong-hash': 'its hash is wrong' }[
    reason
  ];
  return refuse('chain-broken', `The ${noun} is not as it was recorded: event ${revision} breaks the chain of hashes (${what})`);
}

function elsewhere({ noun }: Aggregate, revision: number): Refusal<'revision-mismatch'> {
  return revision < 0
    ? refuse('revision-mismatch', `There is no such ${noun} yet, at whatever revision`)
    : refuse('revision-mismatch', `The ${noun} is at revision ${revision}, not at one that was asked for`, undefined, { revision });
}

function empty<Of extends Aggregate>(aggregate: Of): Folded<StateOf<Of>> {
  return {
    state: aggregate.initial as StateOf<Of>,
    revision: -1,
    chain: NO_EVENTS,
    commandIds: new Set(),
    weight: WEIGHT_OF_STREAM,
    confirmedAt: 0,
  };
}

/**
 * Folds a stream, and finds the events of a command in it.
 * @param known cached state of the stream: only the events after it are read, unless it includes the command or no longer matches the stream
 */
async function readFolded<Of extends Aggregate>(
  store: EventStore,
  aggregate: Of,
  stream: string,
  commandId?: string,
  known?: Folded<StateOf<Of>>,
): Promise<{ readonly folded: Folded<StateOf<Of>>; readonly done: readonly RecordedEvent<EventsOf<Of>>[] }> {
  const confirmedAt = performance.now();
  const isSound = known !== undefined && known.revision >= 0 && !isBroken(known.chain) && known.chain.begun;
  const resumed = isSound && !known.commandIds.has(commandId ?? '') ? known : undefined;
  const start = resumed ?? empty(aggregate);
  const { commandIds } = start;
  let { state, revision, chain, weight } = start;
  const done: RecordedEvent<EventsOf<Of>>[] = [];
  // The last known event is read again: it shows that this is still the stream that is known.
  let goesOn = resumed === undefined;
  for await (const stored of store.readStream(stream, Math.max(start.revision, 0))) {
    if (!goesOn) {
      if (stored.revision !== start.revision || isBroken(chain) || stored.metadata.hash !== chain.hash) break;
      goesOn = true;
      continue;
    }
    if (!isBroken(chain)) chain = followChain(chain, stored);
    // What was personal in the known events is no longer there, or they are not those that this one follows.
    if (resumed !== undefined && (stored.type === PERSONAL_DATA_ERASED || isBroken(chain))) {
      goesOn = false;
      break;
    }
    const event = upcast(aggregate, stored);
    state = evolve(aggregate, state, event, event.metadata);
    revision = event.revision;
    commandIds.add(event.metadata.commandId);
    weight += weightOfEvent(event.data);
    if (event.metadata.commandId === commandId) done.push(event);
  }
  if (!goesOn) return readFolded(store, aggregate, stream, commandId);
  return { folded: { state, revision, chain, commandIds, weight, confirmedAt }, done };
}

/**
 * The current state of an aggregate in the log. `revision` is -1 if it has no events.
 * @param options.maxAgeMs how old the cached state may be, in milliseconds; this process always knows its own appends. Default 0: read the
 * log
 */
export async function readAggregate<Of extends Aggregate>(
  store: EventStore,
  aggregate: Of,
  id: string,
  { maxAgeMs = 0 }: { readonly maxAgeMs?: number } = {},
): Promise<{ readonly state: StateOf<Of>; readonly revision: number }> {
  const stream = streamName(aggregate, id);
  const streams = foldedStreamsOf(store);
  const known = maxAgeMs > 0 ? streams.get<StateOf<Of>>(aggregate, stream) : undefined;
  if (known !== undefined && performance.now() - known.confirmedAt <= maxAgeMs) return known;
  const { folded } = await readFolded(store, aggregate, stream);
  streams.put(aggregate, stream, folded);
  return folded;
}

function factsOf({ effectiveAt }: AnyEvent, context: CommandContext): CommandContext {
  return effectiveAt === undefined ? context : { ...context, effectiveAt };
}

function newEvent<Of extends Aggregate>(
  aggregate: Of,
  event: AnyEvent,
  index: number,
  commandType: string,
  client: string,
  state: StateOf<Of>,
  context: CommandContext,
): NewEvent {
  return {
    id: eventIdFor(context.commandId, index, context.commandDigest, context.recordedAt),
    type: event.type,
    data: event.data,
    metadata: {
      commandId: context.commandId,
      commandType,
      ...(context.commandDigest === undefined ? {} : { commandDigest: context.commandDigest }),
      correlationId: context.correlationId,
      causationId: context.causationId,
      actor: erasableActor(aggregate, context.actor),
      ...(context.sentBy === undefined ? {} : { sentBy: context.sentBy }),
      ...(context.using === undefined ? {} : { using: context.using }),
      client,
      effectiveAt: event.effectiveAt ?? context.effectiveAt,
      recordedAt: context.recordedAt,
      schemaVersion: schemaVersion(aggregate, event.type),
    },
    personal: personalFieldsOf(aggregate, event, state, context.actor),
  };
}
