import { DatabaseService } from '../../src/platform/database/database.service.js';
import { eventually } from '../support/eventually.js';
import { type Answer, ImportClient, jsonl, member, MEMBER_WORKFLOW } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const CHUNK = 5;
const WINDOW = 2;

const members = (from: number, to: number, more: Record<string, unknown> = {}) =>
  Array.from({ length: to - from + 1 }, (_, index) => member(from + index, more));
const numbersIn = (sentence: string | null, form: RegExp) =>
  (form.exec(sentence ?? '') ?? []).slice(1).map(Number);
const soon = (ms: number) => new Date(Date.now() + ms).toISOString();

describe('the control of a run', () => {
  let app: TestApp;
  let client: ImportClient;
  let creating: number;
  /** Members 1 to 20 exist; all others fail. */
  let existingOnly: number;

  beforeAll(async () => {
    app = await startTestApp({ CHUNK_SIZE: String(CHUNK), CHUNK_WINDOW: String(WINDOW) });
    client = new ImportClient(app.url);
    creating = await client.setUp();
    existingOnly = await client.setUp(undefined, { onNoMatch: 'reject' });
    const { body } = await send(members(1, 20), { importProcessId: creating });
    await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
  });
  afterAll(() => app.close());

  const send = async (rows: unknown[], query: Record<string, string | number>): Promise<Answer> => {
    const answer = await client.createBatch(jsonl(rows), query);
    expect(answer.body).toMatchObject({ status: 'queued' });
    return answer;
  };
  const now = async ({ body }: Answer) => client.batch(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
  const ended = ({ body }: Answer) => client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
  const paused = (answer: Answer) =>
    eventually(async () => {
      const batch = await now(answer);
      return batch.status === 'paused' ? batch : null;
    }, 'the batch to pause');
  const logged = async ({ body }: Answer) => {
    const { rows } = await app.app
      .get(DatabaseService)
      .query<{ entries: number }>(
        'SELECT count(*)::integer AS entries FROM workflow_log WHERE workflow_import_queue_batch_id = $1',
        [body.WORKFLOW_IMPORT_QUEUE_BATCH_ID],
      );
    return rows[0]!.entries;
  };

  describe('an error budget', () => {
    it('pauses the batch within one window, and again for as many failures after it was resumed', async () => {
      const rows = [...members(1, 20, { Level: 'Associate' }), ...members(1001, 1100)];
      const answer = await send(rows, { importProcessId: existingOnly, maxFailed: 3 });
      const first = await paused(answer);
      expect(first).toMatchObject({
        pauseReason: 'error_budget',
        waitingFor: { reason: 'paused' },
        control: { maxFailed: 3, maxFailedPercent: null, priority: 'normal' },
      });
      expect(first.recordCounts.failed).toBeGreaterThan(3);
      expect(first.recordCounts.failed).toBeLessThanOrEqual((WINDOW + 1) * CHUNK);
      // Chunks that were being processed may have ended since.
      const atPause = numbersIn(
        first.failureReason,
        /^(\d+) of 120 records failed or are invalid; the error budget is 3$/,
      );
      expect(atPause[0]).toBeGreaterThan(3);
      await client.act(answer, 'Resume');
      const second = await paused(answer);
      const again = numbersIn(
        second.failureReason,
        /^(\d+) of 120 records failed or are invalid, (\d+) of them since it was resumed; the error budget is 3$/,
      );
      expect(again[1]).toBe(again[0]! - atPause[0]!);
      expect(again[1]).toBeGreaterThan(3);
      await client.act(answer, 'Cancel');
      const { status, recordCounts } = await ended(answer);
      expect(status).toBe('canceled');
      expect(recordCounts.succeeded + recordCounts.failed + recordCounts.canceled).toBe(120);
    });

    it('counts invalid records, so that nothing of a file full of mistakes is processed', async () => {
      const rows = [...members(1, 4), ...members(5, 20, { Level: 'Senior' })];
      const answer = await send(rows, { importProcessId: existingOnly, maxFailed: 15 });
      expect(await paused(answer)).toMatchObject({ recordCounts: { invalid: 16, pending: 4, succeeded: 0 } });
      await client.act(answer, 'Resume');
      expect(await ended(answer)).toMatchObject({ recordCounts: { invalid: 16, succeeded: 4 } });
    });

    it('of the import process holds in percent, and a call can state another', async () => {
      const process = await client.setUp(
        undefined,
        { onNoMatch: 'reject' },
        { maxFailedPercent: 10, priority: 'low' },
      );
      const rows = [...members(1, 10), ...members(2001, 2003)];
      const within = await send(rows, { importProcessId: process, maxFailedPercent: 50 });
      expect(await ended(within)).toMatchObject({
        status: 'completed_with_errors',
        control: { maxFailedPercent: 50, priority: 'low' },
      });
      const rowsToFail = [...members(2001, 2003), ...members(1, 20)];
      const exceeded = await send(rowsToFail, { importProcessId: process });
      expect(await paused(exceeded)).toMatchObject({
        pauseReason: 'error_budget',
        failureReason: '3 of 23 records failed or are invalid; the error budget is 2',
      });
      await client.act(exceeded, 'Resume');
      await ended(exceeded);
    });
  });

  describe('a canary', () => {
    it('processes exactly its first valid records, and the others after a review, each once', async () => {
      const rows = [member(3000, { Level: 'Senior' }), ...members(3001, 3020)];
      const answer = await send(rows, { importProcessId: creating, canary: 7 });
      expect(await paused(answer)).toMatchObject({
        pauseReason: 'canary',
        failureReason: 'the first 7 valid records were processed',
        recordCounts: { succeeded: 7, invalid: 1, pending: 13 },
        links: { resume: expect.any(String), cancel: expect.any(String) },
      });
      const records = await client.recordsOf(answer);
      expect(records.filter(({ status }) => status === 'succeeded').map(({ line }) => line)).toEqual([
        2, 3, 4, 5, 6, 7, 8,
      ]);
      await client.act(answer, 'Resume');
      expect(await ended(answer)).toMatchObject({ recordCounts: { succeeded: 20 }, pauseReason: null });
      expect(await logged(answer)).toBe(20);
    });

    it('of whole chunks pauses behind the last of them', async () => {
      const answer = await send(members(3101, 3140), { importProcessId: creating, canary: 2 * CHUNK });
      expect(await paused(answer)).toMatchObject({ recordCounts: { succeeded: 2 * CHUNK } });
      await client.act(answer, 'Cancel');
      expect(await ended(answer)).toMatchObject({
        status: 'canceled',
        recordCounts: { succeeded: 2 * CHUNK, canceled: 30 },
      });
    });

    it('larger than the batch changes nothing', async () => {
      const answer = await send(members(3201, 3210), { importProcessId: creating, canary: 11 });
      expect(await ended(answer)).toMatchObject({ status: 'completed', control: { canary: 11 } });
    });

    it('can be asked for when an upload is confirmed', async () => {
      const csv = [':Email,First Name', ...members(3301, 3312).map((row) => `${row[':Email']},A`)].join('\n');
      const upload = await client.upload(csv, { importProcessId: creating, priority: 'high' });
      expect(upload.status).toBe(202);
      const path = `/API/WorkflowImportQueue/Batches/${upload.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`;
      const wrong = await client.post(`${path}/Confirm?canary=0&priorty=low`);
      expect(wrong).toMatchObject({ status: 400, body: { code: 'unknown_parameter' } });
      expect((await client.post(`${path}/Confirm?canary=3`)).status).toBe(202);
      expect(await paused(upload)).toMatchObject({
        recordCounts: { succeeded: 3, pending: 9 },
        control: { canary: 3, priority: 'high' },
      });
      await client.act(upload, 'Resume');
      expect(await ended(upload)).toMatchObject({ status: 'completed' });
    });
  });

  describe('a schedule', () => {
    it('starts the batch at its time, and says so until then', async () => {
      const notBefore = soon(2_000);
      const answer = await send(members(4001, 4003), { importProcessId: creating, notBefore });
      expect(await now(answer)).toMatchObject({
        status: 'queued',
        waitingFor: { reason: 'not_before' },
        control: { notBefore },
      });
      const { startedAt } = await ended(answer);
      expect(Date.parse(startedAt!)).toBeGreaterThanOrEqual(Date.parse(notBefore));
    });

    it('does not delay a cancellation', async () => {
      const answer = await send(members(4101, 4103), {
        importProcessId: creating,
        notBefore: soon(3_600_000),
      });
      await client.act(answer, 'Cancel');
      expect(await ended(answer)).toMatchObject({ status: 'canceled', recordCounts: { canceled: 3 } });
    });

    it('ends with a deadline: records that still wait then are canceled', async () => {
      const expiresAt = soon(1_500);
      const answer = await send(members(4201, 4212), { importProcessId: creating, canary: 2, expiresAt });
      await paused(answer);
      expect(await ended(answer)).toMatchObject({
        status: 'completed_with_errors',
        failureReason: 'expired',
        recordCounts: { succeeded: 2, canceled: 10 },
      });
    });
  });

  it('can mute the mails and webhooks of actions', async () => {
    const hooked = {
      ...MEMBER_WORKFLOW,
      name: 'hooked',
      steps: MEMBER_WORKFLOW.steps.map((step) => ({
        ...step,
        actions: step.actions.map((action) => ({
          ...action,
          behaviors: [{ kind: 'webhook' as const, url: 'https://example.org/' }],
        })),
      })),
    };
    const process = await client.setUp(hooked);
    const owed = async (more: Record<string, string>, n: number) => {
      const answer = await send([member(n)], { importProcessId: process, ...more });
      await ended(answer);
      const { rows } = await app.app
        .get(DatabaseService)
        .query<{ owed: number }>(
          'SELECT count(*)::integer AS owed FROM outbox WHERE workflow_import_queue_batch_id = $1',
          [answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID],
        );
      return rows[0]!.owed;
    };
    expect(await owed({ muteBehaviors: 'true' }, 5001)).toBe(0);
    expect(await owed({ muteBehaviors: 'false' }, 5002)).toBe(1);
  });

  it('is refused with every mistake in one answer', async () => {
    const { status, body } = await client.createBatch(jsonl([member(1)]), {
      importProcessId: creating,
      priority: 'urgent',
      notBefore: 'tomorrow',
      maxFailed: -1,
      maxFailedPercent: 101,
      canary: 0,
      muteBehaviors: 'yes',
    });
    expect(status).toBe(400);
    expect(body.errors.map(({ parameter }: { parameter: string }) => parameter).sort()).toEqual([
      'canary',
      'maxFailed',
      'maxFailedPercent',
      'muteBehaviors',
      'notBefore',
      'priority',
    ]);
    const late = await client.createBatch(jsonl([member(1)]), {
      importProcessId: creating,
      notBefore: soon(60_000),
      expiresAt: soon(30_000),
    });
    expect(late).toMatchObject({
      status: 400,
      body: { errors: [{ parameter: 'expiresAt', message: 'expiresAt must be later than notBefore' }] },
    });
  });

  it('is a part of the request that an Idempotency-Key stands for', async () => {
    const call = (canary: number) =>
      client.createBatch(
        jsonl(members(6001, 6004)),
        { importProcessId: creating, canary },
        { 'idempotency-key': 'control-1' },
      );
    const first = await call(2);
    expect((await call(2)).body).toEqual(first.body);
    expect(await call(3)).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
    await paused(first);
    await client.act(first, 'Cancel');
    await ended(first);
  });
});
