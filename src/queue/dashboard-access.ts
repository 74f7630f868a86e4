import { InjectQueue } from '@nestjs/bull';
import { Injectable, type NestMiddleware } from '@nestjs/common';
import type { Queue } from 'bull';
import type { NextFunction, Request, Response } from 'express';
import { administratorRequired } from '../auth/auth.errors.js';
import { Authenticator } from '../auth/authenticator.js';
import { DomainError } from '../common/domain.error.js';
import { within } from '../common/within.js';
import { CHUNK_QUEUE } from './queues.js';

const REDIS_BOUND_MS = 2000;

/** The global guard does not see middleware, so the dashboard brings its own: administrators only, writes same-origin. */
@Injectable()
export class DashboardAccess implements NestMiddleware {
  constructor(
    private readonly authenticator: Authenticator,
    @InjectQueue(CHUNK_QUEUE) private readonly queue: Queue,
  ) {}

  async use(request: Request, _response: Response, next: NextFunction): Promise<void> {
    // Its scripts ask for JSON, and could not tell the sign-in page from it.
    const page = !/^\/queues\/api(\/|$)/i.test(request.originalUrl);
    const principal = await this.authenticator.authenticate(request, page);
    if (!principal.administrator) throw administratorRequired();
    // Bull waits for Redis to come back, however long that takes; a person would look at a page that never answers.
    await within(REDIS_BOUND_MS, this.queue.client.ping()).catch((cause: unknown) => {
      throw redisUnavailable(cause);
    });
    next();
  }
}

function redisUnavailable(cause: unknown): DomainError {
  return new DomainError(
    503,
    'redis_unavailable',
    'Redis is not available',
    'The queues cannot be shown while Redis cannot be reached. Nothing is lost meanwhile: jobs are made again from PostgreSQL.',
    { cause, headers: { 'Retry-After': '5' } },
  );
}
