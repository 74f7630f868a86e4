import { writeChunkFault } from '../../src/batches/chunks.sql.js';
import { ProcessingFixture, range } from '../support/processing-fixture.js';

describe('a fault while a chunk is processed', () => {
  let fixture: ProcessingFixture;

  beforeAll(async () => {
    fixture = await ProcessingFixture.start();
  });
  afterEach(() => {
    fixture.worker.target.during = async () => undefined;
  });
  afterAll(() => fixture.stop());

  const store = async (payloads: string[]): Promise<number> => {
    const batchId = await fixture.storeBatch({
      chunks: [{ payloads }],
      sendFailureEmailTo: 'sorry@example.org',
    });
    await fixture.worker.scheduler.advance(batchId);
    return batchId;
  };
  const runUntilDone = async (batchId: number): Promise<number> => {
    for (let faults = 0; ; faults += 1) {
      const run = await fixture.worker.runner.run({ batchId, chunkNumber: 1 }).catch(() => 'failed');
      if (run !== 'failed') return faults;
    }
  };

  it('rolls back all of it, and is recorded in the chunk', async () => {
    const batchId = await store(['{}', '{"do":"throw"}']);
    await expect(fixture.worker.runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow(
      'line 2 breaks the target',
    );
    expect(await fixture.effects(batchId)).toEqual([]);
    expect(await fixture.chunks(batchId)).toMatchObject([
      { state: 'queued', attempts: 1, last_error: 'line 2 breaks the target', succeeded_count: 0 },
    ]);
  });

  it('that comes from single records fails only those, after five attempts of the whole chunk', async () => {
    const payloads = range(1, 100).map((line) => ([1, 42, 43, 100].includes(line) ? '{"do":"throw"}' : '{}'));
    const batchId = await store(payloads);
    expect(await runUntilDone(batchId)).toBe(5);

    const records = await fixture.records(batchId);
    const failed = records.filter(({ status }) => status === 'failed');
    expect(failed.map(({ line_number }) => line_number)).toEqual([1, 42, 43, 100]);
    expect(failed[1]).toMatchObject({
      error_code: 'internal_error',
      error_message: expect.stringMatching(/Give the operator this id: [0-9a-f-]{36}$/),
      operation: 'rejected',
      attempts: 1,
    });
    expect(await fixture.effects(batchId)).toEqual(
      range(1, 100).filter((line) => ![1, 42, 43, 100].includes(line)),
    );
    expect(await fixture.batch(batchId)).toMatchObject({
      status: 'completed_with_errors',
      succeeded_count: 96,
      failed_count: 4,
    });
  });

  it('in the middle of that search loses nothing and repeats nothing', async () => {
    const batchId = await store(range(1, 20).map((line) => (line === 13 ? '{"do":"throw"}' : '{}')));
    const { runner, target } = fixture.worker;
    for (let fault = 0; fault < 5; fault += 1) {
      await expect(runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow();
    }
    target.during = async ({ transaction }, records) => {
      if (records.some(({ line }) => line === 12) && records.length < 5) {
        await transaction.query('SELECT pg_terminate_backend(pg_backend_pid())');
      }
    };
    await expect(runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow();
    const [chunk] = await fixture.chunks(batchId);
    expect(chunk).toMatchObject({
      state: 'queued',
      succeeded_count: (await fixture.effects(batchId)).length,
    });
    expect(chunk!.succeeded_count).toBeGreaterThan(0);

    target.during = async () => undefined;
    await runner.run({ batchId, chunkNumber: 1 });
    expect(await fixture.effects(batchId)).toEqual(range(1, 20).filter((line) => line !== 13));
    expect(await fixture.batch(batchId)).toMatchObject({ succeeded_count: 19, failed_count: 1 });
  });

  it('is recorded but does not count when another worker has finished the chunk since the rollback', async () => {
    const batchId = await store(['{}']);
    await fixture.worker.runner.run({ batchId, chunkNumber: 1 });
    const job = { batchId, chunkNumber: 1 };
    expect(await writeChunkFault(fixture.sql, job, 'told late', false)).toBe(0);
    expect(await fixture.chunks(batchId)).toMatchObject([
      { state: 'done', attempts: 0, last_error: 'told late' },
    ]);
  });

  it('that is transient is never counted against the records', async () => {
    const batchId = await store(['{}']);
    const { runner, target } = fixture.worker;
    target.during = async () => {
      throw Object.assign(new Error('deadlock detected'), { code: '40P01' });
    };
    for (let fault = 0; fault < 7; fault += 1) {
      await expect(runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow('deadlock');
    }
    expect(await fixture.chunks(batchId)).toMatchObject([{ attempts: 0, last_error: 'deadlock detected' }]);
    target.during = async () => undefined;
    await runner.run({ batchId, chunkNumber: 1 });
    expect(await fixture.status(batchId)).toBe('completed');
  });

  const failsWith = (code: string) => async () => {
    throw Object.assign(new Error(`refused with ${code}`), { code });
  };
  const pauseByFault = async (batchId: number) => {
    for (let fault = 1; fault < 5; fault += 1) {
      await expect(fixture.worker.runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow();
    }
    await expect(fixture.worker.runner.run({ batchId, chunkNumber: 1 })).resolves.toBe('handed-back');
  };
  const probe = async (batchId: number) => {
    await fixture.sql.query(
      `UPDATE import_queue_batch SET probe_at = now() - interval '1 second' WHERE workflow_import_queue_batch_id = $1`,
      [batchId],
    );
    await fixture.worker.reconciler.reconcile();
    return fixture.worker.runner.run({ batchId, chunkNumber: 1 });
  };

  /** Break it: in `kindOfSqlState`, answer `data` for everything that is not transient. */
  it.each(['42703', '42501', '57014', '25006', '55P03'])(
    'of the environment (%s) that lasts pauses the batch and fails no record',
    async (code) => {
      const batchId = await store(['{}', '{}']);
      fixture.worker.target.during = failsWith(code);
      await pauseByFault(batchId);
      expect(await fixture.batch(batchId)).toMatchObject({
        status: 'paused',
        pause_reason: 'environment_fault',
        pause_detail: expect.stringContaining('refused with'),
      });
      expect(await fixture.chunks(batchId)).toMatchObject([{ state: 'pending', failed_count: 0 }]);
      await expect(fixture.worker.runner.run({ batchId, chunkNumber: 1 })).resolves.toBe('not-mine');
    },
  );

  /** Break it: in `ChunkRunner.processLocked`, hand back probes too. */
  it('of the environment is probed with one chunk, and its end resumes the batch', async () => {
    const batchId = await fixture.storeBatch({
      chunks: [{ payloads: ['{}'] }, { payloads: ['{}'] }, { payloads: ['{}'] }],
    });
    await fixture.worker.scheduler.advance(batchId);
    fixture.worker.target.during = failsWith('42501');
    await pauseByFault(batchId);
    await expect(fixture.worker.runner.run({ batchId, chunkNumber: 2 })).resolves.toBe('handed-back');

    await expect(probe(batchId)).resolves.toBe('handed-back');
    expect(await fixture.batch(batchId)).toMatchObject({
      status: 'paused',
      pause_reason: 'environment_fault',
    });
    fixture.worker.target.during = async () => undefined;
    await expect(probe(batchId)).resolves.toBe('done');
    expect(await fixture.batch(batchId)).toMatchObject({
      status: 'in_progress',
      pause_reason: null,
      pause_detail: null,
      probe_at: null,
    });
    await fixture.worker.runner.run({ batchId, chunkNumber: 2 });
    await fixture.worker.runner.run({ batchId, chunkNumber: 3 });
    expect(await fixture.batch(batchId)).toMatchObject({ status: 'completed', succeeded_count: 3 });
  });

  /** Break it: in `FaultIsolation.process`, do not compare the errors. */
  it('that makes the code throw for all records alike pauses the batch and fails no record', async () => {
    const batchId = await store(range(1, 8).map(() => '{"do":"throw"}'));
    for (let fault = 0; fault < 5; fault += 1) {
      await expect(fixture.worker.runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow();
    }
    await expect(fixture.worker.runner.run({ batchId, chunkNumber: 1 })).resolves.toBe('handed-back');
    expect(await fixture.batch(batchId)).toMatchObject({
      status: 'paused',
      pause_reason: 'environment_fault',
      pause_detail: expect.stringContaining('breaks the target'),
    });
    expect(await fixture.records(batchId)).toEqual(
      range(1, 8).map(() => expect.objectContaining({ status: 'pending' })),
    );
  });

  it('such as a value that PostgreSQL refuses fails the record that has it', async () => {
    const batchId = await store(range(1, 10).map((line) => (line === 7 ? '{"do":"throw"}' : '{}')));
    fixture.worker.target.during = async ({ transaction }, records) => {
      if (records.some(({ line }) => line === 7)) await transaction.query(`SELECT 'no number'::integer`);
    };
    expect(await runUntilDone(batchId)).toBe(5);
    const failed = (await fixture.records(batchId)).filter(({ status }) => status === 'failed');
    expect(failed).toMatchObject([{ line_number: 7, error_code: 'processing_error' }]);
  });

  it('such as a target that forgets a record is not treated as an outcome', async () => {
    const batchId = await store(['{}', '{}']);
    const { runner, target } = fixture.worker;
    const process = target.process.bind(target);
    target.process = async (records, context) => (await process(records, context)).slice(1);
    await expect(runner.run({ batchId, chunkNumber: 1 })).rejects.toThrow('line 2');
    target.process = process;
    expect(await fixture.effects(batchId)).toEqual([]);
  });

  it('of the batch as a whole fails the batch without trying its records', async () => {
    const batchId = await fixture.storeBatch({
      chunks: [{ payloads: ['{}', '{}'] }],
      targetKind: 'no-such-target',
      sendFailureEmailTo: 'sorry@example.org',
    });
    await fixture.worker.scheduler.advance(batchId);
    expect(await runUntilDone(batchId)).toBe(5);
    expect(await fixture.batch(batchId)).toMatchObject({
      status: 'failed',
      failure_reason: expect.stringContaining('no-such-target'),
      canceled_count: 2,
    });
    expect(await fixture.records(batchId)).toMatchObject([{ status: 'canceled' }, { status: 'canceled' }]);
    expect(await fixture.notifications(batchId)).toEqual([
      { kind: 'failure', recipient: 'sorry@example.org' },
    ]);
  });
});
