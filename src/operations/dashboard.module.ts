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
import type { Job, Queue } from 'bull';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { assertOwnPassword, type AuthenticatedRequest } from '../auth/access.js';
import { writeAudit } from '../auth/audit-log.sql.js';
import { administratorRequired } from '../auth/auth.errors.js';
import { AuthModule } from '../auth/auth.module.js';
import { Authenticator } from '../auth/authenticator.js';
import type { Principal } from '../auth/principal.js';
import { selectChunkNames } from '../batches/chunks.sql.js';
import { selectMessageSubjects } from '../delivery/outbox.sql.js';
import { withTimeout } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService } from '../platform/database/database.service.js';
import { DomainError } from '../platform/errors.js';
import { publicPath } from '../platform/http/answers.js';
import {
  BEHAVIOR_QUEUE,
  CHUNK_QUEUE,
  type ChunkJob,
  type DeliveryJob,
  NOTIFICATION_QUEUE,
  QueueModule,
  WEBHOOK_QUEUE,
} from '../platform/queue/queues.js';
import { formatNumber } from '../platform/wording.js';

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

/**
 * bull-board's page without its requests to other servers, and without the buttons of disabled actions: it loads fonts
 * from Google, and no option turns either off.
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
          if (error === null) response.send(withoutDisabledActions(withoutForeignLinks(html)));
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

/** Add job, Empty and Obliterate in the menu of a queue; Duplicate and Update data of a job. They have only icons for names. */
const DISABLED_BUTTONS = [
  ...['plus', 'trash-2', 'ban'].map((icon) => `[role="menuitem"]:has(> .lucide-${icon})`),
  ...['files', 'pencil'].map((icon) => `li:has(.lucide-${icon})`),
];

function withoutDisabledActions(html: string): string {
  return html.replace('</head>', `<style>${DISABLED_BUTTONS.join(',')}{display:none}</style></head>`);
}

const PATH = '/queues';

/** A job as people know it, and the page that shows what it is about. */
interface KnownJob {
  name: string;
  path: string | null;
}

type JobData = Partial<ChunkJob & DeliveryJob>;

/** A queue whose jobs have names, which are looked up for the jobs that are shown: Redis holds ids only. */
class NamedQueue extends BullAdapter {
  private known = new Map<string, KnownJob>();

  constructor(
    queue: Queue,
    private readonly database: DatabaseService,
    { description, readOnly, below }: { description: string; readOnly: boolean; below: string },
  ) {
    super(queue, {
      description,
      readOnlyMode: readOnly,
      externalJobUrl: ({ id }) => {
        const path = this.known.get(String(id))?.path;
        return { displayText: 'Import', href: `${below}${path ?? '/imports'}` };
      },
    });
    this.setFormatter(
      'name',
      ({ id, name }: { id: string; name: string }) => this.known.get(String(id))?.name ?? name,
    );
  }

  override async getJob(id: string): Promise<Job | undefined | null> {
    const job = await super.getJob(id);
    if (job) await this.learn([job]);
    return job;
  }

  override async getJobs(...selection: Parameters<BullAdapter['getJobs']>): Promise<Job[]> {
    const jobs = await super.getJobs(...selection);
    await this.learn(jobs);
    return jobs;
  }

  private async learn(jobs: readonly Job<JobData>[]): Promise<void> {
    const chunks = jobs.flatMap(({ data: { batchId, chunkNumber } }) =>
      batchId === undefined || chunkNumber === undefined ? [] : [{ batchId, chunkNumber }],
    );
    const messages = jobs.flatMap(({ data: { messageId } }) => messageId ?? []);
    const [chunkNames, subjects] = await Promise.all([
      chunks.length === 0 ? [] : selectChunkNames(this.database, chunks),
      messages.length === 0 ? [] : selectMessageSubjects(this.database, messages),
    ]);
    this.known = new Map(
      jobs.flatMap(({ id, data }) => {
        const chunk = chunkNames.find(
          ({ batchId, chunkNumber }) => batchId === data.batchId && chunkNumber === data.chunkNumber,
        );
        if (chunk !== undefined) {
          const name = `${chunk.fileName} · rows ${formatNumber(chunk.firstLine)}–${formatNumber(chunk.lastLine)}`;
          return [[String(id), { name, path: `/imports/${chunk.batchId}` }] as const];
        }
        const message = subjects.find((each) => each.id === data.messageId);
        if (message === undefined) return [];
        const { kind, about, fileName, batchId } = message;
        const name = [fileName, kind.replace('_', ' '), about].filter((part) => part !== null).join(' · ');
        return [[String(id), { name, path: batchId === null ? null : `/imports/${batchId}` }] as const];
      }),
    );
  }
}

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
    const full = this.board(false);
    const readOnly = this.board(true);
    const byRole: RequestHandler = (request, response, next) => {
      const { principal } = request as Partial<AuthenticatedRequest> & Request;
      return (principal?.administrator === true ? full : readOnly)(request, response, next);
    };
    consumer.apply(DashboardAccess, byRole).forRoutes(PATH);
  }

  private board(readOnly: boolean): RequestHandler {
    const below = publicPath(this.config.publicUrl);
    const serverAdapter = new DashboardPage(below).setBasePath(PATH);
    const named = (queue: Queue, description: string) =>
      new NamedQueue(queue, this.database, { description, readOnly, below });
    createBullBoard({
      serverAdapter,
      queues: [
        named(this.chunks, 'One job = one chunk of a batch'),
        named(this.notifications, 'One job = one mail'),
        named(this.behaviors, 'One job = one mail of a record'),
        named(this.webhooks, 'One job = the next webhook to a host'),
      ],
      options: { uiConfig: { boardTitle: 'Workflow Import Queue', hideDocsLink: true } },
    });
    return serverAdapter.getRouter() as RequestHandler;
  }
}
