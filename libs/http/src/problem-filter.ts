import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { OtherLog, QueryTooLong, RevisionConflict, StoreUnavailable, StreamDeleted } from '#eventsourcing';
import type { JsonLog } from '#platform';
import { Problem, PROBLEM_JSON, type HttpProblemCode } from './problem.js';

/** The problem for each status with which the HTTP server itself ends a request. */
const byStatus: Readonly<Record<number, HttpProblemCode>> = {
  400: 'malformed-request',
  404: 'not-found',
  408: 'request-timeout',
  413: 'body-too-large',
  414: 'uri-too-long',
  415: 'unsupported-media-type',
  417: 'expectation-failed',
  431: 'headers-too-large',
};

/** Turns whatever ends a request into problem details, and logs internal faults. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  /** @param methodsAt the methods of a URL, for 405 */
  constructor(
    private readonly log: JsonLog,
    private readonly methodsAt: (path: string) => readonly string[],
  ) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const problem = this.problemOf(exception, request);
    if (problem.kind.status >= 500 || problem.code === 'request-aborted') this.#report(problem, exception, request);
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    sendProblem(problem, request, reply);
  }

  problemOf(exception: unknown, request: FastifyRequest): Problem {
    // Incomplete requests are not a fault of the server.
    if (isAborted(request))
      return Problem.of('request-aborted', 'The connection closed before the body was complete', { cause: exception });
    const known = problemOfStores(exception, !['GET', 'HEAD'].includes(request.method));
    if (known !== undefined) return known;
    const status = exception instanceof HttpException ? exception.getStatus() : (exception as { statusCode?: unknown } | null)?.statusCode;
    if (status === 404) {
      const methods = this.methodsAt(instanceOf(request.url));
      if (methods.length > 0) {
        return Problem.of('method-not-allowed', `${request.method} is not allowed here. Allowed: ${methods.join(', ')}`, {
          headers: { Allow: methods.join(', ') },
        });
      }
      return Problem.of('not-found', 'There is nothing at this address');
    }
    const cause = exception instanceof HttpException ? exception.cause : exception;
    if (status === 400 && (cause instanceof SyntaxError || /JSON/.test((cause as { code?: string } | undefined)?.code ?? ''))) {
      return Problem.of('malformed-json', cause instanceof Error ? cause.message : 'The body is not JSON', { cause });
    }
    const code = typeof status === 'number' ? byStatus[status] : undefined;
    if (code === 'unsupported-media-type')
      return Problem.of(code, 'The body must be JSON, and Content-Type must say so: application/json', { cause });
    if (code !== undefined) return Problem.of(code, cause instanceof Error ? cause.message : 'The request was refused', { cause });
    return Problem.of('internal-error', 'An internal error occurred. The correlation id leads to it in the log', { cause: exception });
  }

  #report(problem: Problem, exception: unknown, request: FastifyRequest): void {
    const fields = {
      address: request.ip,
      method: request.method,
      url: loggedUrl(request.url),
      status: problem.kind.status,
      code: problem.code,
    };
    // A lagging view is part of the protocol; an unavailable store needs no stack trace; anything else is an internal fault.
    if (problem.code === 'not-yet-visible' || problem.code === 'request-aborted') this.log.debug(fields, problem.message);
    else if (problem.code === 'internal-error') this.log.error({ ...fields, err: exception }, problem.message);
    else this.log.warn({ ...fields, cause: problem.cause instanceof Error ? problem.cause.message : undefined }, problem.message);
  }
}

/** Whether a sender hung up before the request was complete. */
function isAborted({ raw }: FastifyRequest): boolean {
  return raw.destroyed && !raw.complete;
}

/**
 * The problem for an error of the stores, or the error itself if it is one.
 * @param mayBeDone whether something may have been done before it
 */
export function problemOfStores(exception: unknown, mayBeDone = true): Problem | undefined {
  if (exception instanceof Problem) return exception;
  if (exception instanceof StoreUnavailable) {
    return Problem.of(
      'store-unavailable',
      mayBeDone
        ? 'A store is unreachable. Whether the command was done is unknown; repeating it with the same Idempotency-Key is safe'
        : 'A store is unreachable. Nothing was done: try again',
      {
        headers: { 'Retry-After': '2' },
        cause: exception,
      },
    );
  }
  if (exception instanceof QueryTooLong)
    return Problem.of('query-too-long', 'The query took too long. Narrow it down, or try again when there is less load', {
      headers: { 'Retry-After': '30' },
      cause: exception,
    });
  if (exception instanceof OtherLog)
    return Problem.of('other-log', exception.message, { headers: { 'Retry-After': '30' }, cause: exception });
  if (exception instanceof RevisionConflict) {
    return Problem.of('contended', 'Concurrent changes won every attempt. Nothing was done: try again', {
      headers: { 'Retry-After': '1' },
      cause: exception,
    });
  }
  if (exception instanceof StreamDeleted) return Problem.of('deleted', 'It was permanently deleted', { cause: exception });
  return undefined;
}

/** Sends problem details, even before Nest handles the request. */
export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  void reply
    .code(problem.kind.status)
    .headers({ ...problem.headers, 'Cache-Control': 'no-store' })
    .type(PROBLEM_JSON)
    .serializer((details: unknown) => JSON.stringify(details))
    .send(problem.details(instanceOf(request.url), request.correlationId));
}

/** A request's target for the log: without words searched for, which may be someone's name. */
export function loggedUrl(target: string): string {
  return target.replace(/([?&]q=)[^&#]*/g, '$1[personal]');
}

/** The path of a request's target as a URI reference, whatever bytes were sent. */
export function instanceOf(target: string): string {
  const path = target.split(/[?#]/, 1)[0] ?? '/';
  // Node reads a request's target as Latin-1, so each character is one of the bytes sent.
  return path
    .slice(0, 500)
    .replace(/[^\x21-\x7e]|["<>\\^`{|}]/g, (char) => `%${(char.charCodeAt(0) & 0xff).toString(16).padStart(2, '0').toUpperCase()}`);
}
