import { createHash } from 'node:crypto';
import {
  type Actor,
  type Aggregate,
  type CommandsOf,
  epochMillis,
  type EventsOf,
  type EventStore,
  execute,
  type Executed,
  type ExecuteOptions,
  type GivenOf,
  instantFrom,
  parseInstant,
  refuse,
  type Refusal,
  type StateOf,
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

/**
 * The one place that every command passes through: HTTP, policies, timers and imports all end here.
 * @param options.opens the command begins the aggregate's stream
 */
export function runCommand<Of extends Aggregate, Name extends keyof CommandsOf<Of>>(
  store: EventStore,
  aggregate: Of,
  id: string,
  name: Name,
  body: CommandsOf<Of>[Name] & object,
  context: SentContext,
  { opens = false, ...options }: ExecuteOptions<StateOf<Of>, GivenOf<Of, Name>> = {},
): Promise<Executed<EventsOf<Of>> | Refusal> {
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
        aggregate,
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
        { ...options, opens: opens && !repeatable },
      );
      return result;
    } catch (error) {
      if ((error as { type?: unknown } | null)?.type === 'maximum-append-size-exceeded') {
        return refuse(
          'event-too-large',
          `What this command would record, with what it takes over from the ${aggregate.noun}, is larger than the store allows`,
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
