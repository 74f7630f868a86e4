import { get, type IncomingHttpHeaders } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { SmtpSink } from '../support/smtp-sink.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

describe('mails about an import', () => {
  let sink: SmtpSink;
  let app: TestApp;
  let client: ImportClient;
  let sql: Client;
  let importProcessId: number;
  let undoable: number;

  beforeAll(async () => {
    sink = await SmtpSink.start();
    app = await startTestApp({ SMTP_URL: sink.url, UNCONFIRMED_HOURS: '48', RETENTION_INTERVAL_MS: '300' });
    client = new ImportClient(app.url);
    sql = new Client({ connectionString: app.database.url });
    await sql.connect();
    undoable = await client.setUp();
    importProcessId = await client.setUp(undefined, { onNoMatch: 'reject' }, { name: 'Members' });
  });
  afterAll(async () => {
    await sql?.end();
    await app?.close();
    await sink?.down();
  });

  const mail = (to: string, subject: string) =>
    eventually(
      () => sink.mailsTo(to).find((each) => each.subject === subject),
      `the mail "${subject}" to ${to}`,
    );
  const owed = async (batchId: number) => {
    const { rows } = await sql.query<{ outcome: string }>(
      `SELECT outcome FROM outbox WHERE kind = 'batch_mail' AND workflow_import_queue_batch_id = $1 ORDER BY outbox_id`,
      [batchId],
    );
    return rows.map(({ outcome }) => outcome);
  };

  /** Break it: in batches.sql.ts, leave out `insertPauseMail`; in `addressed`, take only the first address. */
  it('report each pause with its reason, and the end by cause', async () => {
    const { body } = await client.createBatch(jsonl([member(901), member(902), { Level: 'Boss' }]), {
      ...{ importProcessId, fileName: 'unknown.jsonl', maxFailed: 0, 'meta.order': '4711' },
      sendFailureEmailTo: 'ann@example.org, bob@example.org,ann@example.org',
    });
    const id: number = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    const paused = await mail('ann@example.org', 'Import paused: unknown.jsonl');
    expect(paused.text).toMatch(/Reason: Too many rows failed: \d of 3 records failed or are invalid/);
    expect(paused.text).toMatch(new RegExp(`Review and resume: \\S+/imports/${id}\\n`));
    await client.post(`/API/WorkflowImportQueue/Batches/${id}/Resume`);
    const ended = await mail('ann@example.org', 'Import finished with errors: unknown.jsonl');
    expect(ended.text).toMatch(/ {2}Nothing has .*\(no_match\): 2 rows, first in line 1\n/);
    expect(ended.text).toContain(`/imports/${id}/fix\n`);
    expect(ended.html).toContain('2 rows, first in line 1');
    expect(ended.text).toContain('\norder: 4711\n');
    const other = await mail('bob@example.org', 'Import finished with errors: unknown.jsonl');
    expect(other.text).toBe(ended.text);
    expect(await owed(id)).toEqual(['paused', 'paused', 'failure', 'failure']);
    const { items } = (await client.get(`/API/WorkflowImportQueue/Batches/${id}/Notifications`)).body;
    expect(items.map(({ kind, recipient }: Record<string, string>) => `${kind} ${recipient}`)).toEqual([
      ...['paused ann@example.org', 'paused bob@example.org'],
      ...['failure ann@example.org', 'failure bob@example.org'],
    ]);
  });

  /** Break it: in batches.controller.ts, leave out `OpenedInBrowsers`; in `isNavigation`, forget `accepts`. */
  it('lead a browser without a session to the sign-in, and then to the rows', async () => {
    const { text } = await mail('bob@example.org', 'Import finished with errors: unknown.jsonl');
    const [, url] = /Download failed rows \(\.csv\): \S+?(\/API\/\S+)\n/.exec(text!)!;
    // `fetch` would state `sec-fetch-mode: cors`, which is no navigation.
    const opened = (headers: Record<string, string>) =>
      new Promise<{ status?: number; headers: IncomingHttpHeaders; body: string }>((resolve, reject) => {
        get(app.url + url, { headers }, (response) => {
          textOf(response).then(
            (body) => resolve({ status: response.statusCode, headers: response.headers, body }),
            reject,
          );
        }).on('error', reject);
      });
    const html = { accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8' };
    const first = await opened(html);
    expect(first.status).toBe(303);
    const signInUrl = new URL(first.headers.location!, app.url);
    expect([signInUrl.pathname, signInUrl.searchParams.get('next')]).toEqual(['/login', url]);
    const cookie = await signIn(app, 'operator', 'olga@example.org');
    const file = await opened({ ...html, cookie });
    expect([file.status, file.body]).toEqual([200, expect.stringContaining('no_match')]);
    for (const accept of ['*/*', 'application/json', 'text/csv'])
      expect((await opened({ accept })).status).toBe(401);
    expect((await opened({ ...html, 'sec-fetch-mode': 'cors' })).status).toBe(401);
    expect((await opened({ ...html, authorization: 'apikey wrong' })).status).toBe(401);
  });

  /** Break it: in uploads.sql.ts, leave out `AND NOT EXISTS`, and the conflict. */
  it('warn a person once that an upload expires tomorrow, and the page offers the address of the person', async () => {
    const cookie = await signIn(app, 'operator', 'otto@example.org');
    const page = await (
      await fetch(`${app.url}/imports/new/${importProcessId}`, { headers: { cookie } })
    ).text();
    expect(page).toMatch(/name="sendFailureEmailTo" type="email" value="otto@example.org"/);
    const form = new FormData();
    form.append('file', new Blob([jsonl([member(1)])]), 'late.jsonl');
    const answer = await fetch(
      `${app.url}/API/WorkflowImportQueue/Uploads?importProcessId=${importProcessId}&fileName=late.jsonl`,
      { method: 'POST', headers: { cookie, origin: app.url }, body: form },
    );
    const id: number = ((await answer.json()) as any).WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    expect(await owed(id)).toEqual([]);
    await sql.query(
      `UPDATE import_queue_batch SET created_at = now() - interval '30 hours' WHERE workflow_import_queue_batch_id = $1`,
      [id],
    );
    const { text } = await mail('otto@example.org', 'Upload expires tomorrow: late.jsonl');
    expect(text).toContain('You uploaded "late.jsonl" and have not confirmed it.');
    expect(text).toMatch(new RegExp(`Check and import the file: \\S+/imports/${id}\\n`));
    await sql.query(
      `UPDATE import_queue_batch SET created_at = now() - interval '49 hours' WHERE workflow_import_queue_batch_id = $1`,
      [id],
    );
    await eventually(async () => (await client.batch(id)).status === 'canceled', 'a further sweep');
    expect(await owed(id)).toEqual(['expiring']);
  });

  /** Break it: in undo.service.ts, leave out `mailAddresses`. */
  it('name the outcomes of an undo', async () => {
    const { body } = await client.createBatch(jsonl([member(1), member(2)]), {
      ...{ importProcessId: undoable, fileName: 'two.jsonl', sendSuccessEmailTo: 'eve@example.org' },
    });
    const id: number = body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    await client.ended(id);
    await mail('eve@example.org', 'Import succeeded: two.jsonl');
    await client.post(`/API/WorkflowImportQueue/Batches/${id}/Undo`);
    const undone = await eventually(() => sink.mailsTo('eve@example.org')[1], 'the mail about the undo');
    expect(undone.text).toContain('The import of "two.jsonl" was undone.');
    expect(undone.text).toContain('  reverted: 2\n  kept (changed since): 0\n');
  });
});
