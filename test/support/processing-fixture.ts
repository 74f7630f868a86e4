import 'reflect-metadata';
import { getQueueToken } from '@nestjs/bull';
import type { LoggerService } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import type { Queue } from 'bull';
import { DatabaseModule } from '../../src/app/database.js';
import { loadConfig } from '../../src/platform/config/config-loader.js';
import { ConfigModule } from '../../src/platform/config/config.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { CHUNK_QUEUE, type ChunkJob } from '../../src/platform/queue/queues.js';
import { ChunkRunner } from '../../src/processing/chunk-runner.js';
import { BatchFinisher, ChunkScheduler } from '../../src/processing/chunk-scheduler.js';
import { ProcessingModule } from '../../src/processing/processing.module.js';
import { Reconciler } from '../../src/processing/reconciler.js';
import { TargetRegistry } from '../../src/targets/targets.module.js';
import { EffectsTarget } from './effects-target.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

const SILENT: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };

export interface Worker {
  module: TestingModule;
  target: EffectsTarget;
  scheduler: ChunkScheduler;
  runner: ChunkRunner;
  finisher: BatchFinisher;
  reconciler: Reconciler;
  queue: Queue<ChunkJob>;
}

export interface ChunkToStore {
  payloads: string[];
  orderingKeys?: bigint[];
}

export interface BatchToStore {
  chunks: ChunkToStore[];
  ordered?: boolean;
  targetKind?: string;
  sendSuccessEmailTo?: string;
  sendFailureEmailTo?: string;
}

/** The real processing module, on real servers, with a target of the tests. */
export class ProcessingFixture {
  private readonly workers: Worker[] = [];

  private constructor(
    private readonly database: TestDatabase,
    private readonly environment: Record<string, string>,
    readonly sql: DatabaseService,
    private readonly first: Worker,
  ) {
    this.workers.push(first);
  }

  static async start(environment: Record<string, string> = {}): Promise<ProcessingFixture> {
    const database = await createTestDatabase();
    const first = await createWorker(database, environment);
    const sql = first.module.get(DatabaseService);
    await EffectsTarget.prepare(sql);
    return new ProcessingFixture(database, environment, sql, first);
  }

  /** A worker that takes nothing from the queue before `module.init()`. */
  get worker(): Worker {
    return this.first;
  }

