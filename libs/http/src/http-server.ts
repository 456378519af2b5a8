import { isUtf8 } from 'node:buffer';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { correlationIdOf } from './command-headers.js';
import { type JsonLog, type TimeoutConfig, TIMEOUTS, withCorrelation } from '#platform';
import type { Certificate } from './certificate.js';
import { faultyJson, MOST_VALUES, tooManyValues } from './json-body.js';
import { entriesIn } from './json-size.js';
import { httpProblems, Problem, PROBLEM_JSON, type HttpProblemCode } from './problem.js';
import { instanceOf, ProblemFilter, sendProblem } from './problem-filter.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Links everything that follows from one action of someone. Set before anything else happens to a request. */
    correlationId: string;
  }
}

/** Largest request body in bytes. */
export const BODY_LIMIT = 1024 * 1024;

/** Largest headers of a request in bytes, including the URL. */
const HEADERS_LIMIT = 16 * 1024;

/** How long a connection may be silent, in milliseconds: longer than any wait for an answer, and than the interval of heartbeats. */
const SILENT_MS = 300_000;

/** What a browser may do with an answer: nothing. Pages declare what they need. */
const SECURE_HEADERS = {
  'Content-Security-Policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;

const noSchemas = (): never => {
  throw new Error('bodies are checked by pipes, not by schemas of routes');
};

/** The server's place in its network. */
export interface HttpOptions {
  /** Addresses and networks (CIDR) of proxies whose `X-Forwarded-*` headers are trusted. */
  readonly trustProxy?: readonly string[];
  /** If given, it speaks only TLS. */
  readonly certificate?: Certificate;
  readonly timeouts?: TimeoutConfig;
}

/**
 * The HTTP server, with limits, and with problem details even for requests that never reach a route. Create Nest's application with
 * `bodyParser: false`.
 */
export function httpAdapter({ trustProxy = [], certificate, timeouts = TIMEOUTS }: HttpOptions = {}): FastifyAdapter {
  const { headersMs, requestMs, keepAliveMs } = timeouts;
  const slow = { headersTimeout: headersMs, connectionsCheckingInterval: Math.min(headersMs, requestMs) / 4, maxHeaderSize: HEADERS_LIMIT };
  return new FastifyAdapter({
    ...(trustProxy.length > 0 ? { trustProxy: [...trustProxy] } : {}),
    ...(certificate === undefined ? { http: slow } : { https: { ...slow, ...certificate, minVersion: 'TLSv1.2' as const } }),
    requestTimeout: requestMs,
    keepAliveTimeout: keepAliveMs,
    connectionTimeout: SILENT_MS,
    bodyLimit: BODY_LIMIT,
    // A name of 100 characters, each up to nine in a URL.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 1_000 },
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      request.correlationId ??= correlationIdOf(request.headers);
      const code: HttpProblemCode = error.statusCode === 414 ? 'uri-too-long' : 'malformed-request';
      sendProblem(Problem.of(code, error.message), request, reply);
    },
    clientErrorHandler: answerUnreadable,
    // No route has a schema for Fastify, whose schema compilers would be loaded all the same.
    schemaController: { compilersFactory: { buildValidator: () => noSchemas, buildSerializer: () => noSchemas } },
  });
}

/**
 * Sets up what all requests share: correlation ids, only JSON bodies, problem details for every error, an access log (level debug), and
 * refusal of foreign host names if there is no proxy. Call it before routes are registered, that is before `app.init()`, with the adapter's
 * options.
 */
