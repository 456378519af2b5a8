import type { FastifyReply, FastifyRequest } from 'fastify';
import { type EventMap, type Executed, formatPosition } from '#eventsourcing';
import { entityTag, readCommandHeaders } from '#http';
import type { SentContext } from '#ticketing-app';
import { callerOf } from './caller.js';

/** The answer of a command, besides the field with the id of its aggregate. */
export interface CommandAnswer {
  /** Revision of the aggregate after it: also the ETag. */
  readonly revision: number;
  /** Position of its last event; absent if nothing was appended now. */
  readonly position?: string;
  /** Whether this very command had been done before. */
  readonly repeated: boolean;
  /** Its events, also if it was done before; empty if no change was needed. */
  readonly events: readonly { readonly type: string; readonly data: unknown }[];
}

type Done = Omit<Executed<EventMap>, 'events'> & Pick<CommandAnswer, 'events'>;

/**
 * What the headers of a request add to its command.
 * @param scope in which the idempotency key is unique: elsewhere the same key is another command
 * @throws Problem invalid-header
 */
export function sentWith(request: FastifyRequest, scope: string): SentContext {
  const sent = readCommandHeaders(request.headers, scope);
  const { principal } = callerOf(request);
  return { ...sent, principal, correlationId: request.correlationId, causationId: sent.commandId };
}

/** The answer of a successful command. */
export function answerOf<Id extends object>(id: Id, { revision, position, repeated, events }: Done): Id & CommandAnswer {
  return { ...id, revision, ...(position === undefined ? {} : { position: formatPosition(position) }), repeated, events };
}

/** The same, with the revision as ETag. */
export function answerWithTag<Id extends object>(reply: FastifyReply, id: Id, done: Done): Id & CommandAnswer {
  void reply.header('ETag', entityTag(done.revision));
  return answerOf(id, done);
}

/** A state read from the log, with its revision as ETag. */
export function taggedState<State>(reply: FastifyReply, { state, revision }: { readonly state: State; readonly revision: number }): State {
  void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
  return state;
}
