import { NotificationFixture } from '../support/notification-fixture.js';
import type { RecordToInsert } from '../support/stored-batch.js';

const record = (line: number, status: RecordToInsert['status'], code?: string): RecordToInsert => ({
  line,
  status,
  payload: '{}',
  ...(status === 'succeeded' && { operation: 'created' }),
  ...(code !== undefined && { error: { code, message: `${code} in line ${line}` } }),
});

describe('the mail of a batch', () => {
  let fixture: NotificationFixture;

  beforeAll(async () => {
    fixture = await NotificationFixture.start({});
  });
  afterAll(() => fixture.stop());

  it('is kept, marked and readable without an SMTP server', async () => {
    const batchId = await fixture.storeBatch({ fileName: 'kept.jsonl' });
    const id = await fixture.owe(batchId, 'kept@example.org');
    expect(await fixture.sender.send(id)).toBe('not_sent_no_smtp');
    const row = await fixture.row(id);
    expect(row).toMatchObject({
      status: 'not_sent_no_smtp',
      subject: 'Import succeeded: kept.jsonl',
      last_error: null,
      sent_at: null,
    });
    expect(row.text_body).toContain(`Results: https://imports.example.org/imports/${batchId}`);
    expect(row.html_body).toContain('<h1');
    expect(await fixture.sender.send(id)).toBe('not_due');
  });

  it('states what was imported and how it went', async () => {
    const keys = await fixture.client.query<{ api_key_id: string }>(
      `INSERT INTO api_key (name, key_hash, key_hint, permissions, created_by)
       VALUES ('Nightly sync', '\\x00', 'abc', '{}', 'test') RETURNING api_key_id`,
    );
    const batchId = await fixture.storeBatch({
      status: 'completed_with_errors',
      fileName: 'mixed.jsonl',
      createdBy: `api-key:${keys.rows[0]!.api_key_id}`,
      records: [
        record(1, 'succeeded'),
        record(2, 'invalid', 'invalid_date'),
        record(3, 'succeeded'),
        record(5, 'failed', 'no_match'),
        { ...record(6, 'skipped'), operation: 'unchanged' },
        record(7, 'unknown'),
      ],
    });
    const id = await fixture.owe(batchId, 'mixed@example.org', 'failure');
    await fixture.sender.send(id);
    const { subject, text_body: text } = await fixture.row(id);
    expect(subject).toBe('Import finished with errors: mixed.jsonl');
    expect(text).toContain('3 of 6 records could not be imported');
    expect(text).toContain('File type: Member import\n');
    expect(text).toContain('Creation path: IMPORT_QUEUE_API:LH\n');
    expect(text).toContain('Started by: Nightly sync\n');
    expect(text).toContain('Duration: 3.0 s\n');
    expect(text).toContain(
      '2 succeeded + 1 failed + 1 invalid + 1 skipped + 1 unknown = 6 records received\n',
    );
    expect(text).toContain('  created: 2\n  updated: 0\n  unchanged: 1\n');
    expect(text).toContain(
      [
        'Why rows failed',
        '  Invalid_date in line 2 (invalid_date): 1 row, line 2',
        '  No_match in line 5 (no_match): 1 row, line 5',
        '  The outcome of 1 record is not known (unknown).',
      ].join('\n'),
    );
  });

  it('groups errors by cause, in any chunks', async () => {
    const guilty = [4, 17, 18, 19, 20, 33, 61, 62, 63, 80, 81, 99];
    const records = Array.from({ length: 100 }, (_, index) =>
      guilty.includes(index + 1) ? record(index + 1, 'failed', 'no_match') : record(index + 1, 'succeeded'),
    );
    const batchId = await fixture.storeBatch({ status: 'completed_with_errors', records, chunkSize: 5 });
    const id = await fixture.owe(batchId, 'ten@example.org', 'failure');
    await fixture.sender.send(id);
    const { text_body: text } = await fixture.row(id);
    expect(text).toContain('  No_match in line 4 (no_match): 12 rows, first in line 4\n');
  });
});
