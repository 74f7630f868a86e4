import { readdirSync, readFileSync } from 'node:fs';
import { Client } from 'pg';
import { signIn } from '../support/sign-in.js';
import { insertBatch, type StoredBatch, storeImportProcess } from '../support/stored-batch.js';
import { startTestApp, TEST_ADMIN, type TestApp } from '../support/test-app.js';
import { emptyTables } from '../support/test-database.js';

const MARKUP = `"><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}`;

describe('the pages', () => {
  let app: TestApp;
  let client: Client;
  let importProcessId: number;
  let cookie: string;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    cookie = await signIn(app);
    importProcessId = await storeImportProcess(client, 'Members');
  });

  afterAll(async () => {
    await client?.end();
    await app?.close();
  });

  afterEach(() => emptyTables(client, 'import_queue_batch, import_queue_line, import_queue_outcome'));

  const open = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(app.url + path, {
      redirect: 'manual',
      ...init,
      headers: { cookie, origin: app.url, ...init.headers },
    });
    return { status: response.status, headers: response.headers, html: await response.text() };
  };
  const store = (batch: Partial<StoredBatch> = {}) =>
    insertBatch(client, importProcessId, { status: 'queued', records: [], ...batch });
  const userId = async (email: string) => {
    const { rows } = await client.query<{ id: string }>(
      'SELECT user_id AS id FROM app_user WHERE email = $1',
      [email],
    );
    return `user:${rows[0]!.id}`;
  };
  const ENTITIES: Record<string, string> = {
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    '#x27': "'",
    '#x3D': '=',
  };
  const decode = (html: string) =>
    html.replace(/&(#?\w+);/g, (entity, name: string) => ENTITIES[name] ?? entity);
  /** The text that a reader sees, without tags and with single spaces. */
  const textOf = (html: string) => decode(html.replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' ');

  it('lead visitors who are not signed in to the sign-in page, and back from there', async () => {
    for (const [path, location] of [
      ['/', '/login'],
      ['/imports', '/login?next=%2Fimports'],
      ['/imports/1?show=all', '/login?next=%2Fimports%2F1%3Fshow%3Dall'],
    ] as const) {
      const { status, headers } = await open(path, { headers: { cookie: '' } });
      expect([status, headers.get('location')]).toEqual([303, location]);
    }
  });

  it('name the person who is signed in, and let that person sign out', async () => {
    const { html } = await open('/imports');
    expect(textOf(html)).toContain('administrator@example.org');
    expect(html).toContain('<form method="post" action="/logout">');
  });

  it('start at the overview for an administrator', async () => {
    const { status, headers } = await open('/');
    expect([status, headers.get('location')]).toEqual([302, '/overview']);
  });

  it('load their style from our server, as a separate file', async () => {
    const { html } = await open('/imports');
    const paths = [...html.matchAll(/(?:href|src)="(\/assets\/[^"]+)/g)].map(([, path]) => decode(path!));
    expect(paths.length).toBeGreaterThan(5);
    for (const path of paths) {
      const response = await fetch(app.url + path);
      expect([path, response.status, response.headers.get('cache-control')]).toEqual([
        path,
        200,
        'public, max-age=31536000, immutable',
      ]);
    }
    expect((await fetch(`${app.url}/assets/wiq.css`)).headers.get('content-type')).toMatch('text/css');
    expect((await fetch(`${app.url}/assets/../views/imports.hbs`)).status).toBe(404);
    expect((await fetch(`${app.url}/assets/%2e%2e/views/imports.hbs`)).status).toBeGreaterThanOrEqual(400);
  });

  it('contain no inline script or style, and escape every value', () => {
    const views = `${__dirname}/../../src/ui/views`;
    for (const file of readdirSync(views, { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.hbs')) continue;
      const source = readFileSync(`${views}/${file}`, 'utf8');
      expect({
        file,
        found: /<script(?! src="\{\{asset)|<style|\sstyle=|\son\w+=|\{\{\{|\{\{&/i.exec(source)?.[0],
      }).toEqual({
        file,
      });
    }
  });

  describe('Recent Imports', () => {
    it('explains how to start while no imports exist', async () => {
      const { html } = await open('/imports');
      expect(textOf(html)).toContain('Nothing has been imported yet');
      expect(textOf(html)).toContain(
        "curl -H 'Authorization: apikey <your key>' --data-binary @members.jsonl 'https://imports.example.org/API/",
      );
    });

    it('shows the newest first, with status, counts, times and creator', async () => {
      await store({ fileName: 'older.jsonl' });
      await store({
        fileName: 'newer.jsonl',
        status: 'completed_with_errors',
        createdBy: await userId(TEST_ADMIN.email),
        startedAt: new Date('2026-11-24T04:05:06Z'),
        finishedAt: new Date('2026-11-24T04:06:09Z'),
        records: [
          { line: 1, status: 'succeeded', payload: '{}' },
          { line: 2, status: 'failed', payload: '{}' },
          { line: 3, status: 'invalid', payload: '{}' },
        ],
      });
      const text = textOf((await open('/imports')).html);
      expect(text.indexOf('newer.jsonl')).toBeLessThan(text.indexOf('older.jsonl'));
      for (const shown of [
        'Members',
        'Completed with errors',
        '3 total 1 ok 2 failed',
        'API · LH',
        '24 Nov 2026, 04:05:06 UTC',
        '1 min 3 s',
        TEST_ADMIN.email,
      ]) {
        expect(text).toContain(shown);
      }
    });

    it('filters by status and text, ignores blank fields, and pages', async () => {
      for (let count = 1; count <= 51; count++) await store({ fileName: `Members ${count}.csv` });
      await store({ fileName: 'courses.csv', status: 'completed' });
      const filtered = await open('/imports?status=queued&q=members&creationPath=');
      expect(filtered.html).not.toContain('courses.csv');
      const next = decode(/rel="next" href="([^"]+)"/.exec(filtered.html)![1]!);
      const older = await open(next);
      expect(older.html).toContain('Members 1.csv');
      expect(older.html).not.toContain('Members 2.csv');
    });

    it('reports a wrong filter in words', async () => {
      const { status, headers, html } = await open('/imports?status=done');
      expect(status).toBe(400);
      expect(headers.get('content-type')).toMatch('text/html');
      expect(textOf(html)).toContain('status must be one or several, separated by commas, of receiving');
    });

    /** Break it: in `RecentImportsPage.answer`, leave out `toUpperCase`. */
    it('finds a creation path in lower case', async () => {
      await store({ fileName: 'here.csv' });
      const { status, html } = await open('/imports?creationPath=lh');
      expect([status, textOf(html).includes('here.csv')]).toEqual([200, true]);
    });

    /** Break it: in `RecentImportsPage.answer`, throw every error. */
    it('reports an impossible creation path beside its field, above the list', async () => {
      await store({ fileName: 'here.csv' });
      const { status, headers, html } = await open('/imports?creationPath=l-h&status=queued');
      expect([status, headers.get('content-type')]).toEqual([400, 'text/html; charset=utf-8']);
      expect(html).toMatch(/value="l-h"[^>]* aria-invalid="true" aria-describedby="error-creationPath"/);
      expect(textOf(html)).toContain('Use letters and digits only, for example LH');
      expect(textOf(html)).toContain('here.csv');
    });

    /** Break it: in recent.hbs, leave out `recent.received`. */
    it('shows when an upload that awaits confirmation was received', async () => {
      await store({ status: 'awaiting_confirmation', creationPath: 'IMPORT_QUEUE_UI' });
      expect(textOf((await open('/imports')).html)).toMatch(/received \d+ \w+ \d{4}, \d\d:\d\d:\d\d UTC/);
    });

    /** Break it: in `isAbandoned`, leave out `startedAt`. */
    it('calls an upload that was given up abandoned, and an import that was stopped canceled', async () => {
      await store({ status: 'canceled', creationPath: 'IMPORT_QUEUE_UI' });
      expect(textOf((await open('/imports?q=people')).html)).toMatch(/Members Abandoned/);
      const folded = /<details class="card abandoned" id="abandoned">\s*<summary>1 abandoned upload</;
      expect((await open('/imports')).html).toMatch(folded);
      expect((await open('/imports?status=canceled')).html).not.toMatch(folded);
      await client.query('UPDATE import_queue_batch SET started_at = now()');
      expect(textOf((await open('/imports?q=people')).html)).toMatch(/Members Canceled/);
    });

    it('refreshes itself while an import runs, and only then', async () => {
      await store({ status: 'completed' });
      expect((await open('/imports')).html).not.toContain('http-equiv="refresh"');
      await store({ status: 'in_progress' });
      expect((await open('/imports')).html).toContain('http-equiv="refresh"');
    });
  });

  describe('one import', () => {
    const RECORDS: StoredBatch['records'] = [
      { line: 1, status: 'succeeded', operation: 'created', reference: '1001', payload: '{"a":1}' },
      {
        line: 2,
        status: 'failed',
        operation: 'rejected',
        payload: '{"b":"two"}',
        error: { code: 'no_match', message: 'no member "M-2"', pointer: '/:UniqueId' },
      },
      {
        line: 3,
        status: 'failed',
        operation: 'rejected',
        payload: '{"b":"three"}',
        error: { code: 'no_match', message: 'no member "M-3"', pointer: '/:UniqueId' },
      },
      { line: 4, status: 'pending', payload: '{}' },
    ];

    it('shows counts that add up, the operations and the downloads', async () => {
      const id = await store({ status: 'in_progress', records: RECORDS, startedAt: new Date() });
      const { html } = await open(`/imports/${id}`);
      expect(textOf(html)).toContain('1 pending + 1 succeeded + 2 failed = 4 records received');
      expect(textOf(html)).toContain('3 of 4 records processed');
      expect(textOf(html)).toContain('1 created, 0 updated, 0 unchanged');
      const [path] = /\/imports\/\d+\/results\?set=failed&format=csv/.exec(decode(html))!;
      const { headers, html: file } = await open(path);
      expect(headers.get('content-disposition')).toContain('people-failed.csv');
      expect(file.split('\r\n')).toHaveLength(4);
    });

    /** Break it: in `announcementText`, take steps of one percent; in `progressTitle`, leave out the state. */
    it('states its progress in the title, and announces every ten percent and the end', async () => {
      const records = Array.from({ length: 8 }, (_, index) => ({
        line: index + 1,
        status: index < 3 ? ('succeeded' as const) : ('pending' as const),
        payload: '{}',
      }));
      const running = await store({ status: 'in_progress', records, startedAt: new Date() });
      const announced = (html: string) => / role="status" id="announcement"[^>]*>([^<]*)</.exec(html)?.[1];
      const { html } = await open(`/imports/${running}`);
      expect(html).toContain('<title>37 % · people.jsonl · Workflow Import Queue</title>');
      expect(announced(html)).toBe('In progress: 30 % processed');
      const live = await open(`/imports/${running}/live?was=in_progress`);
      expect(live.html).toContain('data-page-title="37 % · people.jsonl · Workflow Import Queue"');
      expect(textOf(live.html)).toMatch(/Succeeded 3 CSV XLSX JSONL/);
      const ended = await open(
        `/imports/${await store({ status: 'completed', records: records.slice(0, 3) })}`,
      );
      expect(ended.html).toContain('<title>Completed · people.jsonl · Workflow Import Queue</title>');
      expect(announced(ended.html)).toBe('Completed: 3 succeeded, 0 failed');
    });

    it('groups failed records by cause and names a line for each', async () => {
      const id = await store({ status: 'in_progress', records: RECORDS });
      const text = textOf((await open(`/imports/${id}`)).html);
      expect(text).toContain('2 line 2 : no member "M-2" ( no_match )');
    });

    it('lists the failed records first, and those of any status on request', async () => {
      const id = await store({ status: 'in_progress', records: RECORDS });
      const refused = textOf((await open(`/imports/${id}`)).html);
      expect(refused).toMatch(/Outcome b 2 Failed no member "M-2" \( no_match , \/:UniqueId \) two 3 Failed/);
      expect(refused).not.toContain('1001');
      const succeeded = textOf((await open(`/imports/${id}?show=succeeded`)).html);
      expect(succeeded).toMatch(/Outcome a 1 Succeeded created 1001 1 /);
      expect(succeeded).not.toContain('two');
    });

    /** Break it: in `recordTable`, take the columns of the first record only, or leave out `errors`. */
    it('shows the records as the columns of the file, with the reason in the cell', async () => {
      const error = { code: 'too_small', message: '"Hours" must be at least 0', pointer: '/Hours' };
      const id = await store({
        status: 'completed_with_errors',
        records: [
          { line: 2, status: 'invalid', payload: '{":UniqueId":"M-1","Hours":-1}', error },
          { line: 3, status: 'invalid', payload: '{":UniqueId":"M-2","Level":["a","b"]}', error },
        ],
      });
      const { html } = await open(`/imports/${id}`);
      const [, table = ''] =
        /<table class="table card-table table-mobile-md preview-rows">(.*?)<\/table>/s.exec(html)!;
      expect(textOf(table)).toContain('Line Status Outcome UniqueId Hours Level');
      expect(textOf(table)).toContain('2 Invalid 1 wrong value M-1 -1 "Hours" must be at least 0');
      expect(table).toMatch(
        /data-label="Level"[^>]*>\[&quot;a&quot;,&quot;b&quot;\]|data-label="Level"[^>]*>a;b/,
      );
    });

    it('links to its mails, its parent and its child', async () => {
      const parent = await store({ status: 'completed_with_errors', records: RECORDS });
      const child = await store({ status: 'queued', retryOf: parent });
      await client.query(
        `INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient, status, subject, text_body)
         VALUES ('batch_mail', $1, 'failure', 'ann@example.org', 'not_sent_no_smtp', 'Import finished with errors: people', $2)`,
        [parent, 'Two records failed.'],
      );
      const { html } = await open(`/imports/${parent}`);
      expect(html).toContain(`href="/imports/${child}"`);
      for (const shown of ['Import finished with errors: people', 'ann@example.org', 'Two records failed.']) {
        expect(textOf(html)).toContain(shown);
      }
      expect((await open(`/imports/${child}`)).html).toContain(`href="/imports/${parent}"`);
    });

    /** Break it: in `batchView`, let `ended` be false. */
    it('shows no start of an import that ended before it started', async () => {
      const id = await store({ status: 'canceled' });
      expect((await open('/imports')).html).toMatch(/data-label="Started"[^>]*>–</);
      expect(textOf((await open(`/imports/${id}`)).html)).not.toContain('Started');
      const waiting = await store({ status: 'queued' });
      expect(textOf((await open(`/imports/${waiting}`)).html)).toContain('Started not yet');
    });

    /** Break it: in `selectNeighbours`, count lines instead of looking for records. */
    it('links from record to record, across blank lines, up to the last', async () => {
      const lines = [2, 4, 9].map((line) => ({ line, status: 'succeeded' as const, payload: '{}' }));
      const id = await store({ status: 'completed', records: lines });
      const links = async (line: number) => {
        const { html } = await open(`/imports/${id}/records/${line}`);
        return [...html.matchAll(/href="\/imports\/\d+\/records\/(\d+)"/g)].map(([, next]) => Number(next));
      };
      expect(await links(2)).toEqual([4]);
      expect(await links(4)).toEqual([2, 9]);
      expect(await links(9)).toEqual([4]);
    });

    /** Break it: in `template`, always choose the plural. */
    it('uses the singular for one record', async () => {
      const records = [{ line: 1, status: 'succeeded' as const, payload: '{}' }];
      const text = textOf((await open(`/imports/${await store({ status: 'completed', records })}`)).html);
      expect(text).toContain('1 of 1 record processed');
      expect(text).toContain('1 succeeded = 1 record received');
    });

    it('shows everything that users sent as text only', async () => {
      const id = await store({
        status: 'failed',
        fileName: MARKUP,
        creationPath: MARKUP,
        createdBy: MARKUP,
        failureReason: MARKUP,
        records: [
          {
            line: 1,
            status: 'failed',
            payload: JSON.stringify({ a: MARKUP }),
            reference: MARKUP,
            error: { code: MARKUP, message: MARKUP, pointer: MARKUP },
          },
        ],
      });
      await client.query(
        `INSERT INTO outbox (kind, workflow_import_queue_batch_id, outcome, recipient, status, subject, text_body, last_error)
         VALUES ('batch_mail', $1, 'failure', $2, 'failed', $2, $2, $2)`,
        [id, MARKUP],
      );
      for (const path of ['/imports', `/imports/${id}`, `/imports?q=${encodeURIComponent(MARKUP)}`]) {
        const { status, html } = await open(path);
        expect(status).toBe(200);
        expect(html).not.toMatch(/<script(?! src="\/assets\/)|<img(?! src="\/assets\/)/i);
        expect(html).toContain('&lt;script&gt;');
      }
    });

    it.each(['999999', 'abc', '0'])('reports in words that import %s does not exist', async (id) => {
      const { status, headers, html } = await open(`/imports/${id}`);
      expect(status).toBe(404);
      expect(headers.get('content-type')).toMatch('text/html');
      expect(textOf(html)).toContain('There is no such batch');
    });
  });

  describe('an error', () => {
    const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };

    /** Break it: in `ProblemFilter.catch`, let `page` be null. */
    it.each(['/nonexistent', '/account/x'])('is a page for a person who opens %s', async (path) => {
      const { status, headers, html } = await open(path, { headers: BROWSER });
      expect([status, headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
      expect(textOf(html)).toContain('Page not found');
      expect(html).toContain('href="/imports"');
    });

    /** Break it: in `isForPeople`, leave out what is for programs, or what is accepted. */
    it.each([
      ['/API/nonexistent', BROWSER],
      ['/metrics/x', BROWSER],
      ['/nonexistent', { accept: '*/*' }],
      ['/nonexistent', { accept: 'application/json, text/html;q=0.5' }],
    ])('is problem details for a program that asks %s', async (path, headers) => {
      const answer = await open(path, { headers });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
    });

    /** Break it: in `RecordLinePipe`, use `Number` of any text. */
    it.each(['abc', '0', '99999999999', '1.5'])('reports that line %s does not exist', async (line) => {
      const id = await store({ records: [{ line: 1, status: 'pending', payload: '{}' }] });
      const { status, headers, html } = await open(`/imports/${id}/records/${line}`);
      expect([status, headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
      expect(textOf(html)).toContain('The record does not exist');
    });

    /** Break it: in `HtmlErrorPage`, leave out `PAGE_ERRORS`. */
    it('explains in plain words what a user may not open', async () => {
      const viewer = await signIn(app, 'viewer');
      const { status, html } = await open('/file-types', { headers: { cookie: viewer } });
      expect(status).toBe(403);
      expect(textOf(html)).toContain('You do not have access');
      expect(textOf(html)).not.toContain('credentials');
    });

    /** Break it: in `forPeople`, keep every sentence. */
    it('names no route', async () => {
      const { status, html } = await open('/workflows/nothing');
      expect(status).toBe(404);
      expect(textOf(html)).toContain('No workflow is named "nothing".');
      expect(textOf(html)).not.toContain('GET /');
    });
  });

  /** Break it: in file-type.hbs, leave out `workflowFirst`. */
  it('of a new file type lead to a workflow while there is none', async () => {
    expect((await open('/file-types/new')).html).toContain(
      '<a href="/workflows/new">Create a workflow first</a>',
    );
  });

  describe('the buttons', () => {
    it('offer the actions that are possible now, and perform them', async () => {
      const id = await store({
        status: 'in_progress',
        records: [{ line: 1, status: 'pending', payload: '{}' }],
      });
      const { html } = await open(`/imports/${id}`);
      expect(html).toContain(`action="/imports/${id}/pause"`);
      expect(html).not.toContain(`action="/imports/${id}/resume"`);

      const { status, headers } = await open(`/imports/${id}/pause`, { method: 'POST' });
      expect([status, headers.get('location')]).toEqual([303, `/imports/${id}`]);
      expect((await open(`/imports/${id}`)).html).toContain(`action="/imports/${id}/resume"`);
    });

    it('report in words that it is too late', async () => {
      const id = await store({ status: 'completed' });
      const { status, html } = await open(`/imports/${id}/cancel`, { method: 'POST' });
      expect(status).toBe(409);
      expect(textOf(html)).toContain('The batch is not in a state for that');
    });

    it('do not work from another site', async () => {
      const id = await store({ status: 'in_progress' });
      const { status } = await open(`/imports/${id}/cancel`, {
        method: 'POST',
        headers: { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
      });
      expect(status).toBe(403);
    });

    it('accept no other action', async () => {
      const id = await store({ status: 'in_progress' });
      expect((await open(`/imports/${id}/constructor`, { method: 'POST' })).status).toBe(404);
    });
  });
});
