import { Client } from 'pg';
import { PreviewService } from '../../src/import-queue/preview.service.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** One more than an upload answers with its preview. */
const MANY = 200_001;

describe('the preview of a large file', () => {
  let test: TestApp;
  let client: ImportClient;
  let importProcessId: number;
  let sql: Client;

  beforeAll(async () => {
    test = await startTestApp();
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
  });
  afterAll(async () => {
    await sql.end();
    await test.close();
  });

  /** Break it: in `prepare`, await `run`; in `run`, leave out `renewPreviewRun` or `endPreviewRun`. */
  it('is made after the answer, with its own progress', async () => {
    const rows = Array.from({ length: MANY }, (_, n) => `M-${n},person${n}@example.org,First`);
    const answer = await client.upload([':UniqueId,:Email,First Name', ...rows].join('\n'), {
      importProcessId,
    });
    expect(answer).toMatchObject({
      status: 202,
      body: { summary: { valid: MANY, operations: null, previewProgress: { total: MANY } } },
    });
    const { self } = answer.body.links;
    expect(await client.get(`${self}/Preview`)).toMatchObject({
      status: 409,
      body: { code: 'state_conflict' },
    });
    const page = async () => {
      const id = answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
      const response = await fetch(`${test.url}/imports/${id}`, { headers: { cookie: await signIn(test) } });
      return response.text();
    };
    expect(await page()).toContain('of 200,001 rows.');
    expect(await page()).toContain('<meta http-equiv="refresh"');

    const seen: number[] = [];
    const summary = await eventually(
      async () => {
        const { body } = await client.get(self);
        if (body.summary.previewProgress !== null) seen.push(body.summary.previewProgress.processed);
        return body.summary.operations === null ? null : body.summary;
      },
      'the preview to be made',
      120_000,
    );
    expect(seen.some((processed) => processed > 0 && processed < MANY)).toBe(true);
    expect(summary).toMatchObject({ operations: { create: MANY, update: 0 }, previewProgress: null });
    expect((await client.get(`${self}/Preview?operation=created`)).body.items).toHaveLength(50);
    expect(await page()).toContain('Create <small>200,001</small>');
    const { rows: left } = await sql.query('SELECT FROM import_queue_preview_run');
    expect(left).toEqual([]);
  }, 180_000);

  /** Break it: in `claimLostPreviewRun`, turn the comparison; in `pass`, do not run what was claimed. */
  it('is made by another process if the first one has died', async () => {
    const answer = await client.upload(jsonl([member(1), member(2)]), { importProcessId });
    const id = answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    const forget = async (age: string) => {
      await sql.query('DELETE FROM import_queue_preview WHERE workflow_import_queue_batch_id = $1', [id]);
      await sql.query('DELETE FROM import_queue_preview_run');
      await sql.query(
        `INSERT INTO import_queue_preview_run (workflow_import_queue_batch_id, total, alive_at)
         VALUES ($1, 2, now() - $2::interval)`,
        [id, age],
      );
    };
    const look = () => test.app.get(PreviewService, { strict: false })['pass']();
    await forget('50 seconds');
    await look();
    expect((await client.batch(id)).summary).toMatchObject({
      operations: null,
      previewProgress: { processed: 0, total: 2 },
    });
    await forget('70 seconds');
    await look();
    expect((await client.batch(id)).summary).toMatchObject({
      operations: { create: 2 },
      previewProgress: null,
    });
  });

  /** Break it: in `run`, leave the row of a run that failed. */
  it('is given up once the file is confirmed', async () => {
    const answer = await client.upload(jsonl([member(11)]), { importProcessId });
    const id = answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    await sql.query('DELETE FROM import_queue_preview WHERE workflow_import_queue_batch_id = $1', [id]);
    await client.act(answer, 'Confirm');
    await client.ended(id);
    await sql.query(
      `INSERT INTO import_queue_preview_run (workflow_import_queue_batch_id, total, alive_at)
       VALUES ($1, 1, now() - interval '2 minutes')`,
      [id],
    );
    await test.app.get(PreviewService, { strict: false })['pass']();
    expect((await client.batch(id)).summary).toMatchObject({ operations: null, previewProgress: null });
    expect((await sql.query('SELECT FROM import_queue_preview_run')).rows).toEqual([]);
  });
});
