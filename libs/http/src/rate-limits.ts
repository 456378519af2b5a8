import { isIPv4 } from 'node:net';
import type { FastifyReply } from 'fastify';
import ipaddr from 'ipaddr.js';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterMongo, RateLimiterRes, RLWrapperTimeouts } from 'rate-limiter-flexible';
import type { RateLimitConfig } from '#platform';
import { Problem } from './problem.js';

type Limited = Exclude<keyof RateLimitConfig, 'failures'>;

/** A database of the `mongodb` driver. */
interface Database {
  collection(name: string): {
    createIndexes(indexes: { key: Record<string, 1>; unique?: true; expireAfterSeconds?: number }[]): Promise<unknown>;
  };
}

const COLLECTION = 'rate_limits';
const WINDOW_S = 60;
const FAILURES_WINDOW_S = 900;
const LONGEST_WAIT_S = 60;
/** How long to wait for the shared count, in milliseconds. */
const PATIENCE_MS = 200;

/**
 * Rate limits in fixed windows of a minute, and waits after failed authentication. Each process counts in memory, or in a database that
 * several share; while that one is unavailable, each counts for itself.
 */
export class RateLimits {
  readonly #limits = new Map<Limited, { readonly most: number; readonly policy: string; readonly limiter: RateLimiterAbstract }>();
  readonly #freeFailures: number;
  readonly #failures: RateLimiterAbstract;
  readonly #waits = new RateLimiterMemory({ points: 1, duration: LONGEST_WAIT_S });

  constructor({ failures, ...limits }: RateLimitConfig, shared?: Database) {
    for (const [kind, most] of Object.entries(limits) as [Limited, number][])
      if (most > 0)
        this.#limits.set(kind, { most, policy: `"${kind}";q=${most};w=${WINDOW_S}`, limiter: limiter(kind, most, WINDOW_S, shared) });
    this.#freeFailures = failures;
    this.#failures = limiter('failures', failures, FAILURES_WINDOW_S, shared);
  }

  /** Limits counted by several processes together. */
  static async shared(config: RateLimitConfig, database: Database): Promise<RateLimits> {
    await database.collection(COLLECTION).createIndexes([
      { key: { key: 1 }, unique: true },
      { key: { expire: 1 }, expireAfterSeconds: 0 },
    ]);
    return new RateLimits(config, database);
  }

  /**
   * Counts against a sender's limit, and reports the rest in the headers of the answer.
   * @param weight number of requests to count
   * @throws Problem rate-limited
   */
  async take(reply: Pick<FastifyReply, 'headers'>, kind: Limited, who: string, weight = 1): Promise<void> {
    const limit = this.#limits.get(kind);
    if (limit === undefined) return;
    const { isOver, remainingPoints, msBeforeNext } = await consume(limit.limiter, who, Math.min(weight, limit.most));
    const seconds = Math.ceil(msBeforeNext / 1_000);
    reply.headers({ 'RateLimit-Policy': limit.policy, RateLimit: `"${kind}";r=${remainingPoints};t=${seconds}` });
    if (isOver) throw limited(`More than ${limit.most} requests within a minute`, seconds);
  }

  /** @throws Problem rate-limited while an address must wait after failed attempts */
  async refuseWaiting(address: string): Promise<void> {
    const wait = await this.#waits.get(address);
    if (wait !== null && wait.msBeforeNext > 0)
      throw limited('Too many failed attempts from this address', Math.ceil(wait.msBeforeNext / 1_000));
  }

  /** Counts a failed attempt. After the free ones the next waits a second, then two, four, up to a minute. */
  async noteFailure(address: string): Promise<void> {
    if (this.#freeFailures === 0) return;
    const { consumedPoints } = await consume(this.#failures, address, 1);
    const over = consumedPoints - this.#freeFailures;
    if (over >= 0) await this.#waits.block(address, Math.min(2 ** over, LONGEST_WAIT_S));
  }
}

/** No limits. */
export const UNLIMITED = new RateLimits({ person: 0, service: 0, address: 0, failures: 0 });

/** What an address counts as: one IPv4 address, or the smallest network of IPv6 addresses that a customer is given. */
export function countedAddress(address: string): string {
  if (isIPv4(address) || !ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed.kind() === 'ipv4'
    ? parsed.toString()
    : `${(parsed as ipaddr.IPv6).parts
        .slice(0, 4)
        .map((part) => part.toString(16))
        .join(':')}::/64`;
}

function limiter(keyPrefix: string, points: number, duration: number, shared: Database | undefined): RateLimiterAbstract {
  const counted = { keyPrefix, points, duration };
  const insuranceLimiter = new RateLimiterMemory(counted);
  if (shared === undefined) return insuranceLimiter;
  const together = new RateLimiterMongo({ ...counted, storeClient: shared, tableName: COLLECTION, disableIndexesCreation: true });
  return new RLWrapperTimeouts({ limiter: together, timeoutMs: PATIENCE_MS, insuranceLimiter });
}

async function consume(limiter: RateLimiterAbstract, who: string, points: number) {
  try {
    const { remainingPoints, msBeforeNext, consumedPoints } = await limiter.consume(who, points);
    return { isOver: false, remainingPoints, msBeforeNext, consumedPoints };
  } catch (refused) {
    if (!(refused instanceof RateLimiterRes)) throw refused;
    const { msBeforeNext, consumedPoints } = refused;
    return { isOver: true, remainingPoints: 0, msBeforeNext, consumedPoints };
  }
}

function limited(reason: string, seconds: number): Problem {
  return Problem.of('rate-limited', `${reason}. Try again in ${seconds} s`, { headers: { 'Retry-After': String(seconds) } });
}
