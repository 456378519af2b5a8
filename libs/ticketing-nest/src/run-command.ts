import { createHash } from 'node:crypto';
import {
  type Actor,
  type Decider,
  epochMillis,
  type EventMap,
  type EventStore,
  evolve,
  execute,
  type Executed,
  instantFrom,
  isRefusal,
  parseInstant,
  refuse,
  type Refusal,
  streamName,
  upcast,
  type Upcasters,
} from '#eventsourcing';
import { withCorrelation } from '#platform';
import { canonicalJson, CLOCK_SKEW } from '#ticketing';

/** What the sender of a command adds to it. */
export interface SentContext {
  readonly commandId: string;
  /** Whether this very command may have been sent before. */
  readonly repeatable: boolean;
  readonly actor: Actor;
  readonly correlationId: string;
  /** What led to it: the command itself when a person or a service sent it, an event when a policy did. */
  readonly causationId: string;
  /** The revisions that the aggregate may be at; undefined when any will do. */
  readonly ifRevisions?: readonly number[];
}

/** An aggregate with what is needed to run its commands. */
export interface Aggregate<Commands extends object, Events extends EventMap, State> {
  readonly decider: Decider<Commands, Events, State>;
  readonly upcasters: Upcasters;
  /** What people call it, in messages. */
  readonly noun: string;
}

/**
 * The one place that every command passes through: HTTP, policies, timers and imports all end here.
 * @param opens the command begins the aggregate's stream
 */
export function runCommand<Commands extends object, Events extends EventMap, State, Name extends keyof Commands & string>(
  store: EventStore,
  { decider, upcasters, noun }: Aggregate<Commands, Events, State>,
  id: string,
  name: Name,
  body: Commands[Name] & object,
  context: SentContext,
  { opens = false }: { readonly opens?: boolean } = {},
): Promise<Executed<Events> | Refusal> {
  const { commandId, repeatable, actor, correlationId, causationId, ifRevisions } = context;
  return withCorrelation({ correlationId, causationId }, async () => {
    const now = Date.now();
    const effectiveAt = effectiveAtOf(body, now);
    if (effectiveAt === undefined || epochMillis(effectiveAt) > now + CLOCK_SKEW) {
      return refuse('effective-in-the-future', 'What has not happened yet cannot be recorded', [
        { field: 'effectiveAt', message: `must not be after ${instantFrom(now)}` },
      ]);
    }
    try {
      const result = await execute(
        store,
        decider,
        upcasters,
        id,
        name,
        body,
        {
          commandId,
          commandDigest: digest(body),
          actor,
          correlationId,
          causationId,
          effectiveAt,
          recordedAt: instantFrom(now),
          ...(ifRevisions === undefined ? {} : { ifRevisions }),
        },
        // Only a command that nobody can have sent before may skip the look at what is there.
        { opens: opens && !repeatable },
      );
      return isRefusal(result) && result.refused === 'revision-mismatch'
        ? { ...result, message: `The ${noun} is at another revision than the one that If-Match names` }
        : result;
    } catch (error) {
      if ((error as { type?: unknown } | null)?.type === 'maximum-append-size-exceeded') {
        return refuse(
          'event-too-large',
          `What this command would record, with what it takes over from the ${noun}, is larger than the store allows`,
        );
      }
      throw error;
    }
  });
}

/** When what a command tells of happened: now, unless it says so. Undefined when it says what is no instant. */
function effectiveAtOf(body: { readonly effectiveAt?: unknown }, now: number) {
  return typeof body.effectiveAt === 'string' ? parseInstant(body.effectiveAt) : instantFrom(now);
}

/** Tells the contents of two commands apart, whatever the order of their fields. */
function digest(body: object): string {
  return createHash('sha256').update(canonicalJson(body)).digest('hex');
}

/** An aggregate as the log has it now: whoever changed it is sure to see it. `revision` is -1 where it has no events. */
export async function readAggregate<Events extends EventMap, State>(
  store: EventStore,
  decider: Pick<Decider<object, Events, State>, 'category' | 'initial' | 'evolve'>,
  upcasters: Upcasters,
  id: string,
): Promise<{ readonly state: State; readonly revision: number }> {
  let state = decider.initial;
  let revision = -1;
  for await (const stored of store.readStream(streamName(decider.category, id))) {
    const event = upcast<Events>(upcasters, stored);
    state = evolve(decider, state, event, event.metadata);
    revision = event.revision;
  }
  return { state, revision };
}
