import { DatabaseService } from '../../src/platform/database/database.service.js';
import type { WorkflowDefinition } from '../../src/workflows/definition.js';
import { corpus } from '../support/corpora.js';
import { eventually } from '../support/eventually.js';
import { ImportClient } from '../support/import-client.js';
import { SmtpSink } from '../support/smtp-sink.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const ACCOUNTS: WorkflowDefinition = {
  name: 'account',
  title: 'Account',
  entityType: 'Account',
  identifiers: [
    { name: ':AccountNumber', unique: true },
    { name: ':Email', unique: true, format: 'email', caseInsensitive: true },
  ],
  attributes: [
    { name: 'balance', type: 'Numeric', minimum: 0 },
    { name: 'firstname', type: 'ShortText' },
    { name: 'lastname', type: 'ShortText' },
    { name: 'age', type: 'Numeric', minimum: 0, maximum: 150 },
    { name: 'gender', type: 'PickList', options: ['F', 'M'] },
    { name: 'address', type: 'ShortText' },
    { name: 'employer', type: 'ShortText' },
    { name: 'city', type: 'ShortText' },
    { name: 'state', type: 'ShortText', maxLength: 2 },
  ],
  steps: [
    {
      name: 'Import',
      kind: 'dataImport',
      actions: [
        {
          id: 1,
          name: 'Open',
          inputs: [
            'balance',
            'firstname',
            'lastname',
            'age',
            'gender',
            'address',
            'employer',
            'city',
            'state',
          ],
          required: ['firstname', 'lastname'],
          primary: { kind: 'save' },
        },
      ],
    },
  ],
};

/** Of accounts.bulk.ndjson; its account is number 400. */
const BROKEN_ADDRESS_LINE = 162;

const CUSTOMERS: WorkflowDefinition = {
  name: 'customer-latest-order',
  title: 'Latest order of a customer',
  entityType: 'Customer',
  identifiers: [{ name: ':CustomerKey', unique: true }],
  attributes: [
    { name: 'o_orderkey', type: 'Numeric' },
    { name: 'o_orderstatus', type: 'PickList', options: ['O', 'F', 'P'] },
    { name: 'o_totalprice', type: 'Numeric' },
    ...['o_orderdate', 'o_orderpriority', 'o_clerk', 'o_shippriority', 'o_comment'].map((name) => ({
      name,
      type: 'ShortText' as const,
    })),
  ],
  steps: [
    {
      name: 'Import',
      kind: 'dataImport',
      actions: [
        {
          id: 1,
          name: 'Order',
          inputs: [
            'o_orderkey',
            'o_orderstatus',
            'o_totalprice',
            'o_orderdate',
            'o_orderpriority',
            'o_clerk',
            'o_shippriority',
            'o_comment',
          ],
          primary: { kind: 'save' },
        },
      ],
    },
  ],
};

