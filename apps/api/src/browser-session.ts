import type { FastifyReply, FastifyRequest } from 'fastify';
import { isForeign, Problem } from '#http';
import { type LoggedIn, SESSION_LASTS_MS } from '#ticketing-app';

const COOKIE = 'tierline_session';
const SESSION_LASTS_S = SESSION_LASTS_MS / 1_000;
/** Cookie while someone is at their identity provider. */
const PENDING_COOKIE = 'tierline_login';
const PENDING_LASTS_S = 600;
/** The ID token of someone who logged in at their identity provider: needed to log them out there. Sent only to that route. */
const ID_TOKEN_COOKIE = 'tierline_id_token';
const ID_TOKEN_PATH = '/login/oidc';

/** Header that a page sends with every change: a form of another site cannot, and its scripts are not allowed to. */
export const CSRF_HEADER = 'X-CSRF-Protection';

/** The token in the session cookie; undefined if there is none. */
export function sessionTokenIn(request: FastifyRequest): string | undefined {
  return cookieOf(request, COOKIE);
}

/** What the browser keeps while someone is at their identity provider. */
export function pendingLogInIn(request: FastifyRequest): string | undefined {
  return cookieOf(request, PENDING_COOKIE);
}

function cookieOf({ headers: { cookie = '' } }: FastifyRequest, wanted: string): string | undefined {
  for (const pair of cookie.split(';')) {
    const [name, value = ''] = pair.trim().split('=', 2);
    if (name === wanted) return value;
  }
  return undefined;
}

/** Sets the cookie. Lax, not Strict: people returning from their identity provider, or following a link in a mail, are still logged in. */
export function keepSession(request: FastifyRequest, reply: FastifyReply, { token }: Pick<LoggedIn, 'token'>): void {
  void reply.header('Set-Cookie', setting(request, COOKIE, token, SESSION_LASTS_S));
}

/** Sets the cookie for the time that someone may take at their identity provider; removes it if there is nothing to keep. */
export function keepPendingLogIn(request: FastifyRequest, reply: FastifyReply, pending = ''): void {
  void reply.header('Set-Cookie', setting(request, PENDING_COOKIE, pending, PENDING_LASTS_S));
}

export function idTokenIn(request: FastifyRequest): string | undefined {
  return cookieOf(request, ID_TOKEN_COOKIE);
}

/** Keeps an ID token as long as the session; removes it if there is none. */
export function keepIdToken(request: FastifyRequest, reply: FastifyReply, idToken = ''): void {
  void reply.header('Set-Cookie', setting(request, ID_TOKEN_COOKIE, idToken, SESSION_LASTS_S, ID_TOKEN_PATH));
}

/** A `Set-Cookie` that removes the cookie. */
export function noSession(request: FastifyRequest): string {
  return setting(request, COOKIE);
}

/** A `Set-Cookie`; without a value it removes the cookie. */
function setting({ protocol }: FastifyRequest, name: string, value = '', lastsS = 0, path = '/'): string {
  const secure = protocol === 'https' ? '; Secure' : '';
  return `${name}=${value}; Max-Age=${value === '' ? 0 : lastsS}; Path=${path}; HttpOnly; SameSite=Lax${secure}`;
}

/**
 * A browser sends the cookie whoever caused the request. A change must come from a page of this origin, with a header that no form can set.
 * @throws Problem forbidden
 */
export function refuseForged(request: FastifyRequest): void {
  const { method, headers } = request;
  if (method === 'GET' || method === 'HEAD') return;
  refuseCrossOrigin(request);
  if (headers[CSRF_HEADER.toLowerCase()] === undefined)
    throw Problem.of('forbidden', `With a session cookie, changes require the header ${CSRF_HEADER}: 1`);
}

/**
 * Applies to pages of allowed origins too: those call with a key, never with a cookie.
 * @throws Problem forbidden for a request from a page of another origin
 */
export function refuseCrossOrigin(request: FastifyRequest): void {
  if (isForeign(request, [])) throw Problem.of('forbidden', 'The request comes from a page of another origin');
}