  async addWorker(environment: Record<string, string> = {}): Promise<Worker> {
    const worker = await createWorker(this.database, { ...this.environment, ...environment });
    this.workers.push(worker);
    return worker;
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map(({ module }) => module.close()));
    await this.database.drop();
  }

  async storeBatch({
    chunks,
    ordered = false,
    targetKind = 'effects',
    ...mail
  }: BatchToStore): Promise<number> {
    const { rows } = await this.sql.query<{ id: number }>(
      `WITH process AS (
         INSERT INTO import_process (name, status, current_version)
         VALUES (gen_random_uuid()::text, 'active', 1) RETURNING import_process_id
       ), version AS (
         INSERT INTO import_process_version (import_process_id, version, name, target, ordered, created_by)
         SELECT import_process_id, 1, 'test', jsonb_build_object('kind', $1::text), $2, 'test' FROM process
         RETURNING import_process_id
       )
       INSERT INTO import_queue_batch (file_name, import_process_id, import_process_version, creation_path, status,
         total_count, chunk_count, created_by, send_success_email_to, send_failure_email_to)
       SELECT 'people.jsonl', import_process_id, 1, 'IMPORT_QUEUE_API', 'queued', $3, $4, 'api-key:1', $5, $6
         FROM version
       RETURNING workflow_import_queue_batch_id AS id`,
      [
        targetKind,
        ordered,
        chunks.reduce((sum, { payloads }) => sum + payloads.length, 0),
        chunks.length,
        mail.sendSuccessEmailTo ?? null,
        mail.sendFailureEmailTo ?? null,
      ],
    );
    const batchId = rows[0]!.id;
    let line = 1;
    for (const [index, { payloads, orderingKeys }] of chunks.entries()) {
      await this.sql.query(
        `INSERT INTO import_queue_chunk (workflow_import_queue_batch_id, chunk_number, first_line, last_line,
           record_count, invalid_count, state, ordering_keys)
         VALUES ($1, $2, $3, $4, $5, 0, 'pending', $6)`,
        [batchId, index + 1, line, line + payloads.length - 1, payloads.length, packed(orderingKeys)],
      );
      await this.sql.query(
        `INSERT INTO import_queue_line (workflow_import_queue_batch_id, line_number, payload)
         SELECT $1, $2::integer - 1 + ordinality, payload FROM unnest($3::text[]) WITH ORDINALITY AS r (payload)`,
        [batchId, line, payloads],
      );
      line += payloads.length;
    }
    return batchId;
  }

  async batch(batchId: number): Promise<Record<string, unknown>> {
    const { rows } = await this.sql.query<Record<string, unknown>>(
      'SELECT * FROM import_queue_batch WHERE workflow_import_queue_batch_id = $1',
      [batchId],
    );
    return rows[0]!;
  }

  async status(batchId: number): Promise<string> {
    return (await this.batch(batchId)).status as string;
  }

  async setStatus(batchId: number, status: string): Promise<void> {
    await this.sql.query(
      'UPDATE import_queue_batch SET status = $2 WHERE workflow_import_queue_batch_id = $1',
      [batchId, status],
    );
  }

  /** In chunk order. */
  async chunks(batchId: number): Promise<Record<string, unknown>[]> {
    const { rows } = await this.sql.query<Record<string, unknown>>(
      'SELECT * FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1 ORDER BY chunk_number',
      [batchId],
    );
    return rows;
  }

  async chunkStates(batchId: number): Promise<unknown[]> {
    return (await this.chunks(batchId)).map(({ state }) => state);
  }

  /** In line order. */
  async records(batchId: number): Promise<Record<string, unknown>[]> {
    const { rows } = await this.sql.query<Record<string, unknown>>(
      'SELECT * FROM import_queue_record WHERE workflow_import_queue_batch_id = $1 ORDER BY line_number',
      [batchId],
    );
    return rows;
  }

  /** The lines whose effects were committed, in the order of the effects. */
  async effects(batchId: number): Promise<number[]> {
    const { rows } = await this.sql.query<{ line: number }>(
      'SELECT line FROM effect WHERE batch_id = $1 ORDER BY number',
      [batchId],
    );
    return rows.map(({ line }) => line);
  }

  async notifications(batchId: number): Promise<{ kind: string; recipient: string }[]> {
    const { rows } = await this.sql.query<{ kind: string; recipient: string }>(
      'SELECT outcome AS kind, recipient FROM outbox WHERE workflow_import_queue_batch_id = $1',
      [batchId],
    );
    return rows;
  }
}

/** `count` chunks of `size` records that all do the same. */
export function chunksOf(count: number, size: number, payload = '{}'): ChunkToStore[] {
  return Array.from({ length: count }, () => ({ payloads: new Array<string>(size).fill(payload) }));
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function packed(keys: bigint[] | undefined): Buffer | null {
  if (keys === undefined) return null;
  return Buffer.from(BigUint64Array.from(keys).sort().buffer).swap64();
}

async function createWorker(database: TestDatabase, environment: Record<string, string>): Promise<Worker> {
  const config = loadConfig({
    DATABASE_URL: database.url,
    DATABASE_POOL_SIZE: '12',
    MIGRATE_ON_START: 'false',
    REDIS_URL: process.env.REDIS_URL,
    QUEUE_PREFIX: database.name,
    LOG_LEVEL: 'error',
    RECONCILE_INTERVAL_MS: '600000',
    ...environment,
  });
  const target = new EffectsTarget();
  const module = await Test.createTestingModule({
    imports: [ConfigModule.with(config), DatabaseModule, ProcessingModule],
  })
    .overrideProvider(TargetRegistry)
    .useValue(new TargetRegistry([target]))
    .setLogger(SILENT)
    .compile();
  const find = { strict: false };
  return {
    module,
    target,
    scheduler: module.get(ChunkScheduler, find),
    runner: module.get(ChunkRunner, find),
    finisher: module.get(BatchFinisher, find),
    reconciler: module.get(Reconciler, find),
    queue: module.get<Queue<ChunkJob>>(getQueueToken(CHUNK_QUEUE), find),
  };
}