export function prepareHttp(app: NestFastifyApplication, log: JsonLog, { trustProxy = [], certificate }: HttpOptions = {}): void {
  const server = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  const routes: { readonly method: string; readonly pattern: RegExp }[] = [];
  const methodsAt = (path: string) => [...new Set(routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))].sort();
  app.useGlobalFilters(new ProblemFilter(log, methodsAt));

  // A proxy knows its names, and a certificate has those of the server.
  const hasNames = trustProxy.length > 0 || certificate !== undefined;
  server.decorateRequest('correlationId', '');
  server.addHook('onRoute', ({ method, url }) => {
    if (url === '*') return;
    const pattern = new RegExp(
      `^${url
        .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
        .replace(/:[^/]+/g, '[^/]+')
        .replaceAll('*', '.*')}/?$`,
    );
    for (const each of [method].flat()) routes.push({ method: each, pattern });
  });
  server.addHook('onRequest', (request, reply, done) => {
    request.correlationId = correlationIdOf(request.headers);
    // Cacheable answers say so themselves.
    void reply.headers({ ...SECURE_HEADERS, 'X-Correlation-Id': request.correlationId, 'Cache-Control': 'no-store' });
    if (hasNames && request.protocol === 'https') void reply.header('Strict-Transport-Security', 'max-age=31536000');
    if (hasNames || isLoopbackName(request.headers.host)) withCorrelation({ correlationId: request.correlationId }, done);
    else
      sendProblem(
        Problem.of('misdirected-request', 'Without TLS or a trusted proxy, only localhost, 127.0.0.1 and [::1] are served'),
        request,
        reply,
      );
  });
  // Reading a body loses the context set by the earlier hook.
  server.addHook('preHandler', (request, _reply, done) => withCorrelation({ correlationId: request.correlationId }, done));
  if (log.pino.isLevelEnabled('debug')) {
    server.addHook('onResponse', ({ correlationId, method, url, ip }, { statusCode, elapsedTime }, done) => {
      log.debug({ correlationId, address: ip, method, url, status: statusCode, ms: Math.round(elapsedTime * 10) / 10 }, 'request');
      done();
    });
  }
  // Node answers an unknown Expect with a bare 417.
  server.server.on('checkExpectation', ({ url, headers }, response) => {
    const problem = Problem.of('expectation-failed', '100-continue is the only expectation this server supports');
    response.writeHead(problem.kind.status, { 'Content-Type': PROBLEM_JSON, Connection: 'close' });
    response.end(JSON.stringify(problem.details(instanceOf(url ?? '/'), correlationIdOf(headers))));
  });

  const parse = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  // Before a body is read: its headers decide whether it can be.
  server.addHook('preParsing', (request, _reply, payload, done) => {
    const unsupported = request.headers['content-type'] === undefined ? undefined : unsupportedCoding(request);
    if (unsupported === undefined) done(null, payload);
    else done(unsupported);
  });
  server.addContentTypeParser('application/json', { parseAs: 'buffer', bodyLimit: BODY_LIMIT }, (request, body: Buffer, done) => {
    if (!isUtf8(body)) done(Problem.of('malformed-json', 'The body is not UTF-8'));
    else if (entriesIn(body, MOST_VALUES) > MOST_VALUES) done(tooManyValues());
    else {
      const text = body.toString('utf8');
      void parse(request, text, (error, value) => (error === null ? done(null, value) : done(faultyJson(text) ?? error)));
    }
  });
}

/** Why a body cannot be read, whatever its content: it is compressed, or text in an encoding other than UTF-8. */
function unsupportedCoding({ headers }: FastifyRequest): Problem | undefined {
  const coding = headers['content-encoding'] ?? 'identity';
  if (!/^\s*identity\s*$/i.test(coding)) {
    return Problem.of(
      'unsupported-media-type',
      `The body must not be compressed: Content-Encoding ${coding.slice(0, 100)} is not supported`,
      {
        headers: { 'Accept-Encoding': 'identity' },
      },
    );
  }
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(headers['content-type'] ?? '')?.[1];
  return charset === undefined || /^utf-?8$/i.test(charset)
    ? undefined
    : Problem.of('unsupported-media-type', `The body must be UTF-8, not ${charset.slice(0, 100)}`);
}

/** Lets one route accept a form with a few fields, as `URLSearchParams`. Call it as `takeBytes`. */
export function takeForm(app: NestFastifyApplication, path: string): void {
  const server = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  const type = 'application/x-www-form-urlencoded';
  server.addContentTypeParser(type, { parseAs: 'string', bodyLimit: 32_768 }, (request, body: string, done) => {
    if (request.routeOptions.url === path) done(null, new URLSearchParams(body));
    else done(mustBeJson());
  });
}

const mustBeJson = () => Problem.of('unsupported-media-type', 'The body must be JSON, and Content-Type must say so: application/json');

/** Lets one route accept bytes of a media type as a stream; its handler limits them. Call it before `app.init()`, after `prepareHttp`. */
export function takeBytes(app: NestFastifyApplication, path: string, mediaType: string): void {
  const server = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  server.addContentTypeParser(mediaType, (request, payload, done) => {
    if (request.routeOptions.url === path) done(null, payload);
    else done(mustBeJson());
  });
}

/** A web page that makes its own host name resolve to this machine gets no answer. */
function isLoopbackName(host: string | undefined): boolean {
  return host !== undefined && /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host);
}

/** Answers what Node could not read as HTTP. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const code: HttpProblemCode =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'headers-too-large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'request-timeout'
        : 'malformed-request';
  const { status } = httpProblems[code];
  const detail = code === 'malformed-request' ? 'The request is not valid HTTP' : httpProblems[code].title;
  const body = JSON.stringify(Problem.of(code, detail).details('/'));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${PROBLEM_JSON}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
