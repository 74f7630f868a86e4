import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { Response } from 'express';
import { defer, finalize, from, type Observable, switchMap } from 'rxjs';
import type { AuthenticatedRequest } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { countUnfinished } from '../batches/batches.sql.js';
import { BoundedMap, Gate } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { tooManyRequests, tooManyUploads, tooManyWaitingBatches } from './import-queue.errors.js';

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

/** How long one count of the waiting batches is reused for all calls. */
const COUNT_REUSE_MS = 500;

/** Decides whether a call that creates a batch is admitted, before it causes any cost (ADR 16). */
@Injectable()
export class AdmissionService {
  readonly gate: Gate;
  /**
   * Transactions that wait for a client take at most half of the connections, regardless of how slow the clients are.
   */
  private readonly openTransactions: Gate;
  private readonly rates: RateLimiter | null;
  private counted = { at: -Infinity, count: Promise.resolve(0) };

  constructor(
    private readonly config: AppConfig,
    private readonly database: DatabaseService,
  ) {
    this.gate = new Gate(config.maxOpenUploads, { longestWaitMs: config.admissionWaitMs });
    this.openTransactions = new Gate(config.databasePoolSize >> 1, { longestWaitMs: config.admissionWaitMs });
    this.rates = config.createRatePerMinute > 0 ? new RateLimiter(config.createRatePerMinute) : null;
  }

  /** `null` if no rate is configured. @throws DomainError 429 `rate_limit_exceeded` */
  rate(principal: Principal): RateState | null {
    const rate = this.rates?.take(principal.id) ?? null;
    if (rate?.allowed === false) throw tooManyRequests(rate, rateLimitHeaders(rate));
    return rate;
  }

  /**
   * Waits for the call's turn; an admitted caller must call `gate.leave` exactly once.
   * @throws DomainError 503 `too_many_waiting_batches`, `too_many_uploads`
   */
  async enter(gone: AbortSignal): Promise<void> {
    const { maxWaitingBatches, maxOpenUploads } = this.config;
    if (maxWaitingBatches > 0 && (await this.unfinished(maxWaitingBatches)) >= maxWaitingBatches) {
      throw tooManyWaitingBatches(maxWaitingBatches);
    }
    if (!(await this.gate.enter(gone))) throw tooManyUploads(maxOpenUploads);
  }

  /**
   * Stores a body, which may still be arriving. A complete body needs no gate, because its transaction does not wait
   * for a client.
   * @throws DomainError 503 `too_many_uploads`
   */
  async whileReceiving<Result>(
    { complete }: { complete: boolean },
    store: () => Promise<Result>,
  ): Promise<Result> {
    if (complete) return store();
    return this.openTransactions.run(store, () => tooManyUploads(this.openTransactions.limit));
  }

  private unfinished(limit: number): Promise<number> {
    const now = performance.now();
    if (now - this.counted.at > COUNT_REUSE_MS) {
      const count = countUnfinished(this.database, limit);
      // The calls that wait for this count get its error; the next call counts again.
      count.catch(() => (this.counted.at = -Infinity));
      this.counted = { at: now, count };
    }
    return this.counted.count;
  }
}

/** `@UseInterceptors(AdmissionInterceptor)` on every route whose body becomes a batch. */
@Injectable()
export class AdmissionInterceptor implements NestInterceptor {
  constructor(private readonly admission: AdmissionService) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const { principal } = http.getRequest<AuthenticatedRequest>();
    const response = http.getResponse<Response>();
    return defer(() => {
      const rate = principal ? this.admission.rate(principal) : null;
      if (rate !== null) response.set(rateLimitHeaders(rate));
      const gone = new AbortController();
      response.once('close', () => gone.abort());
      return from(this.admission.enter(gone.signal)).pipe(
        switchMap(() => next.handle().pipe(finalize(() => this.admission.gate.leave()))),
      );
    });
  }
}
