import { InjectQueue } from '@nestjs/bull';
import {
  Injectable,
  type MiddlewareConsumer,
  Module,
  type NestMiddleware,
  type NestModule,
} from '@nestjs/common';
import type { Queue } from 'bull';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { assertOwnPassword, type AuthenticatedRequest } from '../auth/access.js';
import { writeAudit } from '../auth/audit-log.sql.js';
import { administratorRequired } from '../auth/auth.errors.js';
import { AuthModule } from '../auth/auth.module.js';
import { Authenticator } from '../auth/authenticator.js';
import type { Principal } from '../auth/principal.js';
import { withTimeout } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError } from '../platform/errors.js';
import {
  BEHAVIOR_QUEUE,
  CHUNK_QUEUE,
  NOTIFICATION_QUEUE,
  QueueModule,
  WEBHOOK_QUEUE,
} from '../platform/queue/queues.js';

const REDIS_BOUND_MS = 2000;

/**
 * The global guard does not run for middleware, so the dashboard has its own: administrators may change jobs, operators
 * only see them, and writes must come from the same site.
 */
@Injectable()
class DashboardAccess implements NestMiddleware {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly database: DatabaseService,
    @InjectQueue(CHUNK_QUEUE) private readonly queue: Queue,
  ) {}

  async use(
    request: Partial<AuthenticatedRequest> & Request,
    _response: Response,
    next: NextFunction,
  ): Promise<void> {
    // The page's scripts ask for JSON, and could not distinguish the sign-in page from it.
    const page = !/^\/queues\/api(\/|$)/i.test(request.originalUrl);
    const principal = await this.authenticator.authenticate(request, page);
    request.principal = principal;
    assertOwnPassword(principal, page);
    assertMaySeeJobs(principal, request.method);
    assertHarmless(request.method, request.originalUrl.split('?', 1)[0] ?? '');
    // Bull waits for Redis to come back, with no time limit; the user would face a page that never answers.
    await withTimeout(REDIS_BOUND_MS, this.queue.client.ping()).catch((cause: unknown) => {
      throw redisUnavailable(cause);
    });
    if (!isReading(request.method)) {
      const details = { method: request.method, path: request.originalUrl.split('?', 1)[0]?.slice(0, 200) };
      await writeAudit(this.database, { actor: principal.id, action: 'jobs_changed', details });
    }
    next();
  }
}

/** Jobs belong to all import processes, so users who are limited to some of them do not see any. */
function assertMaySeeJobs({ administrator, user, importProcessIds }: Principal, method: string): void {
  if (administrator) return;
  if (user?.role !== 'operator' || importProcessIds !== null || !isReading(method))
    throw administratorRequired();
}

/**
 * What no one needs here, because jobs are wake-ups that are made from PostgreSQL: a job of one's own wakes nothing that
 * exists, and an emptied queue only delays everything until the reconciler has filled it again.
 */
const DISABLED = /\/(add|empty|obliterate|update-data|concurrency|rate-limit(\/release)?)\/?$/i;

function assertHarmless(method: string, path: string): void {
  if (isReading(method) || !DISABLED.test(path)) return;
  throw new DomainError(
    403,
    'job_action_disabled',
    'This action on jobs is disabled',
    'Jobs are made from PostgreSQL. Adding jobs, emptying a queue and obliterating it are disabled.',
  );
}

const isReading = (method: string) => method === 'GET' || method === 'HEAD';

function redisUnavailable(cause: unknown): DomainError {
  return new DomainError(
    503,
    'redis_unavailable',
    'Redis is not available',
    'The queues cannot be shown while Redis cannot be reached. Nothing is lost meanwhile: jobs are made again from PostgreSQL.',
    { cause, headers: { 'Retry-After': '5' } },
  );
}

const PATH = '/queues';

/**
 * bull-board. PostgreSQL is the source of truth, and jobs are wake-ups that carry ids. Retrying, promoting or removing a
 * job can therefore neither repeat work nor lose it (the reconciler recreates missing jobs). Administrators may do so;
 * operators get a board of their own, which offers nothing to change.
 */
@Module({ imports: [AuthModule, QueueModule], providers: [DashboardAccess] })
export class DashboardModule implements NestModule {
  constructor(
    @InjectQueue(CHUNK_QUEUE) private readonly chunks: Queue,
    @InjectQueue(NOTIFICATION_QUEUE) private readonly notifications: Queue,
    @InjectQueue(BEHAVIOR_QUEUE) private readonly behaviors: Queue,
    @InjectQueue(WEBHOOK_QUEUE) private readonly webhooks: Queue,
    private readonly database: DatabaseService,
    private readonly config: AppConfig,
  ) {}

  configure(consumer: MiddlewareConsumer): void {
    let loaded: ReturnType<typeof this.load> | undefined;
    const byRole: RequestHandler = async (request, response, next) => {
      const { full, readOnly } = await (loaded ??= this.load());
      const { principal } = request as Partial<AuthenticatedRequest> & Request;
      return (principal?.administrator === true ? full : readOnly)(request, response, next);
    };
    consumer.apply(DashboardAccess, byRole).forRoutes(PATH);
  }

  /** With the first request: most processes never show it. */
  private async load(): Promise<Record<'full' | 'readOnly', RequestHandler>> {
    const { createDashboard } = await import('./dashboard.js');
    const queues = [
      { queue: this.chunks, description: 'One job = one chunk of a batch' },
      { queue: this.notifications, description: 'One job = one mail' },
      { queue: this.behaviors, description: 'One job = one mail of a record' },
      { queue: this.webhooks, description: 'One job = the next webhook to a host' },
    ];
    const shown = { queues, database: this.database, publicUrl: this.config.publicUrl, path: PATH };
    return { full: createDashboard(shown, false), readOnly: createDashboard(shown, true) };
  }
}