describe('real data sets', () => {
  let test: TestApp;
  let client: ImportClient;
  let database: DatabaseService;
  let smtp: SmtpSink;

  beforeAll(async () => {
    smtp = await SmtpSink.start();
    test = await startTestApp({ SMTP_URL: smtp.url, CHUNK_SIZE: '100' });
    client = new ImportClient(test.url);
    database = test.app.get(DatabaseService);
  });

  afterAll(async () => {
    await test.close();
    await smtp.down();
  });

  const mailTo = (address: string) => eventually(() => smtp.mailsTo(address)[0], `a mail to ${address}`);

  const withIdentifiers = (path: string, columns: Record<string, string>) =>
    Object.entries(columns).reduce(
      (text, [column, identifier]) => text.replaceAll(`"${column}":`, `"${identifier}":`),
      corpus(path).toString(),
    );

  it('imports the good rows of a bulk file, rejects its 1,000 action lines and the one broken address, and mails the errors', async () => {
    const importProcessId = await client.setUp(ACCOUNTS);
    const body = withIdentifiers('data/accounts.bulk.ndjson', {
      account_number: ':AccountNumber',
      email: ':Email',
    });
    const answer = await client.createBatch(body, {
      importProcessId,
      fileName: 'accounts.bulk.ndjson',
      creationPath: 'LH',
      sendSuccessEmailTo: 'success@example.org',
      sendFailureEmailTo: 'failure@example.org',
    });
    expect(answer).toMatchObject({ status: 202, body: { recordCounts: { total: 2000, invalid: 1001 } } });
    const batch = await client.ended(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect(batch).toMatchObject({
      status: 'completed_with_errors',
      recordCounts: { total: 2000, invalid: 1001, succeeded: 999, failed: 0, pending: 0 },
      operations: { created: 999, updated: 0, unchanged: 0 },
    });

    const { rows } = await database.query<{ line: number; code: string; pointer: string }>(
      `SELECT line_number AS line, error_code AS code, error_pointer AS pointer
         FROM IMPORT_QUEUE_BATCH JOIN import_queue_record USING (workflow_import_queue_batch_id)
        WHERE CREATION_PATH = 'IMPORT_QUEUE_API:LH' AND import_queue_record.status = 'invalid'
        ORDER BY line_number`,
    );
    expect(rows.filter(({ line }) => line % 2 === 1)).toEqual(
      Array.from({ length: 1000 }, (_, n) => ({
        line: 2 * n + 1,
        code: 'unknown_column',
        pointer: '/index',
      })),
    );
    // "kaneking@tri@tribalog.com"
    expect(rows.filter(({ line }) => line % 2 === 0)).toEqual([
      { line: BROKEN_ADDRESS_LINE, code: 'not_an_email', pointer: '/:Email' },
    ]);

    const mail = await mailTo('failure@example.org');
    expect(mail.subject).toBe('Import finished with errors: accounts.bulk.ndjson');
    expect(mail.headers.get('x-workflow-import-queue-batch-id')).toBe(
      String(batch.WORKFLOW_IMPORT_QUEUE_BATCH_ID),
    );
    expect(mail.text).toContain(batch.resultsUrl);
    expect(mail.text).toContain('(unknown_column): 1,000 rows, first in line 1\n');
    expect(mail.text).toContain(`(not_an_email): 1 row, line ${BROKEN_ADDRESS_LINE}`);
    expect(smtp.mailsTo('success@example.org')).toEqual([]);
  });

  it('changes nothing if the accounts come again, creates the corrected one, and mails the success', async () => {
    const importProcessId = await client.setUp(ACCOUNTS);
    const body = withIdentifiers('data/accounts.jsonl', {
      account_number: ':AccountNumber',
      email: ':Email',
    });
    const answer = await client.createBatch(body.replace('kaneking@tri@', 'kaneking@'), {
      importProcessId,
      fileName: 'accounts again',
      sendSuccessEmailTo: 'again@example.org',
      sendFailureEmailTo: 'never@example.org',
    });
    await expect(client.ended(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).resolves.toMatchObject({
      status: 'completed',
      operations: { created: 1, updated: 0, unchanged: 999 },
    });
    expect((await mailTo('again@example.org')).subject).toBe('Import succeeded: accounts again');
    expect(smtp.mailsTo('never@example.org')).toEqual([]);
    const { rows } = await database.query<{ logged: number }>('SELECT count(*) AS logged FROM workflow_log');
    expect(rows).toEqual([{ logged: 1000 }]);
  });

  it('applies 1,500 orders of 100 customers in line order across chunks: the last order of each stands', async () => {
    const importProcessId = await client.setUp(CUSTOMERS);
    const body = withIdentifiers('data/orders.jsonl.gz', { o_custkey: ':CustomerKey' });
    const lines = body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const answer = await client.createBatch(body, { importProcessId });
    const batch = await client.ended(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect(batch).toMatchObject({
      status: 'completed',
      operations: { created: 100, updated: 1400, unchanged: 0 },
    });

    const { rows } = await database.query<{ attributes: Record<string, unknown> }>(
      `SELECT attributes FROM workflow_instance JOIN workflow USING (workflow_id) WHERE name = 'customer-latest-order'`,
    );
    const last = new Map(lines.map((row) => [String(row[':CustomerKey']), row]));
    expect(rows).toHaveLength(last.size);
    for (const { attributes } of rows) {
      const { ':CustomerKey': key, ...order } = attributes;
      expect(order).toEqual({ ...last.get(key as string)!, ':CustomerKey': undefined });
    }
  });
});
