import { createHash } from 'node:crypto';
import {
  type Actor,
  type Aggregate,
  type AnyRefusalCode,
  type CodesOf,
  type CommandsOf,
  deterministicId,
  epochMillis,
  type EventsOf,
  type EventStore,
  execute,
  type Executed,
  type GivenOf,
  instantFrom,
  isRefusal,
  parseInstant,
  refuse,
  type Refusal,
  type StateOf,
  type Using,
} from '#eventsourcing';
import { withCorrelation } from '#platform';
import {
  actorOf,
  canonicalJson,
  CLOCK_SKEW,
  commandGrant,
  type CommandGrant,
  type Forbidden,
  isAutomatic,
  type Principal,
  systemPrincipal,
} from '#ticketing';
import { lookUp, type WebhookNetworks } from './needs.js';
import type { ReadModels } from './read-models.js';

/** What the sender of a command adds to it. */
export interface SentContext {
  readonly commandId: string;
  readonly principal: Principal;
  /** On whose behalf the principal sends it; default: its own. */
  readonly onBehalfOf?: Actor;
  /** The tools used, as reported by an assistant. */
  readonly using?: Using;
  readonly correlationId: string;
  /** Its cause: the command itself if a person or service sent it, an event if a policy did. */
  readonly causationId: string;
  /** Revisions at which the command is accepted; undefined: any. */
  readonly ifRevisions?: readonly number[];
  /** Read besides the log, if the sender has them. */
  readonly models?: ReadModels;
  /** Aborts when nobody waits for the result any more: long look-ups are then given up. */
  readonly whenLeft?: () => AbortSignal;
  /** Where webhooks may go, if known; otherwise this is checked when sending. */
  readonly networks?: WebhookNetworks;
}

/** A command on its way to its aggregate. */
export interface SentCommand<Of extends Aggregate, Name extends keyof CommandsOf<Of>> {
  readonly aggregate: Of;
  /** Undefined for a command that creates an aggregate without a name, such as a ticket: its id is then derived from the command's. */
  readonly id: string | undefined;
  readonly name: Name;
  readonly body: CommandsOf<Of>[Name];
  readonly context: SentContext;
}

/** The codes that any command may be refused with, in addition to its own. */
export const codesOfEveryCommand = [
  'chain-broken',
  'forbidden',
  'effective-in-the-future',
  'event-too-large',
  'idempotency-key-reused',
  'revision-mismatch',
] as const satisfies readonly (AnyRefusalCode | string)[];

/** Result of a command, and the id of its aggregate. */
export type CommandResult<Of extends Aggregate, Name extends keyof CommandsOf<Of> = keyof CommandsOf<Of>> =
  (Executed<EventsOf<Of>> & { readonly id: string }) | Refusal<CodesOf<Of, Name> | (typeof codesOfEveryCommand)[number]>;

/** A command of a policy or timer, which is its own principal. */
export interface SystemCommand<Of extends Aggregate, Name extends keyof CommandsOf<Of>> extends Omit<SentCommand<Of, Name>, 'context'> {
  readonly context: Omit<SentContext, 'principal' | 'onBehalfOf'> & { readonly actor: Actor };
}

/** Runs a command that follows from events or time, without a principal. @throws as `runCommand` */
export function runSystemCommand<Of extends Aggregate, Name extends keyof CommandsOf<Of>>(
  store: EventStore,
  { context: { actor, ...context }, ...command }: SystemCommand<Of, Name>,
): Promise<CommandResult<Of, Name>> {
  const principal = systemPrincipal(actor);
  return runCommand(store, {
    ...command,
    context: { ...context, principal, ...(actor.kind === 'system' ? {} : { onBehalfOf: actor }) },
  });
}

/**
 * Runs a command. All commands pass through here, whoever sends them: HTTP, policies, timers, the command line. What must apply to all of
 * them (authorisation, tracing) belongs here.
 * @throws StoreUnavailable, StreamDeleted, RevisionConflict: see `execute`
 */
