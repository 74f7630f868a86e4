import { get as httpGet, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { Client } from 'pg';
import { restoreFormula } from '../../src/formats/csv/csv-cells.js';
import type { TableCell } from '../../src/formats/record-reader.js';
import { tableCells } from '../../src/formats/workbook/workbook-cells.js';
import { openWorkbook } from '../../src/formats/workbook/workbook-worker.js';
import { DatabaseService } from '../../src/platform/database/database.service.js';
import { corpus } from '../support/corpora.js';
import {
  insertBatch,
  type RecordToInsert,
  storeApiKey,
  storeImportProcess,
} from '../support/stored-batch.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const NAUGHTY = JSON.parse(corpus('strings/blns.json').toString()) as string[];

const VIEWER_KEY = 'a-key-that-may-view-imports';

describe('downloading results', () => {
  let app: TestApp;
  let client: Client;
  let importProcessId: number;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    await storeApiKey(client, VIEWER_KEY, ['ViewImports']);
    importProcessId = await storeImportProcess(client, 'Members');
  });

  afterAll(async () => {
    await client?.end();
    await app?.close();
  });

  const store = (records: RecordToInsert[], chunkSize = 1000) =>
    insertBatch(client, importProcessId, {
      status: 'in_progress',
      records,
      chunkSize,
      fileName: 'Mitglieder ü.csv',
    });
  const pathOf = (id: number, query = '') => `/API/WorkflowImportQueue/Batches/${id}/Results${query}`;
  const download = async (id: number, query = '') => {
    const response = await fetch(app.url + pathOf(id, query), {
      headers: { authorization: `apikey ${VIEWER_KEY}` },
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  /** Opens a download and leaves it to the caller to read. */
  const open = (id: number, query = '') =>
    new Promise<IncomingMessage>((resolve, reject) => {
      httpGet(
        app.url + pathOf(id, query),
        { headers: { authorization: `apikey ${VIEWER_KEY}` }, agent: false },
        resolve,
      ).on('error', reject);
    });
  const jsonLines = (text: string) =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { line: number });
  const record = (line: number, status: RecordToInsert['status'], payload = '{}'): RecordToInsert => ({
    line,
    status,
    payload,
  });
  const OF_EVERY_STATUS: RecordToInsert[] = [
    record(1, 'succeeded'),
    record(2, 'failed'),
    record(4, 'invalid'),
    record(5, 'skipped'),
    record(6, 'canceled'),
    record(8, 'unknown'),
    record(9, 'pending'),
  ];

  describe('as JSON Lines', () => {
    it('gives line, status, operation, reference and error beside the record as it was sent', async () => {
      const payload = '{"n":1e400,"m":12345678901234567890,"s":"\\u0000\\ud800"}';
      const id = await store([
        { line: 3, status: 'succeeded', operation: 'updated', reference: '77', payload },
        {
          line: 5,
          status: 'failed',
          operation: 'rejected',
          payload: '{ "a" : 1 }',
          error: { code: 'no_match', message: 'no such member' },
        },
      ]);
      const { status, headers, text } = await download(id);
      expect(status).toBe(200);
      expect(headers.get('content-type')).toBe('application/jsonl; charset=utf-8');
      expect(text.split('\n')).toEqual([
        `{"line":3,"status":"succeeded","operation":"updated","reference":"77","error":null,"record":${payload}}`,
        '{"line":5,"status":"failed","operation":"rejected","reference":null,' +
          '"error":{"code":"no_match","message":"no such member","pointer":null},"record":{ "a" : 1 }}',
        '',
      ]);
    });

    it('streams 100,000 records in input order', async () => {
      const id = await store(
        Array.from({ length: 100_000 }, (_, index) => record(index + 1, 'succeeded', `{"n":${index + 1}}`)),
      );
      let expected = 0;
      const response = await open(id);
      for await (const line of createInterface({ input: response })) {
        expected += 1;
        const { line: number, record: row } = JSON.parse(line) as { line: number; record: { n: number } };
        if (number !== expected || row.n !== expected) throw new Error(`line ${expected} is ${line}`);
      }
      expect(expected).toBe(100_000);
    });
  });

  describe('of a set', () => {
    it.each([
      ['all', [1, 2, 4, 5, 6, 8, 9]],
      ['succeeded', [1, 5]],
      ['failed', [2, 4, 8]],
      ['unprocessed', [6, 9]],
    ])('%s has the lines %j, whatever the chunks they are in', async (set, lines) => {
      for (const chunkSize of [1, 1000]) {
        const id = await insertBatch(client, importProcessId, {
          status: 'canceled',
          records: OF_EVERY_STATUS,
          chunkSize,
        });
        const { text } = await download(id, `?set=${set}`);
        expect(jsonLines(text).map(({ line }) => line)).toEqual(lines);
      }
    });

    it('finds a few failed records among many chunks', async () => {
      const failed = new Set([3, 1500, 1501, 7999]);
      const id = await store(
        Array.from({ length: 8000 }, (_, index) =>
          record(index + 1, failed.has(index + 1) ? 'failed' : 'succeeded'),
        ),
        10,
      );
      expect(jsonLines((await download(id, '?set=failed')).text).map(({ line }) => line)).toEqual([
        ...failed,
      ]);
    });

    it('is an empty file when no record belongs to it', async () => {
      const id = await store([record(1, 'succeeded')]);
      expect(await download(id, '?set=failed')).toMatchObject({ status: 200, text: '' });
      expect((await download(id, '?set=failed&format=csv')).text).toBe('_line,_status,_error,_batch\r\n');
    });
  });

  describe('as CSV', () => {
    it('has the columns that were sent in their order, then ours', async () => {
      const id = await store([
        record(1, 'succeeded', '{"b":"x","2":1.50,"a":null}'),
        {
          ...record(2, 'failed', '{"b":"","c":{"d": [1]},"a":true}'),
          error: { code: 'too_long', message: 'c is too long', pointer: '/c' },
        },
      ]);
      const { headers, text } = await download(id, '?format=csv');
      expect(headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
      expect(text).toBe(
        'b,2,a,c,_line,_status,_error,_batch\r\n' +
          `x,1.50,"",,1,succeeded,,${id}\r\n` +
          `"",,true,"{""d"": [1]}",2,failed,too_long at /c: c is too long,${id}\r\n`,
      );
    });

    it('is read back by a CSV parser with every naughty string unchanged, none of them a formula', async () => {
      const id = await store(
        NAUGHTY.map((text, index) =>
          record(index + 1, 'failed', JSON.stringify({ ':UniqueId': index, text })),
        ),
      );
      const { text } = await download(id, '?set=failed&format=csv');
      const rows = parse<Record<string, string>>(text, { columns: true, bom: true });
      expect(rows.map((row) => restoreFormula(row.text!))).toEqual(NAUGHTY);
      expect(rows.map((row) => row._line)).toEqual(NAUGHTY.map((_, index) => String(index + 1)));
      for (const { text: cell } of rows) {
        if (/^[=+\-@\t\r\n]/.test(cell!)) expect(Number(cell)).toBeLessThanOrEqual(0);
      }
    });

    it('keeps naughty strings in the header too', async () => {
      const keys = [...new Set(NAUGHTY)].filter((key) => key !== '');
      const id = await store([
        record(1, 'failed', JSON.stringify(Object.fromEntries(keys.map((key) => [key, 1])))),
      ]);
      const [header] = parse((await download(id, '?format=csv')).text);
      expect(new Set(header!.slice(0, -4).map(restoreFormula))).toEqual(new Set(keys));
    });

    it('has a column for every value, even of records that fail during the download', async () => {
      const id = await store(
        [record(1, 'failed', '{"a":1}'), record(2, 'pending', '{"b":1}'), record(3, 'pending', '{"c":1}')],
        2,
      );
      // The second record fails after the columns were collected and before the rows are read.
      const database = app.app.get(DatabaseService);
      const query = database.query.bind(database);
      let pages = 0;
      const spy = jest.spyOn(database, 'query').mockImplementation(async (text, values) => {
        if (text.includes('octet_length') && ++pages === 2) {
          await client.query(
            `INSERT INTO import_queue_outcome (workflow_import_queue_batch_id, line_number, outcome) VALUES (${id}, 2, 'f')`,
          );
        }
        return query(text, values);
      });
      try {
        expect(parse((await download(id, '?set=failed&format=csv')).text)).toEqual([
          ['a', 'b', '_line', '_status', '_error', '_batch'],
          ['1', '', '1', 'failed', '', String(id)],
          ['', '1', '2', 'failed', '', String(id)],
        ]);
      } finally {
        spy.mockRestore();
      }
    });

    it('refuses more columns than fit into memory, and names the format without columns', async () => {
      const wide = (line: number) =>
        JSON.stringify(
          Object.fromEntries(Array.from({ length: 6000 }, (_, index) => [`${line}-${index}`, 1])),
        );
      const id = await store([record(1, 'succeeded', wide(1)), record(2, 'succeeded', wide(2))]);
      const { status, text } = await download(id, '?format=csv');
      expect(status).toBe(400);
      expect(JSON.parse(text)).toMatchObject({ code: 'too_many_columns' });
    });
  });

  it('names the file after the import, in ASCII and in full', async () => {
    const id = await store([record(1, 'succeeded')]);
    expect((await download(id, '?set=failed&format=csv')).headers.get('content-disposition')).toBe(
      `attachment; filename="Mitglieder _-failed.csv"; filename*=UTF-8''Mitglieder%20%C3%BC-failed.csv`,
    );
  });

  it.each([
    ['?set=everything', 'invalid_parameter'],
    ['?format=pdf', 'invalid_parameter'],
    ['?format=csv&encoding=klingon', 'invalid_parameter'],
    ['?format=csv&bom=maybe', 'invalid_parameter'],
    ['?shape=round', 'invalid_parameter'],
    ['?sett=all', 'unknown_parameter'],
  ])('refuses %s', async (query, code) => {
    const id = await store([]);
    const { status, text } = await download(id, query);
    expect([status, (JSON.parse(text) as { code: string }).code]).toEqual([400, code]);
  });

  describe('of a file', () => {
    const columns = [
      { header: 'E-Mail', target: ':Email' },
      { header: 'Bemerkung', target: null },
      { header: 'Vorname', target: 'First Name' },
    ];
    const bytesOf = async (id: number, query = '') => {
      const response = await fetch(app.url + pathOf(id, query), {
        headers: { authorization: `apikey ${VIEWER_KEY}` },
      });
      const name = /filename="([^"]*)"/.exec(response.headers.get('content-disposition') ?? '')?.[1];
      return {
        bytes: Buffer.from(await response.arrayBuffer()),
        name,
        type: response.headers.get('content-type'),
      };
    };
    const storeFile = async (understood: object, vorname: string) => {
      const payload = JSON.stringify({ ':Email': 'a@example.org', 'First Name': vorname });
      const error = { code: 'too_short', message: 'is too short', pointer: '/First Name' };
      const id = await store([{ ...record(2, 'failed', payload), error }]);
      await client.query(
        `UPDATE import_queue_batch SET upload = $2, file_name = 'members.txt' WHERE workflow_import_queue_batch_id = $1`,
        [id, { understood: { columns, ...understood } }],
      );
      await client.query(
        `UPDATE import_queue_chunk SET left_out = '{"2":["naïve"]}' WHERE workflow_import_queue_batch_id = $1`,
        [id],
      );
      return id;
    };
    const CSV = { format: 'csv', encoding: 'windows-1252', delimiter: ';' };

    /** Break it: in `selectSourceFile`, answer null; in `ResultTable.cells`, leave out `others`. */
    it('gives back its delimiter, encoding, headers and left-out columns', async () => {
      const id = await storeFile(CSV, 'Zoë');
      const { bytes, name, type } = await bytesOf(id, '?set=failed');
      expect(bytes.toString('latin1')).toBe(
        'E-Mail;Bemerkung;Vorname;_line;_status;_error;_batch\r\n' +
          `a@example.org;na\xefve;Zo\xeb;2;failed;too_short at /First Name: is too short;${id}\r\n`,
      );
      expect([name, type]).toEqual(['members-failed.csv', 'text/csv; charset=windows-1252; header=present']);
    });

    it('is UTF-8 and says so in its name if its encoding lacks a character of a value', async () => {
      const id = await storeFile(CSV, '東京');
      const { bytes, name } = await bytesOf(id, '?set=failed');
      expect(bytes.toString()).toContain('\ufeffE-Mail;Bemerkung;Vorname');
      expect(bytes.toString()).toContain('naïve;東京;');
      expect(name).toBe('members-failed-utf-8.csv');
    });

    it('takes delimiter, encoding and byte order mark from the query', async () => {
      const id = await storeFile(CSV, 'Zoë');
      const { bytes } = await bytesOf(id, '?format=csv&delimiter=tab&encoding=utf-8&bom=false');
      expect(bytes.toString().split('\r\n')[0]).toBe(
        'E-Mail\tBemerkung\tVorname\t_line\t_status\t_error\t_batch',
      );
      expect((await bytesOf(id, '?format=csv&encoding=utf-16le')).bytes.toString('utf16le')).toContain('Zoë');
    });

    it('is a workbook if a workbook was sent', async () => {
      const id = await storeFile({ format: 'ods', encoding: null, delimiter: null }, "'=1");
      const { bytes, name } = await bytesOf(id, '?set=failed');
      expect(name).toBe('members-failed.xlsx');
      const range = (start: number, end: number) => Promise.resolve(bytes.subarray(start, end));
      const workbook = await openWorkbook({ size: bytes.length, range }, new AbortController().signal);
      const rows: TableCell[][] = [];
      for await (const block of workbook.rows(0)) rows.push(...block.map(tableCells));
      expect(rows).toEqual([
        ['E-Mail', 'Bemerkung', 'Vorname', '_line', '_status', '_error', '_batch'],
        [
          ...['a@example.org', 'naïve', "''=1"],
          { kind: 'number', value: '2', text: '2' },
          ...['failed', 'too_short at /First Name: is too short'],
          { kind: 'number', value: String(id), text: String(id) },
        ],
      ]);
    });

    it('gives bare records as JSON Lines, byte for byte', async () => {
      const payload = '{ "n": 1e400, "s": "\\u0041" }';
      const id = await store([record(1, 'failed', payload)]);
      expect((await download(id, '?shape=record')).text).toBe(`${payload}\n`);
    });
  });

  /** Break it: in `WITH_ERROR`, leave out one of the two tables. */
  it('reads only the refused records of an ended batch where they are few', async () => {
    const error = { code: 'no_match', message: 'no such member' };
    const records = Array.from({ length: 200 }, (_, index): RecordToInsert => {
      if (index === 16) return { ...record(17, 'failed'), operation: 'rejected', error };
      if (index === 119) return { ...record(120, 'invalid'), error };
      return { ...record(index + 1, 'succeeded'), operation: 'created' };
    });
    const id = await insertBatch(client, importProcessId, {
      ...{ status: 'completed_with_errors', records, chunkSize: 100, finishedAt: new Date() },
    });
    const query = jest.spyOn(app.app.get(DatabaseService), 'query');
    try {
      const { text } = await download(id, '?set=failed');
      expect(jsonLines(text).map(({ line }) => line)).toEqual([17, 120]);
      const read = query.mock.calls.filter(([statement]) => statement.includes('octet_length'));
      expect(read.map(([, values]) => values?.[1])).toEqual([[17, 120]]);
    } finally {
      query.mockRestore();
    }
  });

  describe('in parts, and compressed', () => {
    const ROWS = Array.from({ length: 300 }, (_, index) => record(index + 1, 'failed', '{"a":"ü"}'));
    let id: number;
    let whole: { status: number; headers: IncomingMessage['headers']; body: Buffer };

    const fetched = async (
      query: string,
      headers: Record<string, string> = {},
      batch = id,
      route = 'Results',
    ) => {
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        const authorization = `apikey ${VIEWER_KEY}`;
        const options = { headers: { authorization, ...headers }, agent: false };
        const path = pathOf(batch, query).replace('Results', route);
        httpGet(app.url + path, options, resolve).on('error', reject);
      });
      const body = Buffer.concat(await answer.toArray());
      return { status: answer.statusCode!, headers: answer.headers, body };
    };

    beforeAll(async () => {
      id = await insertBatch(client, importProcessId, {
        ...{ status: 'completed_with_errors', records: ROWS, chunkSize: 100, finishedAt: new Date() },
      });
      whole = await fetched('?format=csv');
    });

    /** Break it: in `part`, begin at 0; in `askedPart`, ignore `If-Range`, or forget the tag. */
    it('sends the bytes that Range names of an ended batch, and says which they are', async () => {
      const { length } = whole.body;
      expect(whole.headers).toMatchObject({
        'accept-ranges': 'bytes',
        etag: expect.stringMatching(/^"[^"]+"$/),
      });
      for (const [range, start, end] of [
        ['bytes=5-2999', 5, 2999],
        ['bytes=3000-', 3000, length - 1],
        ['bytes=-7', length - 7, length - 1],
        [`bytes=9-${length + 5}`, 9, length - 1],
      ] as const) {
        const { status, headers, body } = await fetched('?format=csv', {
          range,
          'accept-encoding': 'gzip',
          'if-range': String(whole.headers.etag),
        });
        expect([status, headers['content-range']]).toEqual([206, `bytes ${start}-${end}/${length}`]);
        expect(headers).not.toHaveProperty('content-encoding');
        expect(body.equals(whole.body.subarray(start, end + 1))).toBe(true);
      }
      const beyond = await fetched('?format=csv', { range: `bytes=${length}-` });
      expect([beyond.status, beyond.headers['content-range']]).toEqual([416, `bytes */${length}`]);
      expect(JSON.parse(String(beyond.body)).code).toBe('range_not_satisfiable');
    });

    it.each([
      ['another file', { range: 'bytes=0-1', 'if-range': '"other"' }],
      ['a weak tag', { range: 'bytes=0-1', 'if-range': 'W/"x"' }],
      ['several parts', { range: 'bytes=0-1,5-6' }],
      ['another unit', { range: 'lines=0-1' }],
    ])('sends the whole file for %s', async (_, headers) => {
      const { status, body } = await fetched('?format=csv', headers);
      expect([status, body.equals(whole.body)]).toEqual([200, true]);
    });

    it('sends no part of what may still change', async () => {
      const running = await store([record(1, 'failed')]);
      const { status, headers } = await fetched('', { range: 'bytes=0-1' }, running);
      expect([status, headers['accept-ranges'], headers.etag]).toEqual([200, undefined, undefined]);
    });

    /** Break it: in start.ts, leave out `compressedAnswers`. */
    it.each([
      ['gzip', gunzipSync],
      ['br', brotliDecompressSync],
    ])('compresses downloads and lists with %s', async (encoding, decompress) => {
      const headers = { 'accept-encoding': encoding };
      for (const query of ['?format=csv', '?format=jsonl']) {
        const plain = await fetched(query);
        const small = await fetched(query, headers);
        expect(small.headers).toMatchObject({
          'content-encoding': encoding,
          etag: expect.stringMatching(/^W\//),
        });
        expect(small.headers.vary).toContain('Accept-Encoding');
        expect(small.body.length).toBeLessThan(plain.body.length / 2);
        expect(decompress(small.body).equals(plain.body)).toBe(true);
      }
      const list = await fetched('', headers, id, 'Records');
      expect(list.headers['content-encoding']).toBe(encoding);
      expect(JSON.parse(String(decompress(list.body))).items).toHaveLength(50);
      expect((await fetched('?format=xlsx', headers)).headers).not.toHaveProperty('content-encoding');
    });
  });

  describe('that clients are slow to read', () => {
    let id: number;

    beforeAll(async () => {
      const payload = `{"a":"${'x'.repeat(100_000)}"}`;
      id = await store(Array.from({ length: 500 }, (_, index) => record(index + 1, 'succeeded', payload)));
    });

    it('hold no database connection', async () => {
      // One more than the pool has connections.
      const stalled = await Promise.all(Array.from({ length: 11 }, () => open(id)));
      try {
        const { status } = await download(id, '?set=failed');
        expect(status).toBe(200);
      } finally {
        for (const response of stalled) response.destroy();
      }
    });

    it('stop being read from the database when the client goes away', async () => {
      const query = jest.spyOn(app.app.get(DatabaseService), 'query');
      const pagesRead = () => query.mock.calls.filter(([text]) => text.includes('octet_length')).length;
      try {
        await download(id);
        const whole = pagesRead();
        (await open(id)).destroy();
        // Were the abandoned download read on, it would have been read to its end by the end of this one.
        await download(id);
        expect(whole).toBeGreaterThan(10);
        expect(pagesRead() - 2 * whole).toBeLessThan(whole / 2);
      } finally {
        query.mockRestore();
      }
    });

    it('break off if the database fails: half a file never looks complete', async () => {
      const response = await open(id);
      await client.query('ALTER TABLE import_queue_line RENAME TO import_queue_line_away');
      try {
        await expect(finished(response.resume())).rejects.toMatchObject({ code: 'ECONNRESET' });
      } finally {
        await client.query('ALTER TABLE import_queue_line_away RENAME TO import_queue_line');
      }
    });
  });
});
