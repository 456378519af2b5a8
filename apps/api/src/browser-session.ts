import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '#http';
import { type LoggedIn, SESSION_LASTS_MS } from '#ticketing-app';

const COOKIE = 'tierline_session';

/** What a page sends along with what it changes: a form of another site cannot, and its script is not allowed to. */
export const CSRF_HEADER = 'X-CSRF-Protection';

/** The token in the cookie of a session; undefined where there is none. */
export function sessionTokenIn({ headers: { cookie = '' } }: Pick<FastifyRequest, 'headers'>): string | undefined {
  for (const pair of cookie.split(';')) {
    const [name, value = ''] = pair.trim().split('=', 2);
    if (name === COOKIE) return value;
  }
  return undefined;
}

/** Sets the cookie. Lax, not Strict: who comes back from their identity provider, or by a link in a mail, is still logged in. */
export function keepSession(request: FastifyRequest, reply: FastifyReply, { token }: Pick<LoggedIn, 'token'>): void {
  void reply.header('Set-Cookie', `${COOKIE}=${token}; Max-Age=${SESSION_LASTS_MS / 1_000}; ${attributes(request)}`);
}

/** A `Set-Cookie` that takes the cookie away. */
export function noSession(request: FastifyRequest): string {
  return `${COOKIE}=; Max-Age=0; ${attributes(request)}`;
}

function attributes({ protocol }: FastifyRequest): string {
  return `Path=/; HttpOnly; SameSite=Lax${protocol === 'https' ? '; Secure' : ''}`;
}

/**
 * A browser sends the cookie whoever made it ask. What changes something must come from a page of ours: from this very origin, and with a
 * header that no form can set.
 * @throws Problem forbidden
 */
export function refuseForged({ method, headers, protocol }: FastifyRequest): void {
  if (method === 'GET' || method === 'HEAD') return;
  refuseCrossOrigin({ headers, protocol });
  if (headers[CSRF_HEADER.toLowerCase()] === undefined)
    throw Problem.of('forbidden', `With the cookie of a session, changes take the header ${CSRF_HEADER}: 1`);
}

/** @throws Problem forbidden for what a page of another origin sends */
export function refuseCrossOrigin({ headers, protocol }: Pick<FastifyRequest, 'headers' | 'protocol'>): void {
  const { 'sec-fetch-site': site = 'same-origin', origin, host = '' } = headers;
  if (
    (site !== 'same-origin' && site !== 'none') ||
    (origin !== undefined && origin.toLowerCase() !== `${protocol}://${host}`.toLowerCase())
  )
    throw Problem.of('forbidden', 'A page of another origin asks for this');
}
