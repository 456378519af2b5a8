import type { Fault, Refusal } from '#eventsourcing';

/** The meaning of a problem's stable code. */
export interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

/** The problems of any HTTP interface here. Apps add those of their domain. */
export const httpProblems = {
  'malformed-request': { status: 400, title: 'Malformed request' },
  'malformed-json': { status: 400, title: 'Malformed JSON' },
  'invalid-body': { status: 400, title: 'Invalid body' },
  'invalid-query': { status: 400, title: 'Invalid query' },
  'invalid-header': { status: 400, title: 'Invalid header' },
  'request-aborted': { status: 400, title: 'The request was aborted' },
  unauthenticated: { status: 401, title: 'Authentication required' },
  forbidden: { status: 403, title: 'Forbidden' },
  'foreign-origin': { status: 403, title: 'Foreign origin' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  'chain-broken': { status: 409, title: 'The event chain is broken' },
  contended: { status: 409, title: 'Too many concurrent changes' },
  deleted: { status: 410, title: 'It was deleted' },
  'revision-mismatch': { status: 412, title: 'It is at another revision' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'uri-too-long': { status: 414, title: 'The URL is too long' },
  'unsupported-media-type': { status: 415, title: 'Unsupported media type' },
  'expectation-failed': { status: 417, title: 'Unsupported expectation' },
  'misdirected-request': { status: 421, title: 'This server does not serve that host name' },
  'idempotency-key-reused': { status: 422, title: 'The idempotency key was used for another request' },
  'simulation-too-long': { status: 422, title: 'The simulation takes too long' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'too-many-streams': { status: 429, title: 'Too many streams are open' },
  'too-many-simulations': { status: 429, title: 'Too many simulations are running' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  'internal-error': { status: 500, title: 'Internal error' },
  'query-too-long': { status: 503, title: 'The query takes too long' },
  'store-unavailable': { status: 503, title: 'A store is unavailable' },
  'identity-provider-unavailable': { status: 503, title: 'The identity provider is unavailable' },
  'other-log': { status: 503, title: 'The views were made from another log' },
  'not-yet-visible': { status: 503, title: 'Not yet visible in this view' },
} as const satisfies Record<string, ProblemKind>;

export type HttpProblemCode = keyof typeof httpProblems;

/** Problem details as sent (RFC 9457). */
export interface ProblemDetails {
  /** `urn:tierline:problem:` and the code. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
  readonly correlationId?: string;
  readonly faults?: readonly Fault[];
  /** The ticket that a merged one continues in. */
  readonly mergedInto?: string;
  /** Id of the agent who has the ticket. */
  readonly holder?: string;
  /** The second factor that is required, if it is not a code. */
  readonly factor?: 'passkey';
  /** The revision that it is at. */
  readonly revision?: number;
}

interface ProblemOptions {
  readonly faults?: readonly Fault[];
  /** Additional fields. */
  readonly more?: Refusal['details'];
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Ends a request with problem details. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly faults: readonly Fault[] | undefined;
  readonly more: Refusal['details'];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly code: string,
    readonly kind: ProblemKind,
    detail: string,
    { faults, more, headers = {}, cause }: ProblemOptions = {},
  ) {
    super(detail, cause === undefined ? undefined : { cause });
    this.faults = faults;
    this.more = more;
    this.headers = headers;
  }

  static of(code: HttpProblemCode, detail: string, options?: ProblemOptions): Problem {
    return new Problem(code, httpProblems[code], detail, options);
  }

  /**
   * A refused command. A code that is missing from `kinds` is a conflict with the state. `retryAfter` among its details, in seconds,
   * becomes the header `Retry-After`.
   */
  static ofRefusal(
    { refused, message, faults, details: { retryAfter, ...more } = {} }: Refusal,
    kinds: Readonly<Record<string, ProblemKind>>,
  ): Problem {
    const known = [kinds, httpProblems].find((some: object) => Object.hasOwn(some, refused)) as typeof kinds | undefined;
    const kind = known?.[refused];
    return new Problem(refused, kind ?? { status: 409, title: 'The command was refused' }, message, {
      ...(faults && { faults }),
      more,
      ...(retryAfter !== undefined && { headers: { 'Retry-After': String(retryAfter) } }),
    });
  }

  details(instance: string, correlationId?: string): ProblemDetails {
    return {
      type: `urn:tierline:problem:${this.code}`,
      title: this.kind.title,
      status: this.kind.status,
      detail: this.message,
      instance,
      code: this.code,
      ...(correlationId === undefined ? {} : { correlationId }),
      ...(this.faults === undefined ? {} : { faults: this.faults }),
      ...this.more,
    };
  }
}

export const PROBLEM_JSON = 'application/problem+json';
