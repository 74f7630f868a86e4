import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/app/database.js';
import type { Principal } from '../../src/auth/principal.js';
import { BatchReader } from '../../src/batches/batch-reader.js';
import type { AppConfig } from '../../src/platform/config/config.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import type { QueuePauses } from '../../src/platform/queue/queues.js';
import { insertBatch, storeImportProcess } from '../support/stored-batch.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

describe('reading one batch', () => {
  let database: TestDatabase;
  let source: DataSource;
  let client: Client;
  let reader: BatchReader;
  let importProcessId: number;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(
      dataSourceOptions({ databaseUrl: database.url, databasePoolSize: 4, migrateOnStart: false }),
    ).initialize();
    client = new Client({ connectionString: database.url });
    await client.connect();
    const config = { publicUrl: 'https://imports.example.org' } as AppConfig;
    const pauses = { lastKnown: [], readSoon: () => Promise.resolve() } as unknown as QueuePauses;
    reader = new BatchReader(new DatabaseService(source), config, pauses);
    importProcessId = await storeImportProcess(client, 'Members');
  });

  afterAll(async () => {
    await client.end();
    await source.destroy();
    await database.drop();
  });

  it('adds up the chunks of a running batch', async () => {
    const id = await insertBatch(client, importProcessId, {
      status: 'in_progress',
      startedAt: new Date(Date.now() - 5000),
      chunkSize: 2,
      records: [
        { line: 1, status: 'succeeded', operation: 'created', payload: '{}' },
        { line: 2, status: 'failed', operation: 'rejected', payload: '{}' },
        { line: 3, status: 'invalid', payload: '{}' },
        { line: 4, status: 'pending', payload: '{}' },
        { line: 5, status: 'pending', payload: '{}' },
      ],
    });
    const batch = await reader.get(id);
    expect(batch).toMatchObject({
      WORKFLOW_IMPORT_QUEUE_BATCH_ID: id,
      importProcessId,
      importProcessName: 'Members',
      importProcessVersion: 1,
      creationPath: 'IMPORT_QUEUE_API:LH',
      status: 'in_progress',
      recordCounts: {
        total: 5,
        invalid: 1,
        pending: 2,
        processing: 0,
        succeeded: 1,
        failed: 1,
        skipped: 0,
        canceled: 0,
        unknown: 0,
      },
      operations: { created: 1, updated: 0, unchanged: 0 },
      progress: { processed: 3, total: 5 },
      finishedAt: null,
      retryOf: null,
      createdBy: 'api-key:1',
      resultsUrl: `https://imports.example.org/imports/${id}`,
      failureReason: null,
    });
    expect(batch.progress.ratePerSecond).toBeGreaterThan(0);
    expect(batch.links).toEqual({
      self: `/API/WorkflowImportQueue/Batches/${id}`,
      records: `/API/WorkflowImportQueue/Batches/${id}/Records`,
      results: `/API/WorkflowImportQueue/Batches/${id}/Results`,
      cancel: `/API/WorkflowImportQueue/Batches/${id}/Cancel`,
      pause: `/API/WorkflowImportQueue/Batches/${id}/Pause`,
    });
  });

  it('takes the final counts of a batch that ended from its own row', async () => {
    const id = await insertBatch(client, importProcessId, {
      status: 'completed_with_errors',
      startedAt: new Date('2026-01-01T00:00:00Z'),
      finishedAt: new Date('2026-01-01T00:00:02Z'),
      records: [
        { line: 1, status: 'succeeded', operation: 'unchanged', payload: '{}' },
        { line: 2, status: 'skipped', payload: '{}' },
        { line: 3, status: 'failed', payload: '{}' },
        { line: 4, status: 'canceled', payload: '{}' },
      ],
    });
    await client.query('DELETE FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1', [id]);
    expect(await reader.get(id)).toMatchObject({
      recordCounts: { total: 4, pending: 0, succeeded: 1, skipped: 1, failed: 1, canceled: 1 },
      operations: { created: 0, updated: 0, unchanged: 1 },
      progress: { processed: 3, total: 4, ratePerSecond: 1.5, etaSeconds: null },
      startedAt: '2026-01-01T00:00:00.000Z',
      finishedAt: '2026-01-01T00:00:02.000Z',
      links: { retryFailed: `/API/WorkflowImportQueue/Batches/${id}/RetryFailed` },
    });
  });

  it('offers no second retry while the first exists, and offers one again after it was canceled', async () => {
    const records = [{ line: 1, status: 'failed', payload: '{}' } as const];
    const parent = await insertBatch(client, importProcessId, { status: 'completed_with_errors', records });
    const child = await insertBatch(client, importProcessId, {
      status: 'queued',
      retryOf: parent,
      creationPath: 'IMPORT_QUEUE_RETRY',
      records: [],
    });
    expect((await reader.get(parent)).links.retryFailed).toBeUndefined();
    expect((await reader.get(child)).retryOf).toBe(parent);
    await client.query(
      `UPDATE import_queue_batch SET status = 'canceled' WHERE workflow_import_queue_batch_id = $1`,
      [child],
    );
    expect((await reader.get(parent)).links.retryFailed).toBeDefined();
  });

  it('keeps total equal to the sum of the states in every read while chunks commit', async () => {
    const records = Array.from({ length: 400 }, (_, index) => ({
      line: index + 1,
      status: 'pending' as const,
      payload: '{}',
    }));
    const id = await insertBatch(client, importProcessId, { status: 'in_progress', chunkSize: 4, records });
    const finishChunks = (async () => {
      for (let chunk = 1; chunk <= 100; chunk++) {
        await client.query(
          `UPDATE import_queue_chunk SET state = 'done', done_at = now(), succeeded_count = 3, failed_count = 1
           WHERE workflow_import_queue_batch_id = $1 AND chunk_number = $2`,
          [id, chunk],
        );
      }
      await client.query(
        `UPDATE import_queue_batch SET status = 'completed_with_errors', succeeded_count = 300, failed_count = 100,
           skipped_count = 0, canceled_count = 0, unknown_count = 0, created_count = 300, updated_count = 0,
           unchanged_count = 0, finished_at = now() WHERE workflow_import_queue_batch_id = $1`,
        [id],
      );
    })();
    for (let ended = false; !ended;) {
      const { status, recordCounts } = await reader.get(id);
      const { total, ...states } = recordCounts;
      expect(Object.values(states).reduce((sum, count) => sum + count, 0)).toBe(total);
      ended = status === 'completed_with_errors';
    }
    await finishChunks;
  });

  it('answers 404 for a batch that does not exist', async () => {
    await expect(reader.get(999_999)).rejects.toMatchObject({ status: 404, code: 'batch_not_found' });
  });

  it('answers 403 to a key that is limited to other import processes', async () => {
    const id = await insertBatch(client, importProcessId, { status: 'queued', records: [] });
    const limitedTo = (importProcessIds: number[]): Principal => ({
      id: 'api-key:9',
      name: 'nightly',
      permissions: ['ViewImports'],
      importProcessIds,
      administrator: false,
    });
    await expect(reader.get(id, limitedTo([importProcessId + 1]))).rejects.toMatchObject({ status: 403 });
    await expect(reader.get(id, limitedTo([importProcessId]))).resolves.toMatchObject({ status: 'queued' });
  });
});
