import { Client } from 'pg';
import { insertBatch, storeApiKey, storeImportProcess } from '../support/stored-batch.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const VIEWER_KEY = 'a-key-that-may-view-imports';
const SENDER_KEY = 'a-key-that-may-only-start-imports';

describe('GET /API/WorkflowImportQueue/Batches/{id}/Notifications', () => {
  let app: TestApp;
  let client: Client;
  let batchId: number;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    await storeApiKey(client, VIEWER_KEY, ['ViewImports']);
    await storeApiKey(client, SENDER_KEY, ['BeginWorkflowImportProcess']);
    batchId = await insertBatch(client, await storeImportProcess(client, 'Members'), {
      status: 'completed',
      records: [{ line: 1, status: 'succeeded', operation: 'created', payload: '{}' }],
    });
  });
  afterAll(async () => {
    await client?.end();
    await app?.close();
  });

  const get = async (id: number | string, key = VIEWER_KEY) => {
    const response = await fetch(`${app.url}/API/WorkflowImportQueue/Batches/${id}/Notifications`, {
      headers: { authorization: `apikey ${key}` },
    });
    return { status: response.status, body: (await response.json()) as { items: unknown[]; code: string } };
  };

  it('is empty for a batch that owes no mail', async () => {
    expect(await get(batchId)).toEqual({ status: 200, body: { items: [] } });
  });

  it('lets a mail that could not be sent be read', async () => {
    const { rows } = await client.query<{ id: string }>(
      `INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient, status, subject, text_body, html_body,
         attempts, created_at)
       VALUES ('batch_mail', $1, 'success', 'one@example.org', 'not_sent_no_smtp', 'Import succeeded: people.jsonl', 'All is well.',
         '<p>All is well.</p>', 1, '2026-11-24T08:00:00Z')
       RETURNING outbox_id AS id`,
      [batchId],
    );
    expect(await get(batchId)).toEqual({
      status: 200,
      body: {
        items: [
          {
            id: Number(rows[0]!.id),
            kind: 'success',
            recipient: 'one@example.org',
            status: 'not_sent_no_smtp',
            subject: 'Import succeeded: people.jsonl',
            text: 'All is well.',
            attempts: 1,
            lastError: null,
            createdAt: '2026-11-24T08:00:00.000Z',
            nextAttemptAt: null,
            sentAt: null,
          },
        ],
      },
    });
  });

  it('states when a failed mail is tried again, and why it failed', async () => {
    await client.query(
      `INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient, status, attempts, last_error,
         next_attempt_at)
       VALUES ('batch_mail', $1, 'failure', 'two@example.org', 'pending', 3, '451 try again later', '2026-11-24T08:10:00Z')`,
      [batchId],
    );
    const { body } = await get(batchId);
    expect(body.items.at(-1)).toMatchObject({
      status: 'pending',
      attempts: 3,
      lastError: '451 try again later',
      nextAttemptAt: '2026-11-24T08:10:00.000Z',
    });
  });

  it('needs the permission to view imports', async () => {
    expect((await get(batchId, SENDER_KEY)).status).toBe(403);
    expect((await get(batchId, 'no-such-key-at-all')).status).toBe(401);
  });

  it('answers 404 for a batch that does not exist', async () => {
    expect(await get(999_999)).toMatchObject({ status: 404, body: { code: 'batch_not_found' } });
    expect(await get('abc')).toMatchObject({ status: 404, body: { code: 'batch_not_found' } });
  });
});
