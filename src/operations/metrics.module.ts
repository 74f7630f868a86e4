import {
  Controller,
  Get,
  Header,
  Injectable,
  Logger,
  Module,
  type OnModuleDestroy,
  type OnModuleInit,
  Res,
} from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { assertUnlimited, CurrentPrincipal, RequirePermission } from '../auth/access.js';
import type { Principal } from '../auth/principal.js';
import { TEXT } from '../platform/http/answer-schemas.js';
import {
  BEHAVIOR_QUEUE,
  CHUNK_QUEUE,
  NOTIFICATION_QUEUE,
  QueueModule,
  WEBHOOK_QUEUE,
} from '../platform/queue/queues.js';
import { InjectQueue } from '@nestjs/bull';
import type { Queue } from 'bull';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { BATCH_STATUSES, PAUSE_REASONS } from '../batches/batch-state.js';
import { withTimeout } from '../platform/concurrency.js';
import { AppConfig } from '../platform/config/config.js';
import { DatabaseService, type Sql } from '../platform/database/database.service.js';
import { PROGRAM_VERSION } from '../platform/database/installation.js';
import { onMeasurement } from '../platform/instrumentation.js';
import { examine } from './doctor/examination.js';
import { INVARIANTS } from './doctor/invariants.js';

interface Figures {
  batches: { status: string; count: number }[];
  openChunks: { state: string; count: number }[];
  outboxes: { outbox: string; pending: number; failed: number; oldestSeconds: number }[];
  oldestBatchSeconds: number;
  paused: { reason: string; count: number }[];
  /** Age of the oldest chunk that waits for a worker. */
  oldestChunkSeconds: number;
  /** The longest time for which a batch that is in progress has finished no chunk. */
  stalledSeconds: number;
}

/** Reads the current figures from small indexes and the list of batches, never from records. */
async function selectFigures(sql: Sql): Promise<Figures> {
  const [batches, openChunks, outboxes, oldest, paused, oldestChunk, stalled] = await Promise.all([
    sql.query<Figures['batches'][number]>(
      'SELECT status, count(*)::integer AS count FROM import_queue_batch GROUP BY status',
    ),
    sql.query<Figures['openChunks'][number]>(
      `SELECT state, count(*)::integer AS count FROM import_queue_chunk WHERE state <> 'done' GROUP BY state`,
    ),
    sql.query<Figures['outboxes'][number]>(
      `SELECT named.outbox, sum(owed.pending)::integer AS pending, sum(ended.failed)::integer AS failed,
              coalesce(extract(epoch FROM now() - min(owed.oldest)), 0)::float AS "oldestSeconds"
         FROM (VALUES ('notification', 'batch_mail'), ('behavior', 'behavior_mail'),
                      ('behavior', 'behavior_webhook'), ('notification', 'account_mail'), ('webhook', 'batch_webhook')) named (outbox, kind)
        CROSS JOIN LATERAL (SELECT count(*) AS pending, min(created_at) AS oldest FROM outbox
                             WHERE kind = named.kind AND status IN ('pending', 'sending')) owed
        CROSS JOIN LATERAL (SELECT count(*) AS failed FROM outbox
                             WHERE kind = named.kind AND status = 'failed') ended
        GROUP BY 1`,
    ),
    sql.query<{ seconds: number }>(
      `SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float AS seconds
         FROM import_queue_batch WHERE status IN ('queued', 'in_progress', 'canceling')`,
    ),
    sql.query<Figures['paused'][number]>(
      `SELECT pause_reason AS reason, count(*)::integer AS count
         FROM import_queue_batch WHERE status = 'paused' GROUP BY 1`,
    ),
    sql.query<{ seconds: number }>(
      `SELECT coalesce(extract(epoch FROM now() - min(queued_at)), 0)::float AS seconds
         FROM import_queue_chunk WHERE state = 'queued'`,
    ),
    sql.query<{ seconds: number }>(
      `SELECT coalesce(extract(epoch FROM now() - min(coalesce(progress.at, b.started_at))), 0)::float AS seconds
         FROM import_queue_batch b
        CROSS JOIN LATERAL (SELECT max(done_at) AS at FROM import_queue_chunk c
                             WHERE c.workflow_import_queue_batch_id = b.workflow_import_queue_batch_id) progress
        WHERE b.status IN ('in_progress', 'canceling')`,
    ),
  ]);
  return {
    batches: batches.rows,
    openChunks: openChunks.rows,
    outboxes: outboxes.rows,
    oldestBatchSeconds: oldest.rows[0]?.seconds ?? 0,
    paused: paused.rows,
    oldestChunkSeconds: oldestChunk.rows[0]?.seconds ?? 0,
    stalledSeconds: stalled.rows[0]?.seconds ?? 0,
  };
}

const REDIS_BOUND_MS = 1_000;
const STATES = ['waiting', 'active', 'delayed', 'failed', 'paused'] as const;

/** Jobs in Redis, and which queues a person has paused. */
interface QueueFigure {
  jobs: JobFigure[];
  paused: { queue: string; paused: boolean }[];
}

