import { DomainError } from '../../common/domain.error.js';
import { rateLimitHeaders, type RateState } from '../../common/rate-limiter.js';

const retryAfter = (seconds: number) => ({ 'Retry-After': String(seconds) });

export function tooManyRequests(rate: RateState): DomainError {
  return new DomainError(
    429,
    'rate_limit_exceeded',
    'Too many batches in too short a time',
    `This key may start ${rate.limit} batches a minute. Nothing was stored; send the same call again in ${rate.seconds} s, or put more rows into one batch.`,
    { limit: rate.limit, headers: { ...rateLimitHeaders(rate), ...retryAfter(rate.seconds) } },
  );
}

export function tooManyUploads(limit: number): DomainError {
  return new DomainError(
    503,
    'too_many_uploads',
    'Too many bodies are being received',
    `${limit} bodies are being received, and this one has waited for its turn. Nothing was stored; send the same call again later.`,
    { limit, headers: retryAfter(5) },
  );
}

export function tooManyWaitingBatches(limit: number): DomainError {
  return new DomainError(
    503,
    'too_many_waiting_batches',
    'Too many batches have not ended yet',
    `${limit} batches have not ended yet, and no more are taken until some have. Nothing was stored; send the same call again later.`,
    { limit, headers: retryAfter(30) },
  );
}
