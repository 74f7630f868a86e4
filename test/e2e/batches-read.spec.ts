import { Client } from 'pg';
import { FORGED_POSITIONS, sealed } from '../support/forged-cursors.js';
import {
  insertBatch,
  type RecordToInsert,
  storeApiKey,
  storeImportProcess,
} from '../support/stored-batch.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { emptyTables } from '../support/test-database.js';

const VIEWER_KEY = 'a-key-that-may-view-imports';

interface Body {
  items: { WORKFLOW_IMPORT_QUEUE_BATCH_ID: number; line: number; status: string }[];
  nextCursor: string | null;
  code: string;
  errors: unknown[];
}

describe('reading batches', () => {
  let app: TestApp;
  let client: Client;
  let members: number;
  let courses: number;

  beforeAll(async () => {
    app = await startTestApp({ ROLE: 'api' });
    client = new Client({ connectionString: app.database.url });
    await client.connect();
    await storeApiKey(client, VIEWER_KEY, ['ViewImports']);
    members = await storeImportProcess(client, 'Members');
    courses = await storeImportProcess(client, 'Courses');
  });

  afterAll(async () => {
    await client?.end();
    await app?.close();
  });

  afterEach(() => emptyTables(client, 'import_queue_batch, import_queue_line, import_queue_outcome'));

  const get = async (path: string, key = VIEWER_KEY) => {
    const response = await fetch(`${app.url}/API/WorkflowImportQueue/Batches${path}`, {
      headers: { authorization: `apikey ${key}` },
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) as Body };
  };
  const failed = (line: number): RecordToInsert => ({
    line,
    status: 'failed',
    operation: 'rejected',
    payload: `{"line":${line}}`,
    error: { code: 'no_match', message: `no member "${line}"`, pointer: '/:UniqueId' },
  });
  const succeeded = (line: number): RecordToInsert => ({
    line,
    status: 'succeeded',
    operation: 'created',
    reference: String(1000 + line),
    payload: `{"line":${line}}`,
  });
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => from + index);

  describe('the list', () => {
    it('has the newest batch first and pages through all of them with nextCursor and Link', async () => {
      const ids: number[] = [];
      for (let count = 0; count < 5; count++) {
        ids.unshift(await insertBatch(client, members, { status: 'queued', records: [] }));
      }
      const first = await get('?limit=2');
      expect(first.body.items.map((item) => item.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toEqual(ids.slice(0, 2));
      expect(first.headers.get('link')).toBe(
        `</API/WorkflowImportQueue/Batches?limit=2&after=${first.body.nextCursor}>; rel="next"`,
      );
      const second = await get(`?limit=2&after=${first.body.nextCursor}`);
      const third = await get(`?limit=2&after=${second.body.nextCursor}`);
      const seen = [first, second, third].flatMap(({ body }) =>
        body.items.map((item) => item.WORKFLOW_IMPORT_QUEUE_BATCH_ID),
      );
      expect(seen).toEqual(ids);
      expect(third.body.nextCursor).toBeNull();
      expect(third.headers.get('link')).toBeNull();
    });

    it('filters by status, import process, creation path (whole or its end) and a part of the file name', async () => {
      const a = await insertBatch(client, members, {
        status: 'queued',
        records: [],
        fileName: 'Members 100%_a.csv',
        creationPath: 'IMPORT_QUEUE_API:LH',
      });
      const b = await insertBatch(client, courses, {
        status: 'completed',
        records: [],
        fileName: 'courses 1000.csv',
        creationPath: 'IMPORT_QUEUE_UI',
      });
      const found = async (query: string) =>
        (await get(query)).body.items.map((item) => item.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
      expect(await found('?status=queued')).toEqual([a]);
      expect(await found('?status=failed,completed,queued')).toEqual([b, a]);
      expect(await found(`?importProcessId=${courses}`)).toEqual([b]);
      expect(await found('?creationPath=IMPORT_QUEUE_API:LH')).toEqual([a]);
      expect(await found('?creationPath=LH')).toEqual([a]);
      expect(await found('?creationPath=L')).toEqual([]);
      expect(await found('?creationPath=IMPORT_QUEUE_UI')).toEqual([b]);
      expect(await found('?q=MEMBERS')).toEqual([a]);
      expect(await found('?q=100%25_')).toEqual([a]);
      expect(await found('?q=%5C')).toEqual([]);
      expect(await found('?q=csv&status=completed')).toEqual([b]);
    });

    it('shows a key that is limited to an import process only the batches of that one', async () => {
      const id = await insertBatch(client, members, { status: 'queued', records: [] });
      await insertBatch(client, courses, { status: 'queued', records: [] });
      const key = 'a-key-for-members-only-000';
      await storeApiKey(client, key, ['ViewImports'], [members]);
      const { body } = await get('', key);
      expect(body.items.map((item) => item.WORKFLOW_IMPORT_QUEUE_BATCH_ID)).toEqual([id]);
      expect((await get(`/${id + 1}`, key)).status).toBe(403);
      expect((await get(`/${id + 1}/Records`, key)).status).toBe(403);
      expect((await get(`/${id + 1}/Results`, key)).status).toBe(403);
      expect((await get(`/${id}`, key)).status).toBe(200);
    });

    it.each([
      ['?limit=0', 'invalid_parameter', 'limit'],
      ['?limit=201', 'invalid_parameter', 'limit'],
      ['?limit=ten', 'invalid_parameter', 'limit'],
      ['?status=done', 'invalid_parameter', 'status'],
      ['?status=queued,', 'invalid_parameter', 'status'],
      ['?importProcessId=-1', 'invalid_parameter', 'importProcessId'],
      ['?creationPath=lh', 'invalid_parameter', 'creationPath'],
      ['?q=', 'invalid_parameter', 'q'],
      ['?q=%00', 'invalid_parameter', 'q'],
      ['?stauts=queued', 'unknown_parameter', 'stauts'],
      ['?limit=1&limit=2', 'repeated_parameter', 'limit'],
      ['?after=abc', 'invalid_cursor', 'after'],
    ])('refuses %s', async (query, code, parameter) => {
      const { status, body } = await get(query);
      expect(status).toBe(400);
      expect(body.errors).toEqual([expect.objectContaining({ code, parameter })]);
    });

    /** Break it: in `decodeCursor`, leave out `isPosition`. */
    it.each([...FORGED_POSITIONS, '[9007199254740993]'])('refuses a cursor sealed over %s', async (text) => {
      const { status, body } = await get(`?after=${sealed('Batches', text)}`);
      expect([status, body.code]).toEqual([400, 'invalid_cursor']);
    });
  });

  describe('one batch', () => {
    it('is answered with counts that add up and the actions that are allowed now', async () => {
      const id = await insertBatch(client, members, {
        status: 'in_progress',
        startedAt: new Date(),
        chunkSize: 2,
        records: [succeeded(1), failed(2), { line: 3, status: 'pending', payload: '{}' }],
      });
      const { status, body } = await get(`/${id}`);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        WORKFLOW_IMPORT_QUEUE_BATCH_ID: id,
        recordCounts: { total: 3, pending: 1, succeeded: 1, failed: 1 },
        links: { cancel: `/API/WorkflowImportQueue/Batches/${id}/Cancel` },
      });
    });

    it.each(['999999', '0', '-1', 'abc', '99999999999999999999', '1.5'])(
      'says 404 for the id %s',
      async (id) => {
        const { status, body } = await get(`/${id}`);
        expect(status).toBe(404);
        expect(body.code).toBe('batch_not_found');
      },
    );
  });

  describe('the records of a batch', () => {
    it('are listed by line with their outcome and what was sent', async () => {
      const id = await insertBatch(client, members, {
        status: 'in_progress',
        chunkSize: 2,
        records: [succeeded(1), failed(3), { line: 4, status: 'pending', payload: '{}' }],
      });
      const { status, headers, body } = await get(`/${id}/Records`);
      expect(status).toBe(200);
      expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(body).toEqual({
        items: [
          {
            line: 1,
            row: 1,
            status: 'succeeded',
            operation: 'created',
            reference: '1001',
            attempts: 1,
            error: null,
            errors: [],
            record: { line: 1 },
          },
          {
            line: 3,
            row: 3,
            status: 'failed',
            operation: 'rejected',
            reference: null,
            attempts: 1,
            error: { code: 'no_match', message: 'no member "3"', pointer: '/:UniqueId' },
            errors: [{ code: 'no_match', message: 'no member "3"', pointer: '/:UniqueId' }],
            record: { line: 3 },
          },
          {
            line: 4,
            row: 4,
            status: 'pending',
            operation: null,
            reference: null,
            attempts: 0,
            error: null,
            errors: [],
            record: {},
          },
        ],
        nextCursor: null,
      });
    });

    it('show each record exactly as it was sent', async () => {
      const payloads = [
        '{"n":1e400,"m":12345678901234567890,"z":-0.10,"f":1.0}',
        '{"nul":"\\u0000","lone":"\\ud800","escaped":"\\u0041\\/"}',
        '{ "2" : 1 , "1" : 2, "a":1,"a":2 }',
        '{"text":"\u2028é😀"}',
      ];
      const records = payloads.map((payload, index) => ({
        line: index + 1,
        status: 'pending' as const,
        payload,
      }));
      const id = await insertBatch(client, members, { status: 'queued', records });
      const { text } = await get(`/${id}/Records`);
      for (const payload of payloads) expect(text).toContain(`"record":${payload}}`);
    });

    it('can be filtered by status, in any chunks, and paged', async () => {
      const few = new Set([7, 250, 251, 252, 999]);
      const records = lines(1, 1000).map((line) => (few.has(line) ? failed(line) : succeeded(line)));
      const id = await insertBatch(client, members, {
        status: 'completed_with_errors',
        chunkSize: 10,
        records,
      });
      const seen: number[] = [];
      let after = '';
      for (let pages = 0; pages < 10; pages++) {
        const { body } = await get(`/${id}/Records?status=failed&limit=2${after}`);
        seen.push(...body.items.map((item) => item.line));
        if (body.nextCursor === null) break;
        after = `&after=${body.nextCursor}`;
      }
      expect(seen).toEqual([...few]);
    });

    it.each([
      ['succeeded', 3],
      ['failed', 2],
      ['invalid', 1],
      ['skipped', 1],
      ['canceled', 1],
      ['unknown', 1],
      ['pending', 1],
      ['processing', 0],
    ])('with status %s are found', async (status, count) => {
      const others = (['invalid', 'skipped', 'canceled', 'unknown', 'pending'] as const).map(
        (other, index) => ({
          line: 6 + index,
          status: other,
          payload: '{}',
          ...(other === 'invalid' || other === 'unknown' ? { error: { code: 'a', message: 'b' } } : {}),
        }),
      );
      const id = await insertBatch(client, members, {
        status: 'in_progress',
        chunkSize: 3,
        records: [...lines(1, 3).map(succeeded), ...lines(4, 5).map(failed), ...others],
      });
      const { body } = await get(`/${id}/Records?status=${status}`);
      expect(body.items.map((item) => item.status)).toEqual(new Array(count).fill(status));
    });

    it('that have several errors and another row number show all of them', async () => {
      const errors = [
        { code: 'required', message: 'is missing', pointer: '/Level' },
        { code: 'not_a_date', message: 'must be a date', pointer: null },
      ];
      const { code, message, pointer } = errors[0]!;
      const record = { line: 5, row: 12, status: 'invalid' as const, payload: '{}' };
      const id = await insertBatch(client, members, {
        status: 'completed_with_errors',
        records: [{ ...record, error: { code, message, pointer: pointer! }, errors }],
      });
      const { body } = await get(`/${id}/Records`);
      expect(body.items).toMatchObject([{ line: 5, row: 12, error: errors[0], errors }]);
    });

    describe('can be filtered', () => {
      const several = (line: number): RecordToInsert => ({
        ...failed(line),
        errors: [
          { code: 'no_match', message: `no member "${line}"`, pointer: '/:UniqueId' },
          { code: 'required', message: 'is missing', pointer: '/Level' },
        ],
      });
      const stored = () =>
        insertBatch(client, members, {
          status: 'completed_with_errors',
          chunkSize: 10,
          records: lines(1, 500).map((line) => {
            if (line % 100 === 0) return several(line);
            return line % 2 === 0 ? failed(line) : succeeded(line);
          }),
        });
      const linesOf = async (path: string) => {
        const seen: number[] = [];
        for (let after = ''; ;) {
          const { body } = await get(`${path}${after}`);
          seen.push(...body.items.map((item) => item.line));
          if (body.nextCursor === null) return seen;
          after = `&after=${body.nextCursor}`;
        }
      };

      /** Break it: compare only `error_code`. */
      it('by the code of any of their errors, page by page', async () => {
        const id = await stored();
        expect(await linesOf(`/${id}/Records?errorCode=required&limit=2`)).toEqual([100, 200, 300, 400, 500]);
        expect(await linesOf(`/${id}/Records?errorCode=no_match&limit=200`)).toHaveLength(250);
        expect(await linesOf(`/${id}/Records?errorCode=required&status=succeeded`)).toEqual([]);
        expect(await linesOf(`/${id}/Records?errorCode=other&limit=1`)).toEqual([]);
      });

      it('by line, and from a line on', async () => {
        const id = await stored();
        expect(await linesOf(`/${id}/Records?line=77`)).toEqual([77]);
        expect(await linesOf(`/${id}/Records?line=77&status=failed`)).toEqual([]);
        expect(await linesOf(`/${id}/Records?line=501`)).toEqual([]);
        expect(await linesOf(`/${id}/Records?fromLine=495&limit=2`)).toEqual(lines(495, 500));
        expect(await linesOf(`/${id}/Records?fromLine=450&errorCode=required`)).toEqual([500]);
      });

      it.each(['line=0', 'fromLine=2147483648', 'line=x', 'errorCode=', 'errorCode=a%20b'])(
        'but not by %s',
        async (query) => {
          const id = await insertBatch(client, members, { status: 'queued', records: [] });
          const { status, body } = await get(`/${id}/Records?${query}`);
          expect([status, body.code]).toEqual([400, 'invalid_parameter']);
        },
      );

      it('and their causes counted, each error in its group, with the first lines', async () => {
        const id = await stored();
        const { body } = await get(`/${id}/ErrorGroups`);
        expect(body).toEqual({
          items: [
            {
              code: 'no_match',
              pointer: '/:UniqueId',
              message: 'no member "2"',
              count: 250,
              sampleLines: [2, 4, 6, 8, 10],
            },
            {
              code: 'required',
              pointer: '/Level',
              message: 'is missing',
              count: 5,
              sampleLines: [100, 200, 300, 400, 500],
            },
          ],
        });
      });
    });

    it('that are very long are listed in smaller pages, with a cursor for the rest', async () => {
      const long = (line: number) => ({
        line,
        status: 'pending' as const,
        payload: `{"a":"${'x'.repeat(1024 * 1024 - 8)}"}`,
      });
      const id = await insertBatch(client, members, { status: 'queued', records: lines(1, 10).map(long) });
      const seen: number[] = [];
      let after = '';
      for (let pages = 0; pages < 10; pages++) {
        const { body, text } = await get(`/${id}/Records?limit=200${after}`);
        expect(text.length).toBeLessThan(6 * 1024 * 1024);
        seen.push(...body.items.map((item) => item.line));
        if (body.nextCursor === null) break;
        after = `&after=${body.nextCursor}`;
      }
      expect(seen).toEqual(lines(1, 10));
    });

    it('refuse a cursor of the list of batches', async () => {
      const first = await insertBatch(client, members, { status: 'queued', records: [] });
      await insertBatch(client, members, { status: 'queued', records: [] });
      const { nextCursor } = (await get('?limit=1')).body;
      const { status, body } = await get(`/${first}/Records?after=${nextCursor}`);
      expect([status, body.code]).toEqual([400, 'invalid_cursor']);
    });

    /** Break it: in `decodeCursor`, leave out `isPosition`; for the last one, in `lineBefore`, take `LAST_LINE`. */
    it.each([...FORGED_POSITIONS, '[2147483647]'])('refuse a cursor sealed over %s', async (text) => {
      const id = await insertBatch(client, members, { status: 'completed', records: [failed(1)] });
      for (const filter of ['', '&status=failed']) {
        const { status, body } = await get(`/${id}/Records?after=${sealed('Records', text)}${filter}`);
        expect([status, body.code]).toEqual([400, 'invalid_cursor']);
      }
    });

    /** Break it: in `lineBefore`, take `LAST_LINE - 2`. */
    it('end after the last possible line', async () => {
      const id = await insertBatch(client, members, { status: 'completed', records: [failed(1)] });
      const { status, body } = await get(`/${id}/Records?after=${sealed('Records', '[2147483646]')}`);
      expect([status, body.items]).toEqual([200, []]);
    });
  });
});
