import { ImportClient, jsonl, member } from '../support/import-client.js';
import { rawRequest } from '../support/raw-request.js';
import { startTestApp, TEST_API_KEY, type TestApp } from '../support/test-app.js';

const MEMBERS = [
  ':UniqueId,:Email,First Name,Level',
  'M-1,ann@example.org,Ann,Fellow',
  'M-2,bob@example.org,Bob,Knight',
  'M-3,cid@example.org,"Cid, the ""third""",Associate',
].join('\r\n');

describe('POST Uploads', () => {
  let test: TestApp;
  let client: ImportClient;
  let importProcessId: number;

  beforeAll(async () => {
    test = await startTestApp();
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
  });

  afterAll(() => test.close());

  it('stores a CSV file, states how it was read, and awaits confirmation', async () => {
    const answer = await client.upload(MEMBERS, { importProcessId, fileName: 'members.csv' });
    expect(answer).toMatchObject({
      status: 202,
      body: {
        fileName: 'members.csv',
        status: 'awaiting_confirmation',
        creationPath: 'IMPORT_QUEUE_UI',
        recordCounts: { total: 3, invalid: 1, pending: 2 },
        understood: {
          format: 'csv',
          encoding: 'utf-8',
          delimiter: ',',
          columns: [
            { header: ':UniqueId', target: ':UniqueId' },
            { header: ':Email', target: ':Email' },
            { header: 'First Name', target: 'First Name' },
            { header: 'Level', target: 'Level' },
          ],
        },
        summary: {
          valid: 2,
          invalid: 1,
          columns: { unknown: [], missing: [] },
          errorGroups: [{ code: 'not_an_option', pointer: '/Level', count: 1, sampleLine: 3 }],
        },
      },
    });
    expect(answer.headers.get('location')).toBe(answer.body.links.self);
    expect(Object.keys(answer.body.links)).toEqual(expect.arrayContaining(['confirm', 'abandon']));
    expect(
      (await client.recordsOf(answer)).map(({ line, status, record }) => [line, status, record]),
    ).toEqual([
      [
        2,
        'pending',
        { ':UniqueId': 'M-1', ':Email': 'ann@example.org', 'First Name': 'Ann', Level: 'Fellow' },
      ],
      [
        3,
        'invalid',
        { ':UniqueId': 'M-2', ':Email': 'bob@example.org', 'First Name': 'Bob', Level: 'Knight' },
      ],
      [
        4,
        'pending',
        {
          ':UniqueId': 'M-3',
          ':Email': 'cid@example.org',
          'First Name': 'Cid, the "third"',
          Level: 'Associate',
        },
      ],
    ]);
  });

  it('processes a confirmed upload once', async () => {
    const answer = await client.upload(MEMBERS.replaceAll('M-', 'C-').replaceAll('@', '@c.'), {
      importProcessId,
    });
    expect(await client.act(answer, 'Confirm')).toMatchObject({
      status: 202,
      body: { summary: { valid: 2 } },
    });
    expect(await client.act(answer, 'Confirm')).toMatchObject({
      status: 409,
      body: { code: 'state_conflict' },
    });
    expect(await client.ended(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toMatchObject({
      status: 'completed_with_errors',
      recordCounts: { total: 3, invalid: 1, succeeded: 2 },
      operations: { created: 2 },
    });
  });

  it('never processes an abandoned upload, and accounts for every record', async () => {
    const answer = await client.upload(MEMBERS, { importProcessId });
    expect(await client.act(answer, 'Abandon')).toMatchObject({
      status: 202,
      body: { status: 'canceled', recordCounts: { total: 3, invalid: 1, canceled: 2, pending: 0 } },
    });
    for (const action of ['Confirm', 'Abandon', 'Cancel']) {
      expect(await client.act(answer, action)).toMatchObject({
        status: 409,
        body: { currentStatus: 'canceled' },
      });
    }
    expect((await client.recordsOf(answer)).map(({ status }) => status)).toEqual([
      'canceled',
      'invalid',
      'canceled',
    ]);
  });

  /** Break it: in `selectBatches`, leave out the file name. */
  it('is linked to the upload that was sent in its place', async () => {
    const first = await client.upload(MEMBERS, { importProcessId, fileName: 'wrong.csv' });
    expect(first.body.replacedBy).toBeNull();
    await client.act(first, 'Abandon');
    await client.upload(MEMBERS, { importProcessId, fileName: 'other.csv' });
    const second = await client.upload(MEMBERS, { importProcessId, fileName: 'wrong.csv' });
    const { WORKFLOW_IMPORT_QUEUE_BATCH_ID: id } = first.body;
    expect((await client.batch(id)).replacedBy).toBe(second.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    await client.act(second, 'Abandon');
  });

  it('recognizes JSON Lines by content, whatever the name of the file', async () => {
    const answer = await client.upload(jsonl([member(1), { ':UniqueId': 'x' }]), {
      importProcessId,
      fileName: 'really.csv',
    });
    expect(answer).toMatchObject({
      status: 202,
      body: {
        status: 'awaiting_confirmation',
        understood: { format: 'jsonl', columns: null },
        recordCounts: { total: 2, invalid: 1 },
      },
    });
  });

  it.each([
    [
      'an XLSX file',
      Buffer.from('PK\x03\x04\x14\x00xx[Content_Types].xml', 'latin1'),
      415,
      'unsupported_file',
    ],
    ['an old Excel file', Buffer.from('\xd0\xcf\x11\xe0\xa1\xb1', 'latin1'), 415, 'unsupported_file'],
    ['an empty file', Buffer.from(''), 400, 'empty_body'],
    ['a header alone', Buffer.from(':UniqueId,First Name\n'), 400, 'empty_body'],
    ['a header that names a column twice', Buffer.from('a,b,a\n1,2,3\n'), 400, 'duplicate_columns'],
    ['a JSON array', Buffer.from('[\n{"a":1}]'), 400, 'malformed_json_lines'],
    ['JSON Lines with a broken line', Buffer.from('{"a":1}\n{"a":\n'), 400, 'malformed_json_lines'],
    ['a quote that is never closed', Buffer.from('a,b\n1,"2\n3,4\n'), 400, 'malformed_csv'],
    ['text after a closing quote', Buffer.from('a,b\n1,"2"x\n3,4\n'), 400, 'malformed_csv'],
  ])('refuses %s, saying why, and stores nothing', async (_, file, status, code) => {
    const before = (await client.get('/API/WorkflowImportQueue/Batches?limit=1')).body.items[0]
      ?.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    const answer = await client.upload(new Uint8Array(file), { importProcessId });
    expect(answer).toMatchObject({ status, body: { status, code } });
    expect(answer.body.detail).toMatch(/Nothing was stored/);
    const after = (await client.get('/API/WorkflowImportQueue/Batches?limit=1')).body.items[0]
      ?.WORKFLOW_IMPORT_QUEUE_BATCH_ID;
    expect(after).toBe(before);
  });

  it('names line and column of every wrong quote', async () => {
    const { body } = await client.upload('a,b\n"x\ny","2"x\n3,4\n5,"6" \n7,"8\n', { importProcessId });
    expect(body).toMatchObject({ code: 'malformed_csv', errorCount: 3 });
    expect(body.errors.map(({ line, column, code }: any) => [line, column, code])).toEqual([
      [3, 7, 'text_after_quote'],
      [5, 6, 'text_after_quote'],
      [6, 3, 'unclosed_quote'],
    ]);
  });

  it('keeps a row of another width as an invalid record, with all its cells', async () => {
    const file = ':UniqueId,First Name\nM-1,Ann\nM-2\n\nM-3,Cid,extra,\n';
    const answer = await client.upload(file, { importProcessId });
    expect(
      (await client.recordsOf(answer)).map(({ line, status, error, record }) => [
        line,
        status,
        error?.code,
        record,
      ]),
    ).toEqual([
      [2, 'pending', undefined, { ':UniqueId': 'M-1', 'First Name': 'Ann' }],
      [3, 'invalid', 'wrong_cell_count', { ':UniqueId': 'M-2' }],
      [
        5,
        'invalid',
        'wrong_cell_count',
        { ':UniqueId': 'M-3', 'First Name': 'Cid', '(column 3)': 'extra', '(column 4)': '' },
      ],
    ]);
  });

  it('names the nearest field for an unknown column, and the missing ones', async () => {
    const answer = await client.upload(':UniqueId;Firts Name\nM-1;Ann\n', { importProcessId });
    expect(answer.body).toMatchObject({
      recordCounts: { total: 1, invalid: 1 },
      understood: { delimiter: ';' },
      summary: {
        columns: { unknown: [{ header: 'Firts Name', nearest: 'First Name' }], missing: ['First Name'] },
      },
    });
  });

  /** Break it: in `UploadsService.check`, leave out `keepDecisions`. */
  it('maps columns as requested, and keeps the mapping at once for later files of the import process', async () => {
    const own = await client.setUp();
    const mapping = JSON.stringify({ Vorname: 'First Name', Bemerkung: null });
    const file = ':UniqueId,Vorname,Bemerkung\nM-1,Ann,gut\n';
    const unseen = await client.upload(file, { importProcessId: own });
    expect(unseen.body).toMatchObject({ recordCounts: { total: 1, invalid: 1 } });
    const mapped = await client.upload(file, { importProcessId: own }, { mapping });
    expect(mapped.body).toMatchObject({ recordCounts: { total: 1, invalid: 0 } });
    await client.act(mapped, 'Abandon');
    const later = await client.upload(file, { importProcessId: own });
    expect((await client.recordsOf(later))[0]).toMatchObject({
      status: 'pending',
      record: { ':UniqueId': 'M-1', 'First Name': 'Ann' },
    });
    const elsewhere = await client.upload(file, { importProcessId });
    expect(elsewhere.body).toMatchObject({ recordCounts: { invalid: 1 } });
  });

  it('reads a file with the stated encoding and delimiter', async () => {
    const bytes = Buffer.concat([Buffer.from(':UniqueId|First Name\nM-1|Andr'), Buffer.from([0xe9, 0x0a])]);
    const guessed = await client.upload(new Uint8Array(bytes), { importProcessId });
    expect(guessed.body.understood).toMatchObject({ encoding: 'windows-1252', delimiter: '|' });
    const told = await client.upload(new Uint8Array(bytes), {
      importProcessId,
      encoding: 'iso-8859-7',
      delimiter: 'comma',
    });
    expect(told.body.understood).toMatchObject({ encoding: 'iso-8859-7', delimiter: ',' });
    expect(told.body.understood.columns).toMatchObject([{ header: ':UniqueId|First Name' }]);
    expect(await client.upload(new Uint8Array(bytes), { importProcessId, encoding: 'utf-8' })).toMatchObject({
      status: 400,
      body: { code: 'undecodable_text', errors: [{ line: 2, column: 9 }] },
    });
    expect(await client.upload(MEMBERS, { importProcessId, encoding: 'klingon' })).toMatchObject({
      status: 400,
      body: { errors: [{ parameter: 'encoding' }] },
    });
  });

  it('still refuses a row that was too short when its batch is retried', async () => {
    const sent = await client.upload(':UniqueId,First Name,Level\nS-1,Ann\nS-2,Bob,Fellow\n', {
      importProcessId,
    });
    await client.act(sent, 'Confirm');
    await client.ended(sent.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const child = await client.post(`${sent.body.links.self}/RetryFailed`);
    expect((await client.recordsOf(child))[0]).toMatchObject({
      line: 2,
      status: 'invalid',
      error: { code: 'wrong_cell_count' },
    });
  });

  it.each([
    ['no multipart at all', { 'content-type': 'text/csv' }, 'a,b\n1,2\n', 415, 'unsupported_media_type'],
    [
      'a compressed form',
      { 'content-type': 'multipart/form-data; boundary=B', 'content-encoding': 'gzip' },
      'a',
      415,
      'unsupported_content_encoding',
    ],
    [
      'a body without a boundary',
      { 'content-type': 'multipart/form-data; x=1' },
      'a',
      400,
      'malformed_multipart',
    ],
    [
      'a body that breaks off',
      { 'content-type': 'multipart/form-data; boundary=B' },
      '--B\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\na,b\n1,2\n',
      400,
      'malformed_multipart',
    ],
    [
      'a field of another name',
      { 'content-type': 'multipart/form-data; boundary=B' },
      '--B\r\nContent-Disposition: form-data; name="data"; filename="a.csv"\r\n\r\na,b\n1,2\n\r\n--B--\r\n',
      400,
      'unexpected_file',
    ],
    [
      'no file',
      { 'content-type': 'multipart/form-data; boundary=B' },
      '--B\r\nContent-Disposition: form-data; name="mapping"\r\n\r\n{}\r\n--B--\r\n',
      400,
      'file_missing',
    ],
  ] as const)('refuses %s, and stores nothing', async (_, headers, body, status, code) => {
    const path = `/API/WorkflowImportQueue/Uploads?fileName=a.csv&importProcessId=${importProcessId}`;
    const before = (await client.get('/API/WorkflowImportQueue/Batches?limit=1')).body.items[0].createdAt;
    expect(await client.post(path, body, headers)).toMatchObject({ status, body: { code } });
    expect((await client.get('/API/WorkflowImportQueue/Batches?limit=1')).body.items[0].createdAt).toBe(
      before,
    );
  });

  /** Break it: in `openMultipartFile`, leave out `declaredBytes` (the body is then waited for), or AROUND_FILE_BYTES. */
  it('keeps the limits of CreateBatch', async () => {
    const small = await startTestApp({
      ROLE: 'api',
      MAX_LINE_BYTES: '1024',
      MAX_RECORDS: '3',
      MAX_BODY_BYTES: '20000',
    });
    try {
      const other = new ImportClient(small.url);
      const id = await other.setUp();
      const upload = (file: string) => other.upload(file, { importProcessId: id });
      expect(await upload(`a,b\n1,2\n3,"${'x'.repeat(1100)}"\n`)).toMatchObject({
        status: 413,
        body: { code: 'line_too_long', limit: 1024, errors: [{ line: 3 }] },
      });
      expect(await upload('a,b\n1,1\n1,1\n1,1\n1,1\n')).toMatchObject({
        status: 413,
        body: { code: 'too_many_records', limit: 3 },
      });
      expect(await upload(`a,b\n${'\n'.repeat(21_000)}`)).toMatchObject({
        status: 413,
        body: { code: 'body_too_large', limit: 20_000 },
      });
      // Its boundaries and headers do not count as the file.
      const whole = `a,b\n${'\n'.repeat(19_996)}`;
      expect(await upload(whole)).toMatchObject({ status: 400, body: { code: 'empty_body' } });
      const declared = await rawRequest(
        small.url,
        `POST /API/WorkflowImportQueue/Uploads?fileName=a.csv&importProcessId=${id} HTTP/1.1\r\n` +
          `Host: localhost\r\nAuthorization: apikey ${TEST_API_KEY}\r\n` +
          'Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 2000000\r\n\r\n',
      );
      expect(declared.status).toBe(413);
      expect(JSON.parse(declared.text)).toMatchObject({ code: 'body_too_large', limit: 20_000 });
    } finally {
      await small.close();
    }
  });
});
