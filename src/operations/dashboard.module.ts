import { createBullBoard } from '@bull-board/api';
import { BullAdapter } from '@bull-board/api/bullAdapter';
import type { AppViewRoute } from '@bull-board/api/typings/app';
import { ExpressAdapter } from '@bull-board/express';
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
import { type AuthenticatedRequest, assertOwnPassword } from '../auth/access.js';
import { writeAudit } from '../auth/audit.js';
import { administratorRequired } from '../auth/auth.errors.js';
import { AuthModule } from '../auth/auth.module.js';
import { Authenticator } from '../auth/authenticator.js';
import type { Principal } from '../auth/principal.js';
import { withTimeout } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError } from '../platform/domain-error.js';
import { publicPath } from '../platform/http/public-path.js';
import { QueueModule } from '../platform/queue/queue.module.js';
import { BEHAVIOR_QUEUE, CHUNK_QUEUE, NOTIFICATION_QUEUE, WEBHOOK_QUEUE } from '../platform/queue/queues.js';

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

/**
 * bull-board's page without its requests to other servers: it loads fonts from Google, and no option turns that off.
 */
class DashboardPage extends ExpressAdapter {
  /** @param below the path of PUBLIC_URL */
  constructor(private readonly below: string) {
    super();
  }

  override setEntryRoute(page: AppViewRoute): this {
    this.app[page.method](
      page.route,
      (_request: Request, response: Response, next: (error: unknown) => void) => {
        const { name, params } = page.handler({
          basePath: this.below + this.basePath,
          uiConfig: this.uiConfig,
        });
        response.render(name, params, (error: Error | null, html: string) => {
          if (error === null) response.send(withoutForeignLinks(html));
          else next(error);
        });
      },
    );
    return this;
  }
}

function withoutForeignLinks(html: string): string {
  return html.replace(/<link\s[^>]*href="(?:https?:)?\/\/[^>]*>/g, '');
}

const PATH = '/queues';

/**
 * bull-board. Not read-only: PostgreSQL is the source of truth, and jobs are wake-ups that carry ids. Retrying,
 * promoting or removing a job can therefore neither repeat work nor lose it (the reconciler recreates missing jobs),
 * and an operator who looks at a failed job wants to retry it.
 */
@Module({ imports: [AuthModule, QueueModule], providers: [DashboardAccess] })
export class DashboardModule implements NestModule {
  constructor(
    @InjectQueue(CHUNK_QUEUE) private readonly chunks: Queue,
    @InjectQueue(NOTIFICATION_QUEUE) private readonly notifications: Queue,
    @InjectQueue(BEHAVIOR_QUEUE) private readonly behaviors: Queue,
    @InjectQueue(WEBHOOK_QUEUE) private readonly webhooks: Queue,
    private readonly config: AppConfig,
  ) {}

  configure(consumer: MiddlewareConsumer): void {
    const serverAdapter = new DashboardPage(publicPath(this.config.publicUrl)).setBasePath(PATH);
    createBullBoard({
      serverAdapter,
      queues: [
        new BullAdapter(this.chunks, {
          description: 'One job = one chunk of a batch',
        }),
        new BullAdapter(this.notifications, {
          description: 'One job = one mail',
        }),
        new BullAdapter(this.behaviors, {
          description: 'One job = one mail of a record',
        }),
        new BullAdapter(this.webhooks, {
          description: 'One job = the next webhook to a host',
        }),
      ],
      options: { uiConfig: { boardTitle: 'Workflow Import Queue', hideDocsLink: true } },
    });
    consumer.apply(DashboardAccess, serverAdapter.getRouter() as RequestHandler).forRoutes(PATH);
  }
}
