import { brotliCompressSync, gzipSync } from 'node:zlib';
import { Client } from 'pg';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member, MEMBER_WORKFLOW } from '../support/import-client.js';
import { SmtpSink } from '../support/smtp-sink.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const MARKUP = `"><script>alert(1)</script><img src=x onerror=alert(1)>`;
const INJECTIONS = [
  `' OR '1'='1`,
  `'; DROP TABLE import_queue_batch; --`,
  `%' UNION SELECT key_hash FROM api_key --`,
  `$1`,
  `\\'; SELECT pg_sleep(10); --`,
];

describe('what an attacker sends', () => {
  let test: TestApp;
  let smtp: SmtpSink;
  let sql: Client;
  let client: ImportClient;
  let importProcessId: number;
  let said = '';

  beforeAll(async () => {
    for (const stream of [process.stdout, process.stderr]) {
      const write = stream.write.bind(stream);
      jest.spyOn(stream, 'write').mockImplementation(((text: string, ...rest: never[]) => {
        said += text;
        return /"level":"(log|debug|verbose|warn)"/.test(text) ? true : write(text, ...rest);
      }) as never);
    }
    smtp = await SmtpSink.start();
    test = await startTestApp({ SMTP_URL: smtp.url, LOG_LEVEL: 'verbose' });
    sql = new Client({ connectionString: test.database.url });
    await sql.connect();
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await sql.end();
    await test.close();
    await smtp.down();
  });

  const ofBatches = async () =>
    Number((await sql.query('SELECT count(*) FROM import_queue_batch')).rows[0].count);
  const created = ({ status, body }: { status: number; body: any }): number => {
    expect([status, body.code]).toEqual([202, undefined]);
    return body.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
  };

  describe('into a mail', () => {
    /** Break it: take the class of control characters, or those of directions, out of `CreateBatchDto.fileName`. */
    it.each([
      'a\r\nBcc: victim@example.org',
      'a\nSubject: other',
      'a\u0085b',
      'a\u0000b',
      'a\u202efdp.exe',
      'a\u2066b',
    ])('as file name %j is refused', async (fileName) => {
      const { status, body } = await client.createBatch(jsonl([member(1)]), { importProcessId, fileName });
      expect([status, body.code]).toEqual([400, 'invalid_parameter']);
    });

    /** Break it: take `IsEmail` from an address of `CreateBatchDto`. */
    it.each([
      'a@example.org\r\nBcc: b@example.org',
      'a@example.org;b@example.org',
      'a@example.org, b@example.org\r\nBcc: c@example.org',
      'a@example.org,"x" <b@example.org>',
      'a@example.org,b@example.org,c@example.org,d@example.org,e@example.org,f@example.org',
      '"x" <a@example.org>',
      'a@example.org?bcc=b@example.org',
    ])('as address %j is refused', async (address) => {
      for (const parameter of ['sendSuccessEmailTo', 'sendFailureEmailTo']) {
        const { status, body } = await client.createBatch(jsonl([member(1)]), {
          importProcessId,
          [parameter]: address,
        });
        expect([status, body.errors[0].parameter]).toEqual([400, parameter]);
      }
    });

    /**
     * U+2028 is not a control character and stays: encoded, it is one word of one header. Break it: in
     * `succeeded.html.hbs`, print the file name with three braces.
     */
    it('stays in the subject, as text, and adds no recipient', async () => {
      const fileName = `x\u2028Bcc: victim@example.org ${MARKUP} =?utf-8?q?=0ABcc:_x@y.z?=`;
      const id = created(
        await client.createBatch(jsonl([member(2)]), {
          importProcessId,
          fileName,
          sendSuccessEmailTo: 'owner@example.org',
        }),
      );
      await client.ended(id);
      const [mail] = await eventually(() => (smtp.mails.length > 0 ? smtp.mails : null), 'the mail');
      expect(mail?.bcc).toBeUndefined();
      expect([mail?.to].flat().map((to) => to?.text)).toEqual(['owner@example.org']);
      expect(mail?.subject).toContain('Bcc: victim@example.org');
      expect(String(mail?.html)).not.toMatch(/<script|<img src=x/i);
    });
  });

  describe('into a page', () => {
    /** Break it: in `import.hbs`, print a value with three braces. */
    it('by every field of a batch and its records is shown as text', async () => {
      const rows = [member(3, { 'First Name': MARKUP, [MARKUP]: MARKUP }), member(4, { ':Email': MARKUP })];
      const id = created(
        await client.createBatch(jsonl(rows), { importProcessId, fileName: MARKUP, creationPath: 'XSS' }),
      );
      await client.ended(id);
      for (const path of ['/imports', `/imports/${id}`, `/imports/${id}?show=all`]) {
        const page = await client.get(path);
        expect(page.status).toBe(200);
        expect(page.body).not.toMatch(/<script>|<img src=x/i);
        expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'.*script-src 'self'/);
      }
      const file = await client.get(`/API/WorkflowImportQueue/Batches/${id}/Results?set=all&format=csv`);
      expect(file.headers.get('content-disposition')).toMatch(/^attachment/);
      expect(file.headers.get('x-content-type-options')).toBe('nosniff');
    });
  });

  /** Break it: in `csv-cells.ts`, quote nothing for its first character. */
  it.each(['=1+1', '+1', '-1+2', '@SUM(A1)', '\t=1', '\r=1', '=HYPERLINK("http://x","y")', '\uFF1D1'])(
    'as the formula %j is text in a spreadsheet',
    async (formula) => {
      const id = created(
        await client.createBatch(jsonl([member(5, { 'First Name': formula, Hours: 'none' })]), {
          importProcessId,
        }),
      );
      await client.ended(id);
      const { body } = await client.get(`/API/WorkflowImportQueue/Batches/${id}/Results?set=all&format=csv`);
      const cells = (body as string).split(/\r\n|,/).map((cell) => cell.replace(/^"/, ''));
      expect(cells.filter((cell) => /^[=+@\t\r\uFF1D-]/.test(cell))).toEqual([]);
    },
  );

  /** Break it: build a condition of `selectBatches` or `selectInstances` by hand. */
  it('as SQL through every filter finds nothing, and changes nothing', async () => {
    const before = await ofBatches();
    const filters = [
      ...['status', 'importProcessId', 'creationPath', 'q', 'limit', 'after'].map(
        (name) => ['/API/WorkflowImportQueue/Batches', name] as const,
      ),
      ...['status', 'limit', 'after'].map(
        (name) => ['/API/WorkflowImportQueue/Batches/1/Records', name] as const,
      ),
      ...['set', 'format'].map((name) => ['/API/WorkflowImportQueue/Batches/1/Results', name] as const),
      ...['identifier', 'attribute', 'status', 'limit', 'after'].map(
        (name) => [`/API/Workflows/${MEMBER_WORKFLOW.name}/Instances`, name] as const,
      ),
      ...['q', 'status', 'importProcessId', 'creationPath', 'after'].map(
        (name) => ['/imports', name] as const,
      ),
    ];
    for (const [path, name] of filters) {
      for (const injection of INJECTIONS) {
        const value =
          name === 'identifier'
            ? `:UniqueId:${injection}`
            : name === 'attribute'
              ? `Level:${injection}`
              : injection;
        const { status, body } = await client.get(`${path}?${name}=${encodeURIComponent(value)}`);
        expect([path, name, status < 500]).toEqual([path, name, true]);
        if (status === 200 && typeof body === 'object') expect(body.items).toEqual([]);
      }
    }
    for (const [n, injection] of INJECTIONS.entries()) {
      const { status } = await client.get(
        `/API/WorkflowImportQueue/Batches/${encodeURIComponent(injection)}`,
      );
      expect(status).toBe(404);
      const id = created(
        await client.createBatch(
          jsonl([member(600 + n, { ':UniqueId': injection, 'First Name': injection })]),
          {
            importProcessId,
            fileName: injection,
          },
        ),
      );
      await client.ended(id);
    }
    expect(await ofBatches()).toBe(before + INJECTIONS.length);
    const { rows } = await sql.query(`SELECT attributes ->> ':UniqueId' AS id FROM workflow_instance`);
    expect(rows.map(({ id }) => id)).toEqual(expect.arrayContaining([INJECTIONS[0]]));
  });

  /** Break it: in `row-reader.ts`, collect values in a plain object by assignment. */
  it('as a key that is special to JavaScript changes no prototype, and is an ordinary column', async () => {
    const keys = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'];
    const lines = keys.map((key, n) =>
      JSON.stringify({ ':UniqueId': `P-${n}`, 'First Name': 'x' }).replace(
        '{',
        `{"${key}":{"polluted":true},`,
      ),
    );
    const id = created(await client.createBatch(`${lines.join('\n')}\n`, { importProcessId }));
    await client.ended(id);
    const { items } = (await client.get(`/API/WorkflowImportQueue/Batches/${id}/Records`)).body;
    expect(items.map(({ status, error }: any) => [status, error.code])).toEqual(
      keys.map(() => ['invalid', 'unknown_column']),
    );
    expect(({} as any).polluted).toBeUndefined();
    expect(Object.prototype).not.toHaveProperty('polluted');
    for (const [path, body] of [
      [
        '/API/Workflows',
        `{"__proto__":{"polluted":1},"name":"x","constructor":{"prototype":{"polluted":1}}}`,
      ],
      [
        '/API/WorkflowImportQueue/ImportProcesses',
        `{"__proto__":{"polluted":1},"name":"x","target":{"kind":"__proto__"}}`,
      ],
    ] as const) {
      expect((await client.post(path, body, { 'content-type': 'application/json' })).status).toBe(400);
    }
    expect(({} as any).polluted).toBeUndefined();
  });

  /** Break it: compile the patterns of a schema with RegExp instead of `boundedPattern`. */
  it('as a pattern of exponential time is bounded, and one that cannot be bounded is refused', async () => {
    const evil = `${'a'.repeat(50_000)}!`;
    const process = await client.setUp(
      undefined,
      {},
      {
        recordSchema: {
          properties: { 'First Name': { pattern: '^(a+)+$' }, Notes: { pattern: '(x+x+)+y' } },
        },
      },
    );
    const id = created(
      await client.createBatch(
        jsonl([
          member(7, { Notes: 'x'.repeat(50_000) }),
          member(8, { Notes: evil }),
          member(9, { 'First Name': 'aaaa' }),
        ]),
        { importProcessId: process },
      ),
    );
    expect((await client.ended(id)).recordCounts).toMatchObject({ total: 3, pending: 0, invalid: 2 });
    const refused = await client.post('/API/WorkflowImportQueue/ImportProcesses', {
      name: 'looks back',
      target: {
        kind: 'workflow',
        workflow: MEMBER_WORKFLOW.name,
        step: 'Import',
        action: 'Grant',
        onNoMatch: 'create',
        onMatch: 'update',
      },
      recordSchema: { properties: { Notes: { pattern: '(a)\\1' } } },
    });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([
      400,
      '/recordSchema/properties/Notes/pattern',
    ]);
  });

  describe('as a bomb', () => {
    const encoded = (bytes: Buffer, encoding: string) =>
      client.createBatch(
        bytes,
        { importProcessId },
        { 'content-type': 'application/jsonl', 'content-encoding': encoding },
      );

    /** Break it: in `decodeBody`, leave out the ratio. */
    it.each([
      ['gzip', () => gzipSync(Buffer.alloc(32 * 1024 ** 2, '\n'))],
      ['br', () => brotliCompressSync(Buffer.alloc(32 * 1024 ** 2, '\n'), { params: { 1: 4 } })],
    ])('of %s is given up', async (encoding, bomb) => {
      const before = await ofBatches();
      const { status, body } = await encoded(bomb(), encoding);
      expect([status, body.code]).toEqual([413, 'decompression_ratio_exceeded']);
      expect(await ofBatches()).toBe(before);
    });

    /** Break it: in `findTooDeepNesting`, answer -1; in `JsonLinesReader`, go on after a malformed line. */
    it.each([
      [
        'nested a hundred thousand deep',
        `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
        'nesting_too_deep',
      ],
      ['that is never closed', '['.repeat(500_000), 'invalid_json'],
    ])('of JSON %s is refused by its line', async (_what, line, code) => {
      const { status, body } = await client.createBatch(`{"a":1}\n${line}\n`, { importProcessId });
      expect([status, body.errors[0].line, body.errors[0].code]).toEqual([400, 2, code]);
    });

    /** Break it: in `readRow`, pass over columns that are unknown. */
    it('of eighty thousand keys is one invalid record with one error', async () => {
      const bomb = Object.fromEntries(Array.from({ length: 80_000 }, (_, n) => [`k${n}`, 1]));
      const row = { ...member(12), ...bomb };
      const id = created(await client.createBatch(jsonl([row, member(13)]), { importProcessId }));
      expect((await client.ended(id)).recordCounts).toMatchObject({ total: 2, invalid: 1, succeeded: 1 });
      const { body } = await client.get(`/API/WorkflowImportQueue/Batches/${id}/Records?status=invalid`);
      expect(body.items).toEqual([
        expect.objectContaining({ line: 1, error: expect.objectContaining({ code: 'unknown_column' }) }),
      ]);
      expect(body.items[0].record).toEqual(row);
    });
  });

  /** Break it: log a request with its query or headers, or an error of PostgreSQL with its detail. */
  it('and no secret of others appears in the log', async () => {
    const payload = 'PAYLOAD-THAT-IS-NOBODYS-BUSINESS';
    const { body: made } = await client.post('/API/ApiKeys', {
      name: 'logged',
      permissions: ['ViewImports'],
    });
    await new ImportClient(test.url, made.key).get('/API/WorkflowImportQueue/Batches?q=SECRET-QUERY');
    await new ImportClient(test.url, 'a-wrong-key-somebody-typed').get('/API/WorkflowImportQueue/Batches');
    const id = created(
      await client.createBatch(
        jsonl([member(10, { 'First Name': payload }), member(11, { Hours: payload })]),
        {
          importProcessId,
          sendFailureEmailTo: 'secret.person@example.org',
        },
      ),
    );
    await client.ended(id);
    await client.createBatch(`{"a": ${payload}`, { importProcessId });
    expect(said).toContain('CreateBatch');
    for (const secret of [
      TEST_API_KEY,
      made.key,
      'a-wrong-key-somebody-typed',
      payload,
      'SECRET-QUERY',
      'secret.person@example.org',
      new URL(test.database.url).password,
    ]) {
      expect(said.includes(secret) ? secret : '').toBe('');
    }
  });
});
