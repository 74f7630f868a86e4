import { BoundedMap } from '../concurrency.js';

const WINDOW_SECONDS = 60;
/** Beyond this number of callers, those that have been quiet for longest are forgotten. */
const MAX_CALLERS = 10_000;

export interface RateState {
  allowed: boolean;
  limit: number;
  remaining: number;
  /** Until there is room for the next call, or until the whole limit is available again. */
  seconds: number;
}

/**
 * Token bucket per caller, in this process. N processes together allow N times as much, which is still bounded, and the
 * limiter depends on no server.
 */
export class RateLimiter {
  private readonly buckets = new BoundedMap<string, { tokens: number; at: number }>(MAX_CALLERS);

  /** @param perMinute the most calls per minute; after a quiet minute, all of them may come at once */
  constructor(
    private readonly perMinute: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  take(caller: string): RateState {
    const now = this.now();
    const perSecond = this.perMinute / WINDOW_SECONDS;
    const found = this.buckets.get(caller) ?? { tokens: this.perMinute, at: now };
    const tokens = Math.min(this.perMinute, found.tokens + ((now - found.at) / 1000) * perSecond);
    const allowed = tokens >= 1;
    const left = allowed ? tokens - 1 : tokens;
    this.buckets.set(caller, { tokens: left, at: now });
    const missing = allowed ? this.perMinute - left : 1 - left;
    return {
      allowed,
      limit: this.perMinute,
      remaining: Math.floor(left),
      seconds: Math.max(1, Math.ceil(missing / perSecond)),
    };
  }
}

/** The headers of draft-ietf-httpapi-ratelimit-headers-10. */
export function rateLimitHeaders({ limit, remaining, seconds }: RateState): Record<string, string> {
  return {
    'RateLimit-Policy': `"create";q=${limit};w=${WINDOW_SECONDS}`,
    RateLimit: `"create";r=${remaining};t=${seconds}`,
  };
}
