import { type Decider, type DecisionContext, evolve, streamName } from './decider.js';
import { type Appended, type EventStore, RevisionConflict } from './event-store.js';
import type { EventMap, EventOf, NewEvent, Position } from './event.js';
import { eventIdFor } from './ids.js';
import type { Instant } from './instant.js';
import { isRefusal, refuse, type Refusal } from './refusal.js';
import { schemaVersion, upcast, type Upcasters } from './upcasting.js';

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

/** In each round of a race for one stream somebody wins, so this many can race without anybody giving up. */
const ATTEMPTS = 32;

/**
 * Runs a command against an aggregate: read, upcast, fold, decide, append at the exact revision.
 * A command id that the stream already holds is answered with what it did then. On a conflict it reads and decides again, up to 32 times.
 * @param opens the command begins a stream, so the first attempt need not read one
 * @throws StoreUnavailable when the store is out of reach (repeating the command with its id is safe), StreamDeleted, RevisionConflict when others were faster every time
 */
export async function execute<Commands extends object, Events extends EventMap, State, Name extends keyof Commands & string>(
  store: EventStore,
  decider: Decider<Commands, Events, State>,
  upcasters: Upcasters,
  id: string,
  name: Name,
  command: Commands[Name],
  context: CommandContext,
  { opens = false }: { readonly opens?: boolean } = {},
): Promise<Executed<Events> | Refusal> {
  const stream = streamName(decider.category, id);
  for (let attempt = 1; ; attempt++) {
    try {
      let state = decider.initial;
      let revision = -1;
      let doneAt = -1;
      const done: EventOf<Events>[] = [];
      if (!opens || attempt > 1) {
        for await (const stored of store.readStream(stream)) {
          const event = upcast<Events>(upcasters, stored);
          state = evolve(decider, state, event, event.metadata);
          revision = event.revision;
          if (event.metadata.commandId !== context.commandId) continue;
          if (event.metadata.commandType !== name || event.metadata.commandDigest !== context.commandDigest) {
            return refuse(
              'idempotency-key-reused',
              `The idempotency key was already used for another ${event.metadata.commandType} command`,
            );
          }
          doneAt = revision;
          done.push({ type: event.type, data: event.data } as EventOf<Events>);
        }
      }
      if (doneAt >= 0) return { revision: doneAt, events: done, repeated: true };
      if (context.ifRevisions !== undefined && !context.ifRevisions.includes(revision)) {
        return refuse('revision-mismatch', `${stream} is at revision ${revision}, not ${context.ifRevisions.join(' or ')}`);
      }
      const decision = decider.decide[name](command, state, { ...context, id });
      if (isRefusal(decision)) return decision;
      if (decision.length === 0) return { revision, events: [], repeated: false };
      const client = decider.client(decision.reduce((folded, event) => evolve(decider, folded, event, factsOf(event, context)), state));
      const events = decision.map((event, index) => newEvent(upcasters, event, index, name, client, context));
      const appended: Appended = await store.append(stream, revision < 0 ? 'no-stream' : revision, events);
      return { ...appended, events: decision.map(({ type, data }) => ({ type, data }) as EventOf<Events>), repeated: false };
    } catch (error) {
      if (!(error instanceof RevisionConflict) || attempt === ATTEMPTS) throw error;
    }
  }
}

function factsOf({ effectiveAt }: { readonly effectiveAt?: Instant }, context: CommandContext): CommandContext {
  return effectiveAt === undefined ? context : { ...context, effectiveAt };
}

function newEvent(
  upcasters: Upcasters,
  event: { readonly type: string; readonly data: unknown; readonly effectiveAt?: Instant },
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
      schemaVersion: schemaVersion(upcasters, event.type),
    },
  };
}
