import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '#http';
import type { Key } from '#ticketing';
import type { Asker } from '#ticketing-app';

/** Who sent a request, and what they proved it with where that is a credential of ours. */
export interface Known extends Asker {
  readonly credential?: Pick<Key, 'key' | 'form' | 'expiresAt'>;
  /** Id of the account that they have logged in to. */
  readonly account?: string;
  /** Aborts, with a problem for reason, when they may not have any longer what they ask for. An answer that has begun is then cut off. */
  readonly ended: AbortSignal;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who sent it; null where nobody needs to say who they are. */
    caller: Known | null;
  }
}

/** How to be known. */
export const HOW = 'This requires a key (Authorization: Bearer tierline_…) or a session (/login)';

/** Who sent a request. @throws Problem unauthenticated */
export function callerOf({ caller }: FastifyRequest): Known {
  if (caller !== null) return caller;
  throw unauthenticated(HOW);
}

export function unauthenticated(detail: string, headers: Readonly<Record<string, string>> = {}): Problem {
  return Problem.of('unauthenticated', detail, { headers: { 'WWW-Authenticate': 'Bearer realm="tierline"', ...headers } });
}

/** Aborts when nobody waits for an answer any more, or whoever asked may not have it any longer. */
export function whenLeft({ ended }: Known, { raw }: FastifyReply): AbortSignal {
  const left = new AbortController();
  raw.once('close', () => left.abort());
  if (raw.destroyed) left.abort();
  return AbortSignal.any([left.signal, ended]);
}

/** What is answered then. @throws Problem unauthenticated where somebody is there who may not have it */
export function answerAborted({ ended }: Known): undefined {
  ended.throwIfAborted();
}

/** Who sent the request, as a parameter of a handler. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Known =>
  callerOf(context.switchToHttp().getRequest<FastifyRequest>()),
);
