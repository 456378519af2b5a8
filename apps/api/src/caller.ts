import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '#http';
import type { Key } from '#ticketing';
import type { Asker } from '#ticketing-app';

/** Who sent a request, and their credential if it is one of this product. */
export interface Known extends Asker {
  readonly credential?: Pick<Key, 'key' | 'form' | 'expiresAt'>;
  /** Id of the account that they are logged in to. */
  readonly account?: string;
  /** Aborts, with a problem as the reason, when they may no longer have what they asked for. A running answer is then cut off. */
  readonly ended: AbortSignal;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The sender; null if the route needs no authentication. */
    caller: Known | null;
  }
}

/** How to authenticate. */
export const HOW = 'This requires a key (Authorization: Bearer tierline_…) or a session (/login)';

/** Who sent a request. @throws Problem unauthenticated */
export function callerOf({ caller }: FastifyRequest): Known {
  if (caller !== null) return caller;
  throw unauthenticated(HOW);
}

export function unauthenticated(detail: string, headers: Readonly<Record<string, string>> = {}): Problem {
  return Problem.of('unauthenticated', detail, { headers: { 'WWW-Authenticate': 'Bearer realm="tierline"', ...headers } });
}

/** Aborts when nobody waits for the answer any more, or the caller may no longer have it. */
export function whenLeft({ ended }: Known, { raw }: FastifyReply): AbortSignal {
  const left = new AbortController();
  raw.once('close', () => left.abort());
  if (raw.destroyed) left.abort();
  return AbortSignal.any([left.signal, ended]);
}

/** The answer in that case. @throws Problem unauthenticated if the caller is still there but may not have it */
export function answerAborted({ ended }: Known): undefined {
  ended.throwIfAborted();
}

/** The sender of the request, as a parameter of a handler. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Known =>
  callerOf(context.switchToHttp().getRequest<FastifyRequest>()),
);
