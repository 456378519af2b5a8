import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Tried } from './destination.js';
import type { Networks } from './networks.js';

export interface PostOptions {
  readonly networks: Networks;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Time limit for everything: DNS, connection, TLS, request and response. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** How much of a response body is read before the connection is closed, and how much is stored, in bytes. */
const BODY_LIMIT = 64 * 1024;
const EXCERPT = 500;
/** Time limit for a response body, in milliseconds: the status says all that matters. */
const BODY_MS = 2_000;

// Separate connections, each to a checked address.
const agents = { http: new HttpAgent({ keepAlive: true, maxSockets: 64 }), https: new HttpsAgent({ keepAlive: true, maxSockets: 64 }) };

/**
 * Sends a body by POST; any 2xx response means accepted. Does not follow redirects, verifies TLS, and connects only to allowed addresses.
 * Never throws.
 */
export async function post(url: URL, { networks, headers, body, timeoutMs, signal }: PostOptions): Promise<Tried> {
  const began = performance.now();
  const took = () => Math.round(performance.now() - began);
  const tls = url.protocol === 'https:';
  const forbidden = networks.forbids(url);
  if (forbidden !== undefined) return { outcome: 'failed', error: forbidden.message, ms: 0 };
  const timeout = AbortSignal.timeout(timeoutMs);
  const options: RequestOptions = {
    method: 'POST',
    agent: tls ? agents.https : agents.http,
    lookup: networks.lookup({ tls }),
    headers: { 'User-Agent': 'Tierline', ...headers, 'Content-Length': Buffer.byteLength(body) },
    signal: AbortSignal.any([signal, timeout]),
  };
  try {
    const answer = await answered((tls ? httpsRequest : httpRequest)(url, options), body);
    const excerpt = await beginning(answer);
    const retryAfterMs = retryAfter(answer.headers['retry-after'], Date.now());
    const status = answer.statusCode ?? 0;
    return {
      outcome: status >= 200 && status < 300 ? 'taken' : 'failed',
      status,
      ms: took(),
      ...(excerpt === '' ? {} : { excerpt }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  } catch (error) {
    return { outcome: 'failed', error: timeout.aborted ? `no answer within ${timeoutMs} ms` : messageOf(error), ms: took() };
  }
}

function answered(sent: ClientRequest, body: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.once('response', resolve).on('error', reject);
    sent.end(body);
  });
}

/** The beginning of a body as text. Errors do not matter: only the status counts. */
async function beginning(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  const cut = setTimeout(() => answer.destroy(), BODY_MS);
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (length < EXCERPT) chunks.push(chunk.subarray(0, EXCERPT));
      length += chunk.length;
      if (length > BODY_LIMIT) break;
    }
  } catch {
    // The connection broke.
  } finally {
    clearTimeout(cut);
    answer.destroy();
  }
  return Buffer.concat(chunks).subarray(0, EXCERPT).toString('utf8');
}

/** An HTTP date, in the current format or one of the two obsolete ones that must still be accepted (RFC 9110, section 5.6.7). */
const HTTP_DATE =
  /^(?:[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d [\d:]{8} GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4})$/;

/** Milliseconds until seconds have passed or a date is reached; undefined for anything else, which `Date.parse` might accept as a date. */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  if (!HTTP_DATE.test(text)) return undefined;
  const date = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Describes an error, without OpenSSL's memory addresses and source locations. */
function messageOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException & { readonly errors?: readonly Error[] };
  const [, ofTls] = /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/.exec(message) ?? [];
  if (ofTls !== undefined) return `TLS: ${ofTls}`;
  const [first] = (error as AggregateError).errors ?? [];
  return message || (first as Error | undefined)?.message || code || 'the request failed';
}
