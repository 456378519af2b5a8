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
import { type Appended, type EventStore, RevisionConflict } from './event-store.js';
import type { EventMap, EventOf, NewEvent, Position } from './event.js';
import { eventIdFor } from './ids.js';
import type { Instant } from './instant.js';
import { isRefusal, refuse, type Refusal } from './refusal.js';
import { schemaVersion, upcast } from './upcasting.js';

/** All that surrounds a command. */
export interface CommandContext extends DecisionContext {
  readonly commandDigest?: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly recordedAt: Instant;
  /** Revisions that the sender has seen and allows (If-Match): when the stream is at another one, the command is refused. */
  readonly ifRevisions?: readonly number[];
}

/** What was done. `revision` is -1 when nothing was done to a stream that does not exist. */
export interface Executed<Events extends EventMap> {
  readonly revision: number;
  /** Where the last event is in the log; absent when nothing was appended now. */
  readonly position?: Position;
  readonly events: readonly EventOf<Events>[];
  /** True when this command had been done before: nothing was appended now. */
  readonly repeated: boolean;
}

/** The codes that any command may be refused with, whatever its own are. */
export type AnyRefusalCode = 'idempotency-key-reused' | 'revision-mismatch';

/** How a command is run. */
export interface ExecuteOptions<State, Given> {
  /** The command begins a stream, so the first attempt need not read one. */
  readonly opens?: boolean;
  /** Looks up what the command needs from outside its aggregate, for the state that it decides on. */
  readonly given?: (state: State, revision: number) => Promise<Given>;
}

/** In each round of a race for one stream somebody wins, so this many can race without anybody giving up. */
const ATTEMPTS = 32;

/**
 * Runs a command against an aggregate: read, upcast, fold, decide, append at the exact revision.
 * A command id that the stream already holds is answered with what it did then. On a conflict it reads and decides again, up to 32 times.
 * @throws StoreUnavailable when the store is out of reach (repeating the command with its id is safe), StreamDeleted, RevisionConflict when others were faster every time
 */
export async function execute<Of extends Aggregate, Name extends keyof CommandsOf<Of>>(
  store: EventStore,
  aggregate: Of,
  id: string,
  name: Name,
  command: CommandsOf<Of>[Name],
  context: CommandContext,
  { opens = false, given }: ExecuteOptions<StateOf<Of>, GivenOf<Of, Name>> = {},
): Promise<Executed<EventsOf<Of>> | Refusal<CodesOf<Of, Name> | AnyRefusalCode>> {
  const stream = streamName(aggregate, id);
  for (let attempt = 1; ; attempt++) {
    try {
      let state = aggregate.initial as StateOf<Of>;
      let revision = -1;
      let doneAt = -1;
      const done: EventOf<EventsOf<Of>>[] = [];
      if (!opens || attempt > 1) {
        for await (const stored of store.readStream(stream)) {
          const event = upcast(aggregate, stored);
          state = evolve(aggregate, state, event, event.metadata);
          revision = event.revision;
          if (event.metadata.commandId !== context.commandId) continue;
          if (event.metadata.commandType !== name || event.metadata.commandDigest !== context.commandDigest) {
            return refuse(
              'idempotency-key-reused',
              `The idempotency key was already used for another ${event.metadata.commandType} command`,
            );
          }
          doneAt = revision;
          done.push({ type: event.type, data: event.data } as EventOf<EventsOf<Of>>);
        }
      }
      if (doneAt >= 0) return { revision: doneAt, events: done, repeated: true };
      if (context.ifRevisions !== undefined && !context.ifRevisions.includes(revision)) {
        return revision < 0
          ? refuse('revision-mismatch', `There is no such ${aggregate.noun} yet, at whatever revision`)
          : refuse('revision-mismatch', `The ${aggregate.noun} is at revision ${revision}, not at one that was asked for`, undefined, {
              revision,
            });
      }
      const definition = aggregate.commands[name] as Of['commands'][string];
      const decision = definition.decide(command as object, state, { ...context, id }, await given?.(state, revision));
      if (isRefusal(decision)) return decision as Refusal<CodesOf<Of, Name>>;
      if (decision.length === 0) return { revision, events: [], repeated: false };
      const decided = decision.map(({ type, data }) => ({ type, data }) as EventOf<EventsOf<Of>>);
      const after = decision.reduce((folded, event) => evolve(aggregate, folded, event, factsOf(event, context)), state);
      const client = aggregate.client(after);
      const events = decision.map((event, index) => newEvent(aggregate, event, index, name, client, context));
      const appended: Appended = await store.append(stream, revision < 0 ? 'no-stream' : revision, events);
      return { ...appended, events: decided, repeated: false };
    } catch (error) {
      if (!(error instanceof RevisionConflict) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** An aggregate as the log has it now. `revision` is -1 where it has no events. */
export async function readAggregate<Of extends Aggregate>(
  store: EventStore,
  aggregate: Of,
  id: string,
): Promise<{ readonly state: StateOf<Of>; readonly revision: number }> {
  let state = aggregate.initial as StateOf<Of>;
  let revision = -1;
  for await (const stored of store.readStream(streamName(aggregate, id))) {
    const event = upcast(aggregate, stored);
    state = evolve(aggregate, state, event, event.metadata);
    revision = event.revision;
  }
  return { state, revision };
}

function factsOf({ effectiveAt }: AnyEvent, context: CommandContext): CommandContext {
  return effectiveAt === undefined ? context : { ...context, effectiveAt };
}

function newEvent(
  aggregate: Aggregate,
  event: AnyEvent,
  index: number,
  commandType: string,
  client: string,
  context: CommandContext,
): NewEvent {
  return {
    id: eventIdFor(context.commandId, index, context.commandDigest),
    type: event.type,
    data: event.data,
    metadata: {
      commandId: context.commandId,
      commandType,
      ...(context.commandDigest === undefined ? {} : { commandDigest: context.commandDigest }),
      correlationId: context.correlationId,
      causationId: context.causationId,
      actor: context.actor,
      client,
      effectiveAt: event.effectiveAt ?? context.effectiveAt,
      recordedAt: context.recordedAt,
      schemaVersion: schemaVersion(aggregate, event.type),
    },
  };
}
