import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from './problem.js';
import { sendProblem } from './problem-filter.js';

/** Headers of answers that scripts of allowed origins may read. */
const EXPOSED = ['ETag', 'Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'X-Correlation-Id', 'WWW-Authenticate'];

/**
 * Refuses requests from pages of other origins, and answers pre-flight requests of allowed ones (CORS). Programs other than browsers send
 * neither `Origin` nor `Sec-Fetch-Site`, and are not affected. Call it after `prepareHttp`, before any other hook.
 * @param allowed origins such as `https://portal.example` whose pages may call the API with a key; cookies are not for them
 */
export async function refuseForeignPages(app: NestFastifyApplication, allowed: readonly string[]): Promise<void> {
  const server = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  if (allowed.length > 0) {
    app.enableCors({ origin: [...allowed], methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'], exposedHeaders: EXPOSED, maxAge: 600 });
    // Pre-flight requests carry no key: they are answered before authentication.
    await server.after();
  }
  server.addHook('onRequest', (request, reply, done) => {
    if (isForeign(request, allowed))
      sendProblem(Problem.of('foreign-origin', 'The request comes from a page of another origin, which is not allowed'), request, reply);
    else done();
  });
}

/** Whether a request comes from a page that may not send it. Links to pages here may be followed from anywhere. */
export function isForeign(
  { method, url, headers, protocol, host }: Pick<FastifyRequest, 'method' | 'url' | 'headers' | 'protocol' | 'host'>,
  allowed: readonly string[],
): boolean {
  const { origin, 'sec-fetch-site': site = 'none', 'sec-fetch-mode': mode } = headers;
  if (origin !== undefined && allowed.includes(origin)) return false;
  if (origin !== undefined && origin.toLowerCase() !== `${protocol}://${host}`.toLowerCase()) return true;
  if (site === 'same-origin' || site === 'none') return false;
  return !(method === 'GET' && mode === 'navigate' && !url.startsWith('/v1'));
}
