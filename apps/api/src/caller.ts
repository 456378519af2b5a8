import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Problem } from '#http';
import type { Asker } from '#ticketing-app';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who sent it; null where nobody needs to say who they are. */
    caller: Asker | null;
  }
}

/** Who sent a request. @throws Problem unauthenticated */
export function callerOf({ caller }: FastifyRequest): Asker {
  if (caller !== null) return caller;
  throw unauthenticated('This takes a key: Authorization: Bearer tierline_…');
}

export function unauthenticated(detail: string): Problem {
  return Problem.of('unauthenticated', detail, { headers: { 'WWW-Authenticate': 'Bearer realm="tierline"' } });
}

/** Who sent the request, as a parameter of a handler. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Asker =>
  callerOf(context.switchToHttp().getRequest<FastifyRequest>()),
);