interface JobFigure {
  queue: string;
  state: string;
  count: number;
}

/** How many jobs wait in Redis. */
@Injectable()
class QueueFigures {
  constructor(
    @InjectQueue(CHUNK_QUEUE) private readonly chunks: Queue,
    @InjectQueue(NOTIFICATION_QUEUE) private readonly notifications: Queue,
    @InjectQueue(BEHAVIOR_QUEUE) private readonly behaviors: Queue,
    @InjectQueue(WEBHOOK_QUEUE) private readonly webhooks: Queue,
  ) {}

  /** `null` when Redis does not answer in time: there are no jobs to count then. */
  async read(): Promise<QueueFigure | null> {
    try {
      const figures: QueueFigure = { jobs: [], paused: [] };
      for (const queue of [this.chunks, this.notifications, this.behaviors, this.webhooks]) {
        const counts = (await withTimeout(REDIS_BOUND_MS, queue.getJobCounts())) as unknown as Record<
          string,
          number
        >;
        const paused = await withTimeout(REDIS_BOUND_MS, queue.isPaused());
        figures.paused.push({ queue: queue.name, paused });
        figures.jobs.push(
          ...STATES.map((state) => ({ queue: queue.name, state, count: counts[state] ?? 0 })),
        );
      }
      return figures;
    } catch {
      return null;
    }
  }
}

const CHEAP = INVARIANTS.filter(({ cheap }) => cheap);
/** Requests within this time share the result of one query. */
const FIGURES_SERVE_MS = 1_000;
const INVARIANTS_SERVE_MS = 60_000;

