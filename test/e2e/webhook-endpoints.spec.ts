import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { Webhook } from 'standardwebhooks';
import { createApp } from '../../src/app/start.js';
import { parseSecretKeys } from '../../src/platform/secret-box.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { type ReceivedWebhook, WebhookReceiver } from '../support/webhook-receiver.js';

const ENDPOINTS = '/API/WebhookEndpoints';
const EVERY_EVENT = [
  'batch.received',
  'batch.awaiting_confirmation',
  'batch.paused',
  'batch.completed',
  'batch.completed_with_errors',
  'batch.failed',
  'batch.canceled',
];

describe('webhooks about batches', () => {
  let app: TestApp;
  let api: ImportClient;
  let sql: Client;
  let receiver: WebhookReceiver;
  let importProcessId: number;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    app = await startTestApp({ ALLOW_PRIVATE_TARGETS: 'true' });
    api = new ImportClient(app.url);
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
    importProcessId = await api.setUp();
  });
  afterAll(async () => {
    await sql?.end();
    await app?.close();
    await receiver?.stop();
  });
  afterEach(async () => {
    receiver.received.length = 0;
    receiver.answers.clear();
    for (const { id } of (await api.get(ENDPOINTS)).body.items)
      await api.call('DELETE', `${ENDPOINTS}/${id}`);
  });

  const create = async (path: string, more: Record<string, unknown> = {}) => {
    const answer = await api.post(ENDPOINTS, {
      url: receiver.url + path,
      events: ['batch.completed', 'batch.completed_with_errors'],
      ...more,
    });
    expect([answer.status, answer.body]).toEqual([201, expect.anything()]);
    return answer.body;
  };
  const importRows = async (...rows: object[]) => {
    const { body } = await api.createBatch(jsonl(rows), { importProcessId });
    return api.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
  };
  const deliveries = async (id: number) => (await api.get(`${ENDPOINTS}/${id}/Deliveries`)).body.items;
  const received = (path: string, count = 1) =>
    eventually(
      () => (receiver.at(path).length >= count ? receiver.at(path) : null),
      `${count} webhooks at ${path}`,
    );
  const settled = (id: number, status: string) =>
    eventually(async () => {
      const items = await deliveries(id);
      return items.length > 0 && items.every((item: { status: string }) => item.status === status)
        ? items
        : null;
    }, `all deliveries to be ${status}`);
  const verified = (secret: string, { body, headers }: ReceivedWebhook): any =>
    new Webhook(secret).verify(body, headers as Record<string, string>);

  /** Break it: in `webhookHeaders`, leave out the timestamp of the signed content. */
  it('are signed by Standard Webhooks, and hold ids, counts and links', async () => {
    const { secret } = await create('/signed');
    const batch = await importRows(member(1), { ...member(2), ':Email': 'no address' });
    const [webhook] = await received('/signed');
    expect(verified(secret, webhook!)).toEqual({
      type: 'batch.completed_with_errors',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      data: {
        WORKFLOW_IMPORT_QUEUE_BATCH_ID: batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID,
        importProcessId,
        importProcessName: expect.any(String),
        status: 'completed_with_errors',
        creationPath: 'IMPORT_QUEUE_API',
        retryOf: null,
        pauseReason: null,
        metadata: {},
        recordCounts: batch.recordCounts,
        operations: batch.operations,
        resultsUrl: `https://imports.example.org/imports/${batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`,
        links: {
          self: `https://imports.example.org/API/WorkflowImportQueue/Batches/${batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`,
          records: `https://imports.example.org/API/WorkflowImportQueue/Batches/${batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID}/Records`,
        },
      },
    });
    const altered = { ...webhook!, body: webhook!.body.replace('"total":2', '"total":3') };
    expect(() => verified(secret, altered)).toThrow('No matching signature');
  });

  /** Break it: in `rotateSecret`, leave out `previous_secret`. */
  it('have two signatures after the secret is rotated, until the previous one ends', async () => {
    const { id, secret: before } = await create('/rotated');
    const rotation = await api.post(`${ENDPOINTS}/${id}/RotateSecret`);
    const { secret: after, previousSecretUntil } = rotation.body;
    expect([rotation.status, after === before]).toEqual([200, false]);
    expect(Date.parse(previousSecretUntil) - Date.now()).toBeGreaterThan(23 * 3_600_000);
    expect(JSON.stringify((await api.get(ENDPOINTS)).body)).not.toContain('whsec_');

    await importRows(member(3));
    const [both] = await received('/rotated');
    expect(both!.headers['webhook-signature']!.toString().split(' ')).toHaveLength(2);
    expect(verified(before, both!)).toEqual(verified(after, both!));

    await sql.query(
      'UPDATE webhook_endpoint SET previous_secret_until = now() WHERE webhook_endpoint_id = $1',
      [id],
    );
    await importRows(member(4));
    const [, one] = await received('/rotated', 2);
    expect(() => verified(before, one!)).toThrow('No matching signature');
    expect(verified(after, one!).type).toBe('batch.completed');
    expect((await api.get(`${ENDPOINTS}/${id}`)).body.previousSecretUntil).toBeNull();
  });

  /** Break it: in `MessageSender.write`, always end the attempt alone. */
  it('end for good when the receiver answers 410, which disables the endpoint', async () => {
    receiver.answers.set('/gone', [410]);
    const { id } = await create('/gone');
    await importRows(member(5));
    const [delivery] = await settled(id, 'failed');
    expect(delivery).toMatchObject({ attempts: 1, nextAttemptAt: null, log: [{ answer: { status: 410 } }] });
    const endpoint = (await api.get(`${ENDPOINTS}/${id}`)).body;
    expect(endpoint).toMatchObject({ status: 'disabled', disabledReason: 'gone', failedDeliveries: 1 });
    await importRows(member(6));
    expect(await deliveries(id)).toHaveLength(1);
    for (const action of ['Test', `Deliveries/${delivery.id}/Resend`]) {
      const refused = await api.post(`${ENDPOINTS}/${id}/${action}`);
      expect([refused.status, refused.body.code]).toEqual([409, 'webhook_endpoint_disabled']);
    }
    const audit = (await api.get('/API/Audit?action=webhook_endpoint_disabled')).body.items;
    expect(audit[0]).toMatchObject({ actor: 'delivery', object: `webhook-endpoint:${id}` });

    const { url, events } = endpoint;
    await api.call('PUT', `${ENDPOINTS}/${id}`, { body: { url, events, status: 'active' } });
    await api.post(`${ENDPOINTS}/${id}/Deliveries/${delivery.id}/Resend`);
    const [again] = await settled(id, 'sent');
    expect(again).toMatchObject({ id: delivery.id, attempts: 2, resends: 1 });
    const [first, second] = receiver.at('/gone');
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
    expect(second!.body).toBe(first!.body);
  });

  /** Break it: in `resendFailedDeliveries`, leave out the deliveries that are pending, or the time. */
  it('that failed since a time are sent again together', async () => {
    receiver.answers.set('/down', new Array<number>(3).fill(503));
    const { id } = await create('/down');
    for (const n of [10, 11, 12]) await importRows(member(n));
    const tried = await eventually(async () => {
      const items = await deliveries(id);
      return items.length === 3 && items.every(({ lastError }: any) => lastError !== null) ? items : null;
    }, 'three failed attempts');
    // Given up, as after three days; the other two still wait for their next attempt.
    await sql.query(`UPDATE outbox SET status = 'failed', ended_at = now() WHERE outbox_id = $1`, [
      tried[0].id,
    ]);
    const old = tried[2].id;
    await sql.query(
      `UPDATE outbox SET created_at = now() - interval '1 day', next_attempt_at = now() + interval '1 day',
              attempt_log = jsonb_set(attempt_log, '{0,at}', '"2026-01-01T00:00:00Z"') WHERE outbox_id = $1`,
      [old],
    );
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const path = `${ENDPOINTS}/${id}/Deliveries/Resend`;
    for (const wrong of ['', '?failedSince=yesterday', '?failedSince=2026-11-28T00:00:00']) {
      expect((await api.post(path + wrong)).status).toBe(400);
    }
    const answer = await api.post(`${path}?failedSince=${encodeURIComponent(since)}`);
    expect([answer.status, answer.body]).toEqual([202, { resent: 2 }]);
    await eventually(async () => {
      const items = await deliveries(id);
      return items.filter(({ status }: any) => status === 'sent').length === 2;
    }, 'two to be sent again');
    const left = (await deliveries(id)).filter(({ status }: any) => status !== 'sent');
    expect(left.map((item: any) => [item.id, item.attempts])).toEqual([[old, 1]]);
  });

  it('are logged with request, answer and time', async () => {
    receiver.answers.set('/logged', [302]);
    const { id } = await create('/logged');
    const test = await api.post(`${ENDPOINTS}/${id}/Test`);
    expect([test.status, test.body]).toMatchObject([
      202,
      { event: 'webhook.test', WORKFLOW_IMPORT_QUEUE_BATCH_ID: null, status: 'pending' },
    ]);
    const log = await eventually(async () => {
      const [item] = await deliveries(id);
      return item.log.length > 0 ? item.log : null;
    }, 'the first attempt');
    const [webhook] = receiver.at('/logged');
    expect(log).toEqual([
      {
        attempt: 1,
        at: expect.stringMatching(/Z$/),
        durationMs: expect.any(Number),
        request: {
          headers: expect.objectContaining({
            'webhook-id': webhook!.headers['webhook-id'],
            'webhook-signature': webhook!.headers['webhook-signature'],
          }),
          body: webhook!.body,
        },
        answer: { status: 302, headers: expect.objectContaining({ location: '/elsewhere' }), body: '' },
        error: 'the receiver answered 302, and redirects are not followed',
      },
    ]);
    const pages = await api.get(`${ENDPOINTS}/${id}/Deliveries?status=sent&limit=1`);
    expect(pages.body).toEqual({ items: [], nextCursor: null });
  });

  /** Break it: in `ReceiverSlots`, let one host use every slot. */
  it('to a receiver that never answers do not delay those to others', async () => {
    const silent = await WebhookReceiver.start();
    silent.hold();
    try {
      for (let n = 0; n < 20; n += 1) {
        await api.post(ENDPOINTS, { url: `${silent.url}/${n}`, events: ['batch.completed'] });
      }
      await create('/prompt');
      for (const n of [20, 21, 22, 23]) await importRows(member(n));
      await received('/prompt', 4);
      expect(silent.waiting).toBeGreaterThan(0);
      expect(silent.mostAtOnce).toBeLessThanOrEqual(4);
    } finally {
      await silent.stop();
    }
  });

  it('can be written as messages for Slack and Teams', async () => {
    await create('/slack', { format: 'slack' });
    await create('/teams', { format: 'teams' });
    const named = await api.setUp(undefined, {}, { name: 'A <b> & [c](http://evil.example)' });
    const { body } = await api.createBatch(jsonl([member(30), member(31)]), { importProcessId: named });
    const url = `https://imports.example.org/imports/${body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}`;
    const [slack] = await received('/slack');
    expect(JSON.parse(slack!.body)).toEqual({
      text: `*Import succeeded*\nA &lt;b&gt; &amp; [c](http://evil.example), import ${body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}: 2 succeeded of 2 records\n<${url}|Open the import>`,
    });
    const [teams] = await received('/teams');
    const card = JSON.parse(teams!.body).attachments[0];
    expect(card.contentType).toBe('application/vnd.microsoft.card.adaptive');
    expect(card.content.body[1].text).toBe(
      `A \\<b\\> & \\[c\\]\\(http://evil.example\\), import ${body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}: 2 succeeded of 2 records`,
    );
    expect(card.content.actions).toEqual([{ type: 'Action.OpenUrl', title: 'Open the import', url }]);
  });

  it('report the batches of the chosen import processes only', async () => {
    const other = await api.setUp();
    const { id } = await create('/limited', { importProcessIds: [other] });
    await importRows(member(40));
    const { body } = await api.createBatch(jsonl([member(41)]), { importProcessId: other });
    await received('/limited');
    const items = await deliveries(id);
    expect(items.map((item: any) => item.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toEqual([
      body.WORKFLOW_IMPORT_QUEUE_BATCH_ID,
    ]);
  });

  it('follow an endpoint whose URL is changed', async () => {
    receiver.answers.set('/before', [500]);
    const { id, events } = await create('/before');
    await importRows(member(42));
    await eventually(async () => (await deliveries(id))[0].lastError, 'the first attempt');
    const other = await WebhookReceiver.start();
    try {
      await api.call('PUT', `${ENDPOINTS}/${id}`, { body: { url: `${other.url}/after`, events } });
      await settled(id, 'sent');
      expect(other.at('/after')).toHaveLength(1);
    } finally {
      await other.stop();
    }
  });

  it('refuse endpoints that break a rule, naming each mistake', async () => {
    const refused = async (body: object) => {
      const answer = await api.post(ENDPOINTS, { url: receiver.url, events: ['batch.failed'], ...body });
      return [answer.status, answer.body.errors?.map(({ pointer }: any) => pointer)];
    };
    expect(await refused({ url: 'ftp://example.org' })).toEqual([400, ['/url']]);
    expect(await refused({ url: 'https://user:pw@example.org' })).toEqual([400, ['/url']]);
    expect(await refused({ events: [] })).toEqual([400, ['/events']]);
    expect(await refused({ events: ['batch.validated'] })).toEqual([400, ['/events']]);
    expect(await refused({ importProcessIds: [999_999] })).toEqual([400, ['/importProcessIds/0']]);
    expect(await refused({ format: 'discord', secret: 'whsec_short' })).toEqual([
      400,
      ['/format', '/secret'],
    ]);
    expect(await refused({ notifyUrl: 'https://example.org' })).toEqual([400, ['/notifyUrl']]);
    for (const unknown of ['999999', 'x', '0']) {
      expect((await api.get(`${ENDPOINTS}/${unknown}`)).body.code).toBe('webhook_endpoint_not_found');
    }
    const { id } = await create('/known');
    const missing = await api.post(`${ENDPOINTS}/${id}/Deliveries/999999/Resend`);
    expect([missing.status, missing.body.code]).toEqual([404, 'webhook_delivery_not_found']);
  });

  /** Break it: in `deleteBatchMessages`, leave out the webhooks. */
  it('are deleted with the records of their batch', async () => {
    const { id } = await create('/deleted');
    const [kept, deleted] = [await importRows(member(43)), await importRows(member(44))];
    await received('/deleted', 2);
    await settled(id, 'sent');
    const batchId = deleted.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    expect((await api.post(`/API/WorkflowImportQueue/Batches/${batchId}/Delete`)).status).toBe(202);
    expect((await deliveries(id)).map((item: any) => item.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toEqual([
      kept.WORKFLOW_IMPORT_QUEUE_BATCH_ID,
    ]);
  });

  /** Break it: in `insertEndpoint`, leave out the condition. */
  it('have at most 100 endpoints', async () => {
    await sql.query(
      `INSERT INTO webhook_endpoint (url, receiver, description, format, events, status, secret, created_by)
       SELECT 'https://example.org', 'example.org', '', 'standard', '{batch.failed}', 'active', '', 'test'
         FROM generate_series(1, 100)`,
    );
    const refused = await api.post(ENDPOINTS, { url: receiver.url, events: ['batch.failed'] });
    expect([refused.status, refused.body.code, refused.body.limit]).toEqual([
      409,
      'too_many_webhook_endpoints',
      100,
    ]);
    await sql.query(`DELETE FROM webhook_endpoint WHERE created_by = 'test'`);
  });

  it('are not a parameter of an import', async () => {
    const query = { importProcessId, notifyUrl: 'https://example.org/hook' };
    const answer = await api.createBatch(jsonl([member(50)]), query);
    expect([answer.status, answer.body.code]).toEqual([400, 'unknown_parameter']);
  });
});

describe('webhooks about batches, without a worker at first', () => {
  let app: TestApp;
  let api: ImportClient;
  let sql: Client;
  const keys = { first: randomBytes(32).toString('base64'), second: randomBytes(32).toString('base64') };

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api', SECRETS_KEY: `first:${keys.first}` });
    api = new ImportClient(app.url);
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
  });
  afterAll(async () => {
    await sql?.end();
    await app?.close();
  });

  /** Break it: in `settingsOf`, store the URL as it is; in `sealAll`, leave out the previous secret. */
  it('keep their URL and secrets encrypted, with the present key after a restart', async () => {
    const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
    const url = 'https://hooks.example.org/services/SECRETTOKEN';
    const made = await api.post(ENDPOINTS, { url, events: EVERY_EVENT, secret });
    expect([made.status, made.body.secret, made.body.url]).toEqual([201, secret, url]);
    await api.post(`${ENDPOINTS}/${made.body.id}/RotateSecret`);
    const stored = async () =>
      (await sql.query('SELECT url, secret, previous_secret FROM webhook_endpoint')).rows[0];
    for (const text of Object.values(await stored())) expect(text).toMatch(/^enc:v1:first:/);
    const { rows } = await sql.query(
      `SELECT details::text AS text FROM audit_log WHERE action LIKE 'webhook%'`,
    );
    expect(rows).toHaveLength(2);
    expect(JSON.stringify(rows)).not.toMatch(/SECRETTOKEN|whsec_/);

    const secretKeys = parseSecretKeys(`second:${keys.second},first:${keys.first}`)!;
    const again = await createApp({ ...app.config, secretKeys });
    await again.init();
    await again.close();
    for (const text of Object.values(await stored())) expect(text).toMatch(/^enc:v1:second:/);
    await sql.query('DELETE FROM webhook_endpoint');
  });

  /** Break it: in `transition`, leave out `insertBatchWebhooks`; in `arrive`, too. */
  it('are stored with each change of a batch, and sent to public addresses only', async () => {
    const receiver = await WebhookReceiver.start();
    const importProcessId = await api.setUp();
    const local = receiver.url.replace('127.0.0.1', 'localhost');
    const literal = await api.post(ENDPOINTS, { url: receiver.url, events: EVERY_EVENT });
    expect([literal.status, literal.body.errors]).toEqual([
      400,
      [
        expect.objectContaining({
          pointer: '/url',
          message: expect.stringContaining('not a public address'),
        }),
      ],
    ]);
    const { id } = (await api.post(ENDPOINTS, { url: local, events: EVERY_EVENT })).body;
    const events = async (batchId: number) => {
      const { items } = (await api.get(`${ENDPOINTS}/${id}/Deliveries?limit=200`)).body;
      return items
        .filter((item: any) => item.WORKFLOW_IMPORT_QUEUE_BATCH_ID === batchId)
        .map((item: any) => item.event)
        .reverse();
    };
    const begin = async () => {
      const { body } = await api.createBatch(jsonl([member(1)]), { importProcessId });
      return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID as number;
    };
    const act = (batchId: number, action: string) =>
      api.post(`/API/WorkflowImportQueue/Batches/${batchId}/${action}`);

    const upload = await api.upload(':UniqueId,:Email,First Name\nM-1,a@example.org,Ada\n', {
      importProcessId,
    });
    const uploaded = upload.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    expect(await events(uploaded)).toEqual(['batch.received', 'batch.awaiting_confirmation']);
    await act(uploaded, 'Abandon');
    expect((await events(uploaded)).at(-1)).toBe('batch.canceled');

    const dryRun = await api.createBatch(jsonl([member(9)]), { importProcessId, validate: 'true' });
    expect([dryRun.status, dryRun.body.status]).toEqual([202, 'validated']);
    expect(await events(dryRun.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toEqual([]);

    const [paused, canceled, broken] = [await begin(), await begin(), await begin()];
    await act(paused, 'Pause');
    expect(await events(paused)).toEqual(['batch.received', 'batch.paused']);
    await act(paused, 'Resume');
    await act(canceled, 'Cancel');
    await sql.query(
      `UPDATE import_queue_batch SET failure_reason = 'the target is gone' WHERE workflow_import_queue_batch_id = $1`,
      [broken],
    );

    const worker = await createApp({ ...app.config, role: 'worker' });
    await worker.init();
    try {
      for (const batchId of [paused, canceled, broken]) await api.ended(batchId);
      expect(await events(paused)).toEqual(['batch.received', 'batch.paused', 'batch.completed']);
      expect(await events(canceled)).toEqual(['batch.received', 'batch.canceled']);
      expect(await events(broken)).toEqual(['batch.received', 'batch.failed']);
      const failed = await eventually(async () => {
        const { items } = (await api.get(`${ENDPOINTS}/${id}/Deliveries?status=failed&limit=200`)).body;
        return items.length === 10 ? items : null;
      }, 'every delivery to be refused');
      expect(failed[0].lastError).toContain('is not a public address');
      expect([failed[0].attempts, failed[0].log[0].answer]).toEqual([1, null]);
      expect(receiver.received).toEqual([]);
    } finally {
      await worker.close();
      await receiver.stop();
    }
  });
});