export function runCommand<Of extends Aggregate, Name extends keyof CommandsOf<Of>>(
  store: EventStore,
  { aggregate, id: given, name, body, context }: SentCommand<Of, Name>,
): Promise<CommandResult<Of, Name>> {
  const { commandId, principal, onBehalfOf, using, correlationId, causationId, ifRevisions, models, whenLeft, networks } = context;
  const actor = onBehalfOf ?? actorOf(principal);
  const id = given ?? deterministicId(aggregate.category, commandId);
  return withCorrelation({ correlationId, causationId }, async () => {
    const access = accessOf({ aggregate, id, name, body: body as object }, context);
    if (isRefusal(access)) return access;
    const now = Date.now();
    const effectiveAt = effectiveAtOf(body, now);
    if (effectiveAt === undefined || epochMillis(effectiveAt) > now + CLOCK_SKEW) {
      return refuse('effective-in-the-future', 'What has not happened yet cannot be recorded', [
        { field: 'effectiveAt', message: `must not be after ${instantFrom(now)}` },
      ]);
    }
    const { needs } = aggregate.commands[name] as Of['commands'][string];
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
          ...(onBehalfOf === undefined || principal.kind === 'system' ? {} : { sentBy: actorOf(principal) }),
          ...(using === undefined ? {} : { using }),
          correlationId,
          causationId,
          effectiveAt,
          recordedAt: instantFrom(now),
          ...(ifRevisions === undefined ? {} : { ifRevisions }),
        },
        {
          access,
          // If the command was sent before, appending to its stream reveals it.
          opens: given === undefined,
          ...(needs === undefined
            ? {}
            : {
                given: (state: StateOf<Of>, revision: number) =>
                  lookUp(needs, store, {
                    id,
                    body: body as object,
                    state,
                    revision,
                    effectiveAt,
                    actor,
                    principal,
                    models,
                    whenLeft,
                    networks,
                  }) as Promise<GivenOf<Of, Name>>,
              }),
        },
      );
      return isRefusal(result) ? result : { ...result, id };
    } catch (error) {
      if ((error as { type?: unknown } | null)?.type !== 'maximum-append-size-exceeded') throw error;
      return refuse(
        'event-too-large',
        `What this command would record, including what it copies from the ${aggregate.noun}, is larger than the store allows`,
      );
    }
  });
}

type Access = Pick<SentContext, 'principal' | 'onBehalfOf'>;

/** What a sender may do with a command; refused if no state could allow it. */
function accessOf(
  { aggregate, id, name, body }: { readonly aggregate: Aggregate; readonly id: string; readonly name: string; readonly body: object },
  { principal, onBehalfOf }: Access,
): CommandGrant | Forbidden {
  const actor = onBehalfOf ?? actorOf(principal);
  if (onBehalfOf !== undefined && principal.onBehalfOf !== true)
    return refuse('forbidden', 'This requires permission to act on behalf of others');
  // Only the system records what policies and time bring about.
  if (principal.kind !== 'system' && isAutomatic({ actor })) return refuse('forbidden', `Only the system itself may act as ${actor.id}`);
  return commandGrant({ aggregate, name, principal, actor, id, body });
}

/**
 * Why someone may not begin something. Checked before anything is looked up for the command, so that a sender without permission learns
 * nothing.
 * @param body the part of the command's body that access depends on
 */
export function unlessMayBegin<Of extends Aggregate, Name extends keyof CommandsOf<Of> & string>(
  aggregate: Of,
  name: Name,
  body: Partial<CommandsOf<Of>[Name]>,
  context: Access,
): Forbidden | undefined {
  const access = accessOf({ aggregate, id: '', name, body }, context);
  return isRefusal(access) ? access : access.refuses(aggregate.initial);
}

/** When the reported fact happened: now by default. Undefined if the given value is not an instant. */
function effectiveAtOf(body: object, now: number) {
  return 'effectiveAt' in body && typeof body.effectiveAt === 'string' ? parseInstant(body.effectiveAt) : instantFrom(now);
}

/** Distinguishes the contents of two commands, whatever the order of their fields. */
function digest(body: object): string {
  return createHash('sha256').update(canonicalJson(body)).digest('hex');
}