/** Figures for Prometheus: of this process, and of the installation as PostgreSQL and Redis see it. */
@Injectable()
class MetricsService implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger(MetricsService.name);
  private readonly registry = new Registry();
  private readonly gauge = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge({ name: `workflow_import_queue_${name}`, help, labelNames, registers: [this.registry] });

  private readonly batches = this.gauge('batches', 'Batches by status', ['status']);
  private readonly openChunks = this.gauge('open_chunks', 'Chunks that are not done', ['state']);
  private readonly outbox = this.gauge('outbox_pending', 'Mails and webhooks still to be sent', ['outbox']);
  private readonly outboxFailed = this.gauge(
    'outbox_failed',
    'Mails and webhooks that were given up and can be resent',
    ['outbox'],
  );
  private readonly oldestWaiting = this.gauge(
    'oldest_waiting_seconds',
    'Age of the oldest batch that has not ended (paused ones apart), of the oldest queued chunk, and of what waits in an outbox',
    ['kind'],
  );
  private readonly jobs = this.gauge('queue_jobs', 'Jobs in Redis', ['queue', 'state']);
  private readonly queuePaused = this.gauge('queue_paused', 'Whether a person has paused the queue', [
    'queue',
  ]);
  private readonly paused = this.gauge('batches_paused', 'Paused batches by reason', ['reason']);
  private readonly stalled = this.gauge(
    'batch_stalled_seconds',
    'The longest time for which a batch that is in progress has finished no chunk',
  );
  private readonly pool = this.gauge('database_connections', 'Connections of this process to PostgreSQL', [
    'state',
  ]);
  private readonly reads = new Counter({
    name: 'workflow_import_queue_reads_total',
    help: 'Statements of requests that only read, by the server that answered (with DATABASE_READ_URL)',
    labelNames: ['server'],
    registers: [this.registry],
  });
  private readonly redisUp = this.gauge('redis_up', 'Whether Redis answered');
  private readonly violations = this.gauge(
    'invariant_violations',
    'What must not be, see npm run doctor; looked at once a minute',
    ['invariant'],
  );
  private readonly recordsProcessed = new Counter({
    name: 'workflow_import_queue_records_processed_total',
    help: 'Outcomes this process has written; those of a chunk that was rolled back count again',
    labelNames: ['import_process', 'outcome'],
    registers: [this.registry],
  });
  private readonly chunkSeconds = new Histogram({
    name: 'workflow_import_queue_chunk_duration_seconds',
    help: 'Runs of chunks in this process',
    labelNames: ['result'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [this.registry],
  });

  private readonly batchSeconds = new Histogram({
    name: 'workflow_import_queue_batch_duration_seconds',
    help: 'Batches that this process ended, from their first chunk to their end',
    labelNames: ['status'],
    buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400],
    registers: [this.registry],
  });
  private readonly openBodies = this.gauge('admission_open', 'Bodies of batches that this process receives');
  private readonly waitingCalls = this.gauge(
    'admission_waiting',
    'Calls that wait to send the body of a batch',
  );
  private readonly refusedCalls = new Counter({
    name: 'workflow_import_queue_admission_refused_total',
    help: 'Calls that this process refused before it read their body, by the code of the error',
    labelNames: ['code'],
    registers: [this.registry],
  });

  private stopMeasuring = () => {};
  private figuresAt = -Infinity;
  private invariantsAt = -Infinity;
  private refreshing: Promise<void> | undefined;

  constructor(
    private readonly database: DatabaseService,
    private readonly queues: QueueFigures,
    private readonly config: AppConfig,
  ) {}

  onModuleInit(): void {
    collectDefaultMetrics({ register: this.registry });
    this.gauge('build_info', 'The version of this process', ['version']).set({ version: PROGRAM_VERSION }, 1);
    this.gauge('worker_concurrency', 'Chunks that this process handles at a time, at most').set(
      this.config.role === 'api' ? 0 : this.config.workerConcurrency,
    );
    this.gauge('chunk_window', 'Chunks of one batch that are queued at a time, at most').set(
      this.config.chunkWindow,
    );
    this.stopMeasuring = onMeasurement({
      chunk: ({ result, seconds }) => this.chunkSeconds.observe({ result }, seconds),
      records: ({ importProcessId, counts }) => {
        for (const [outcome, count] of Object.entries(counts)) {
          if (count > 0) this.recordsProcessed.inc({ import_process: importProcessId, outcome }, count);
        }
      },
      batch: ({ status, seconds }) => this.batchSeconds.observe({ status }, seconds),
      admission: ({ open, waiting, refused }) => {
        this.openBodies.set(open);
        this.waitingCalls.set(waiting);
        if (refused !== undefined) this.refusedCalls.inc({ code: refused });
      },
    });
  }

  onModuleDestroy(): void {
    this.stopMeasuring();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** The text format of Prometheus. */
  async text(): Promise<string> {
    this.refreshing ??= this.refresh().finally(() => (this.refreshing = undefined));
    await this.refreshing;
    this.reads.reset();
    for (const [server, count] of Object.entries(this.database.replica.answered ?? {})) {
      this.reads.inc({ server }, count);
    }
    return this.registry.metrics();
  }

  private async refresh(): Promise<void> {
    const now = performance.now();
    if (now - this.figuresAt < FIGURES_SERVE_MS) return;
    const figures = await selectFigures(this.database);
    this.figuresAt = now;
    for (const status of BATCH_STATUSES) this.batches.set({ status }, 0);
    for (const { status, count } of figures.batches) this.batches.set({ status }, count);
    for (const state of ['pending', 'queued']) this.openChunks.set({ state }, 0);
    for (const { state, count } of figures.openChunks) this.openChunks.set({ state }, count);
    for (const { outbox, pending, failed, oldestSeconds } of figures.outboxes) {
      this.outbox.set({ outbox }, pending);
      this.outboxFailed.set({ outbox }, failed);
      this.oldestWaiting.set({ kind: outbox }, oldestSeconds);
    }
    this.oldestWaiting.set({ kind: 'batch' }, figures.oldestBatchSeconds);
    this.oldestWaiting.set({ kind: 'chunk' }, figures.oldestChunkSeconds);
    for (const reason of PAUSE_REASONS) this.paused.set({ reason }, 0);
    for (const { reason, count } of figures.paused) this.paused.set({ reason }, count);
    this.stalled.set(figures.stalledSeconds);
    const { open, idle, waiting } = this.database.connections;
    this.pool.set({ state: 'used' }, open - idle);
    this.pool.set({ state: 'idle' }, idle);
    this.pool.set({ state: 'waited_for' }, waiting);
    await this.refreshQueues();
    if (now - this.invariantsAt < INVARIANTS_SERVE_MS) return;
    this.invariantsAt = now;
    for (const { code } of CHEAP) this.violations.set({ invariant: code }, 0);
    for (const { invariant, count, rows } of await examine(this.database, CHEAP)) {
      this.violations.set({ invariant: invariant.code }, count);
      this.logger.error({ message: `NOT TRUE: ${invariant.sentence}`, count, rows });
    }
  }

  /** Without Redis there are no jobs to count, which is also a figure. */
  private async refreshQueues(): Promise<void> {
    const figures = await this.queues.read();
    this.redisUp.set(figures === null ? 0 : 1);
    this.jobs.reset();
    for (const { queue, state, count } of figures?.jobs ?? []) this.jobs.set({ queue, state }, count);
    this.queuePaused.reset();
    for (const { queue, paused } of figures?.paused ?? []) this.queuePaused.set({ queue }, paused ? 1 : 0);
  }
}

/** Requires ViewImports, because the figures show how much is imported and when (ADR 17). */
@ApiTags('Health')
@Controller('metrics')
@RequirePermission('ViewImports')
class MetricsController {
  constructor(private readonly metrics: MetricsService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'Figures for Prometheus',
    description: 'In Prometheus: `authorization: {type: apikey, credentials: <key with ViewImports>}`.',
  })
  @ApiProduces('text/plain')
  @ApiOkResponse({ description: 'The text format of Prometheus', schema: TEXT })
  async figures(
    @CurrentPrincipal() principal: Principal,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    assertUnlimited(principal);
    const text = await this.metrics.text();
    response.setHeader('Content-Type', this.metrics.contentType);
    return text;
  }
}

/** Every role serves them: each process has figures of its own. */
@Module({
  imports: [QueueModule],
  controllers: [MetricsController],
  providers: [MetricsService, QueueFigures],
})
export class MetricsModule {}
