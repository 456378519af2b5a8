import { NO_EVENTS } from '#audit';
import { type Aggregate, streamName } from './aggregate.js';
import { appendChained } from './chained-append.js';
import { type EventStore, RevisionConflict, StreamDeleted } from './event-store.js';
import type { Actor, EventMap, RecordedEvent, StoredEvent } from './event.js';
import { deterministicId, eventIdFor } from './ids.js';
import type { Instant } from './instant.js';
import { isRefusal, refuse, type Refusal } from './refusal.js';
import { upcast } from './upcasting.js';

/** A command sent by a policy, with its target. */
export type Reaction<Commands extends object> = {
  [Name in keyof Commands & string]: {
    /** Category and id of the aggregate: its stream is `<category>-<id>`. */
    readonly category: string;
    readonly id: string;
    readonly name: Name;
    readonly body: Commands[Name];
  };
}[keyof Commands & string];

type OfType<Events extends EventMap, Type> = RecordedEvent<Events> & { readonly type: Type };

/**
 * What follows automatically from events: pure, so that the same event always gives the same commands. Nothing follows from imported facts:
 * what they called for was done, or not, in their source system.
 */
export interface Policy<Events extends EventMap, State, Commands extends object> {
  /** Its name in events, in its checkpoint and in the ids of its commands: changing it makes it another policy. */
  readonly name: string;
  /** The aggregates whose events it reacts to. */
  readonly aggregate: Pick<Aggregate<State>, 'category' | 'initial' | 'events'>;
  /** False for an event that never leads to anything, whatever the state, which then need not be read. Default: true. */
  readonly concerns?: (event: RecordedEvent<Events>) => boolean;
  /** The commands that follow from an event, in the order in which to send them. `state` is the aggregate right after the event. */
  readonly react: {
    readonly [Type in keyof Events & string]?: (event: OfType<Events, Type>, state: State) => readonly Reaction<Commands>[];
  };
  /** What follows when one of its commands is refused; default: nothing. The refusal is recorded in any case. */
  readonly refused?: (reaction: Reaction<Commands>, refusal: Refusal, event: RecordedEvent<Events>) => readonly Reaction<Commands>[];
}

/** Actor and cause of a policy's command. */
export interface ReactionContext {
  /** Derived from policy, event and index: the same at every attempt. */
  readonly commandId: string;
  readonly correlationId: string;
  /** Id of the triggering event. */
  readonly causationId: string;
  readonly actor: Actor;
}

/** Runs a command of a policy: returns its events, also if it was sent before, or the refusal. */
export type SendReaction<Commands extends object> = (
  reaction: Reaction<Commands>,
  context: ReactionContext,
) => Promise<{ readonly events: readonly unknown[] } | Refusal>;

/** Outcomes of a reaction. `quiet`: no change was needed. */
export const REACTION_OUTCOMES = ['done', 'quiet', 'refused'] as const;

/** Outcome of a reaction. */
export interface ReactionOutcome {
  readonly category: string;
  readonly id: string;
  readonly command: string;
  readonly commandId: string;
  readonly outcome: (typeof REACTION_OUTCOMES)[number];
  readonly refusal?: Refusal;
}

/** How a policy reacted to one event: the only event of its stream `reaction-<id of policy and event>`. */
export interface ReactionEvents {
  PolicyReacted: {
    readonly policy: string;
    readonly to: { readonly stream: string; readonly revision: number; readonly eventId: string; readonly type: string };
    readonly reactions: readonly ReactionOutcome[];
  };
}

/** Prefix of the streams with reactions of policies. */
export const REACTIONS = 'reaction';

/** The event in its current shape, if anything can follow from it; undefined otherwise. */
export function concerned<Events extends EventMap, State, Commands extends object>(
  { aggregate, react, concerns }: Policy<Events, State, Commands>,
  stored: StoredEvent,
): RecordedEvent<Events> | undefined {
  if (!Object.hasOwn(react, stored.type) || stored.metadata.imported !== undefined) return undefined;
  const event = upcast(aggregate, stored) as RecordedEvent<Events>;
  return concerns?.(event) === false ? undefined : event;
}

/**
 * Reacts to an event exactly once: sends its commands in order, and records the outcome of each. An event that was already handled is
 * skipped, so a repeat is safe, even from the start of the log.
 * @param state of the event's aggregate right after it
 * @returns the outcomes of its commands; undefined if there are none, or they were sent before
 * @throws StoreUnavailable, RevisionConflict: try again
 */
export async function reactTo<Events extends EventMap, State, Commands extends object>(
  store: EventStore,
  policy: Policy<Events, State, Commands>,
  event: RecordedEvent<Events>,
  state: State,
  send: SendReaction<Commands>,
  now: () => Instant,
): Promise<readonly ReactionOutcome[] | undefined> {
  const react = policy.react[event.type as keyof Events & string];
  const reactions = react?.(event as never, state) ?? [];
  if (reactions.length === 0) return undefined;

  const id = deterministicId('reaction', policy.name, event.id);
  const stream = streamName({ category: REACTIONS }, id);
  for await (const _ of store.readStream(stream)) return undefined;

  const actor: Actor = { id: `policy:${policy.name}`, kind: 'system' };
  const outcomes: ReactionOutcome[] = [];
  const run = async (reaction: Reaction<Commands>, ...place: readonly number[]): Promise<Refusal | undefined> => {
    const commandId = deterministicId('reaction-command', policy.name, event.id, ...place.map(String));
    const { correlationId } = event.metadata;
    const result = await send(reaction, { commandId, correlationId, causationId: event.id, actor }).catch((error: unknown) => {
      if (error instanceof StreamDeleted) return refuse('deleted', `${error.stream} was deleted for good`);
      throw error;
    });
    const { category, id, name: command } = reaction;
    const about = { category, id, command, commandId };
    outcomes.push(
      isRefusal(result)
        ? { ...about, outcome: 'refused', refusal: result }
        : { ...about, outcome: result.events.length === 0 ? 'quiet' : 'done' },
    );
    return isRefusal(result) ? result : undefined;
  };
  for (const [place, reaction] of reactions.entries()) {
    const refusal = await run(reaction, place);
    const consequences = refusal === undefined ? [] : (policy.refused?.(reaction, refusal, event) ?? []);
    for (const [next, consequence] of consequences.entries()) await run(consequence, place, next);
  }
  await record(store, stream, id, policy.name, event, actor, outcomes, now());
  return outcomes;
}

async function record(
  store: EventStore,
  stream: string,
  commandId: string,
  policy: string,
  { stream: source, revision, id: eventId, type, metadata }: Omit<StoredEvent, 'data'>,
  actor: Actor,
  reactions: readonly ReactionOutcome[],
  recordedAt: Instant,
): Promise<void> {
  const data: ReactionEvents['PolicyReacted'] = { policy, to: { stream: source, revision, eventId, type }, reactions };
  const { correlationId, client } = metadata;
  try {
    await appendChained(store, stream, NO_EVENTS, [
      {
        id: eventIdFor(commandId, 0),
        type: 'PolicyReacted',
        data,
        metadata: {
          commandId,
          commandType: 'React',
          correlationId,
          causationId: eventId,
          actor,
          client,
          effectiveAt: recordedAt,
          recordedAt,
          schemaVersion: 1,
        },
      },
    ]);
  } catch (error) {
    // Another worker was as fast: its commands had the same ids.
    if (!(error instanceof RevisionConflict)) throw error;
  }
}
