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
  /** On whose behalf the principal sends it; the principal does it, unless said. */
  readonly onBehalfOf?: Actor;
  /** What it is done with, as an assistant says. */
  readonly using?: Using;
  readonly correlationId: string;
  /** What led to it: the command itself when a person or a service sent it, an event when a policy did. */
  readonly causationId: string;
  /** The revisions that the aggregate may be at; undefined when any will do. */
  readonly ifRevisions?: readonly number[];
  /** What is read besides the log, where somebody asks. */
  readonly models?: ReadModels;
  /** When nobody waits for what becomes of it any more: what takes long to look up is then given up. */
  readonly whenLeft?: () => AbortSignal;
  /** Where webhooks may go, where that is known; else it shows when something is sent. */
  readonly networks?: WebhookNetworks;
}

/** A command on its way to its aggregate. */
export interface SentCommand<Of extends Aggregate, Name extends keyof CommandsOf<Of>> {
  readonly aggregate: Of;
  /** Undefined for what begins an aggregate without a name, such as a ticket: its id then follows from the command's. */
  readonly id: string | undefined;
  readonly name: Name;
  readonly body: CommandsOf<Of>[Name];
  readonly context: SentContext;
}

/** The codes that any command may be refused with, whatever its own are. */
export const codesOfEveryCommand = [
  'chain-broken',
  'forbidden',
  'effective-in-the-future',
  'event-too-large',
  'idempotency-key-reused',
  'revision-mismatch',
] as const satisfies readonly (AnyRefusalCode | string)[];

/** What became of a command, and of which aggregate. */
export type CommandResult<Of extends Aggregate, Name extends keyof CommandsOf<Of> = keyof CommandsOf<Of>> =
  (Executed<EventsOf<Of>> & { readonly id: string }) | Refusal<CodesOf<Of, Name> | (typeof codesOfEveryCommand)[number]>;

/** A command of a policy or a timer, which is its own principal. */
export interface SystemCommand<Of extends Aggregate, Name extends keyof CommandsOf<Of>> extends Omit<SentCommand<Of, Name>, 'context'> {
  readonly context: Omit<SentContext, 'principal' | 'onBehalfOf'> & { readonly actor: Actor };
}

/** Runs a command that follows from events or from time, which no principal asks for. @throws as `runCommand` */
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
 * Runs a command. Every one passes here, whoever sends it: HTTP, policies, timers, the command line. What is to hold for all of them
 * (authorisation, tracing) belongs here.
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
          // If the command was sent before, appending to its stream shows it.
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

/** What a sender may do with a command; refused where it depends on no state. */
function accessOf(
  { aggregate, id, name, body }: { readonly aggregate: Aggregate; readonly id: string; readonly name: string; readonly body: object },
  { principal, onBehalfOf }: Access,
): CommandGrant | Forbidden {
  const actor = onBehalfOf ?? actorOf(principal);
  if (onBehalfOf !== undefined && principal.onBehalfOf !== true)
    return refuse('forbidden', 'This requires permission to act on behalf of others');
  // What policies and time bring about is theirs alone.
  if (principal.kind !== 'system' && isAutomatic({ actor })) return refuse('forbidden', `Only the system itself may act as ${actor.id}`);
  return commandGrant({ aggregate, name, principal, actor, id, body });
}

/**
 * Why somebody may not begin something. Whatever a command is made of is looked up after that: who may not send it is not told what there is.
 * @param body what access depends on of the command's body
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

/** When what a command tells of happened: now, unless it says so. Undefined when it says what is no instant. */
function effectiveAtOf(body: object, now: number) {
  return 'effectiveAt' in body && typeof body.effectiveAt === 'string' ? parseInstant(body.effectiveAt) : instantFrom(now);
}

/** Tells the contents of two commands apart, whatever the order of their fields. */
function digest(body: object): string {
  return createHash('sha256').update(canonicalJson(body)).digest('hex');
}
