import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/app/database.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** Rows of both tables under the same ids, one of each status, as the release before left them. */
const BEFORE = `
  INSERT INTO import_process (import_process_id, name, status, current_version) VALUES (1, 'Members', 'active', 1);
  INSERT INTO import_process_version (import_process_id, version, name, target, created_by)
    VALUES (1, 1, 'Members', '{}', 'test');
  INSERT INTO import_queue_batch (workflow_import_queue_batch_id, import_process_id, import_process_version, file_name,
                                  creation_path, status, created_by)
    VALUES (7, 1, 1, 'people.jsonl', 'IMPORT_QUEUE_API:LH', 'completed', 'test');
  INSERT INTO notification (notification_id, workflow_import_queue_batch_id, kind, recipient, status, subject,
                            text_body, html_body, attempts, attempts_before_resend, last_error, sent_at)
    VALUES (1, 7, 'success', 'one@example.org', 'sent', 'Import succeeded: people.jsonl', 'Text', '<p>Text</p>', 1, 0,
            NULL, now()),
           (2, 7, 'failure', 'two@example.org', 'pending', NULL, NULL, NULL, 3, 2, '451 later', NULL);
  INSERT INTO behavior_outbox (behavior_id, workflow_instance_id, workflow_import_queue_batch_id, line_number,
                               behavior_number, action, kind, recipient, subject, text_body, html_body, json_body,
                               secret, status, attempts, attempts_before_resend, resends, last_error, sent_at, ended_at)
    VALUES (1, 11, 7, 1, 1, 'Grant', 'sendEmail', 'person@example.org', 'Welcome', 'Dear', '<p>Dear</p>', NULL, NULL,
            'not_sent_no_smtp', 1, 0, 0, NULL, NULL, now()),
           (2, 11, 7, 1, 2, 'Grant', 'webhook', 'https://Hooks.example.org:8443/a?b', NULL, NULL, NULL, '{}', 'whsec_x',
            'sending', 5, 4, 1, 'the receiver answered 500', now(), NULL),
           (3, 12, NULL, NULL, 1, 'Close', 'webhook', 'http:\\\\odd.example.org', NULL, NULL, NULL, '{}', NULL, 'failed',
            1, 0, 0, 'the receiver answered 410', NULL, now());
  SELECT setval('notification_notification_id_seq', 2), setval('behavior_outbox_behavior_id_seq', 3)`;

describe('the migration to one outbox', () => {
  let database: TestDatabase;
  let source: DataSource;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(
      dataSourceOptions({ databaseUrl: database.url, databasePoolSize: 4, migrateOnStart: false }),
    ).initialize();
    await revert();
    await source.query(BEFORE);
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const exists = async (table: string) => {
    const rows = await source.query<{ found: boolean }[]>('SELECT to_regclass($1) IS NOT NULL AS found', [
      table,
    ]);
    return rows[0]!.found;
  };
  const revert = async () => {
    while (await exists('outbox')) await source.undoLastMigration();
  };
  const tables = async () => [
    await source.query<object[]>('SELECT * FROM notification ORDER BY 1'),
    await source.query<object[]>('SELECT * FROM behavior_outbox ORDER BY 1'),
  ];

  it('keeps every message under its number, and goes back to the same rows', async () => {
    const before = await tables();
    await source.runMigrations();
    const moved = await source.query<object[]>(
      'SELECT kind, outbox_id AS id, outcome, receiver, status FROM outbox ORDER BY kind, outbox_id',
    );
    expect(moved).toEqual([
      { kind: 'batch_mail', id: 1, outcome: 'success', receiver: '', status: 'sent' },
      { kind: 'batch_mail', id: 2, outcome: 'failure', receiver: '', status: 'pending' },
      { kind: 'behavior_mail', id: 1, outcome: null, receiver: '', status: 'not_sent_no_smtp' },
      {
        kind: 'behavior_webhook',
        id: 2,
        outcome: null,
        receiver: 'hooks.example.org:8443',
        status: 'sending',
      },
      { kind: 'behavior_webhook', id: 3, outcome: null, receiver: 'odd.example.org', status: 'failed' },
    ]);
    const [views] = await source.query<object[]>(
      `SELECT (SELECT string_agg(kind || notification_id, ' ' ORDER BY notification_id) FROM notification) AS mails,
              (SELECT string_agg(kind || behavior_id, ' ' ORDER BY behavior_id) FROM behavior_outbox) AS behaviors`,
    );
    expect(views).toEqual({ mails: 'success1 failure2', behaviors: 'sendEmail1 webhook2 webhook3' });
    await revert();
    expect(await tables()).toEqual(before);
  });

  /** Break it: leave out `setval` in the migration. */
  it('numbers new messages above all old ones', async () => {
    await source.runMigrations();
    const [row] = await source.query<{ id: number }[]>(
      `INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient, status)
       VALUES ('batch_mail', 8, 'success', 'new@example.org', 'pending') RETURNING outbox_id AS id`,
    );
    expect(row!.id).toBe(4);
  });
});
