import { FORGED_POSITIONS, sealed } from '../support/forged-cursors.js';
import { type Answer, ImportClient, jsonl, member } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** The same numbers in every run. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state;
  }
}

describe('the preview of an upload', () => {
  let test: TestApp;
  let client: ImportClient;

  beforeAll(async () => {
    test = await startTestApp({ CHUNK_SIZE: '5' });
    client = new ImportClient(test.url);
  });

  afterAll(() => test.close());

  const upload = async (rows: unknown[], importProcessId: number): Promise<Answer> => {
    const answer = await client.upload(jsonl(rows), { importProcessId });
    expect(answer).toMatchObject({ status: 202 });
    return answer;
  };
  const all = async (path: string, limit: number): Promise<any[]> => {
    const items: any[] = [];
    for (let after = ''; ;) {
      const { status, body } = await client.get(`${path}limit=${limit}${after}`);
      expect([status, body.code]).toEqual([200, undefined]);
      items.push(...body.items);
      if (body.nextCursor === null) return items;
      after = `&after=${encodeURIComponent(body.nextCursor)}`;
    }
  };
  const previewOf = async (answer: Answer) =>
    (await all(`${answer.body.links.self}/Preview?`, 7)).filter(({ operation }) => operation !== 'invalid');
  /** What became of the records, in the words of the preview. */
  const outcomesOf = async (answer: Answer): Promise<any[]> => {
    await client.post(`${answer.body.links.self}/Confirm`);
    await client.ended(answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const records = await all(`${answer.body.links.records}?`, 200);
    return records
      .filter(({ status }) => status !== 'invalid')
      .map(({ line, status, operation, error }) => ({
        line,
        operation: status === 'skipped' ? 'skipped' : operation,
        error: error?.code ?? null,
      }));
  };
  const inShort = (preview: any[]) =>
    preview.map(({ line, operation, error }) => ({ line, operation, error: error?.code ?? null }));

  it('states the outcome of each valid record, and why it would be rejected', async () => {
    const importProcessId = await client.setUp();
    const known = await upload([member(1), member(2)], importProcessId);
    expect(known.body.summary.operations).toEqual({ create: 2, update: 0, unchanged: 0, skip: 0, reject: 0 });
    await outcomesOf(known);

    const answer = await upload(
      [
        member(1),
        member(2, { Level: 'Associate' }),
        member(3),
        member(4, { Level: 'Knight' }),
        { ...member(1), ':Email': 'person2@example.org' },
      ],
      importProcessId,
    );
    expect(answer.body.summary).toMatchObject({
      valid: 4,
      invalid: 1,
      operations: { create: 1, update: 1, unchanged: 1, skip: 0, reject: 1 },
      fieldChanges: [{ field: 'Level', count: 1 }],
      cleared: { values: 0, rows: 0 },
      sameThing: [],
    });
    const refused = await client.get(`${answer.body.links.self}/Preview?operation=invalid`);
    expect(refused.body.items).toMatchObject([
      { line: 4, operation: 'invalid', changes: [], error: { code: 'not_an_option' } },
    ]);
    const preview = await previewOf(answer);
    expect(preview).toMatchObject([
      {
        line: 1,
        operation: 'unchanged',
        reference: expect.stringMatching(/^\d+$/),
        changes: [],
        error: null,
      },
      {
        ...{ line: 2, row: 2, operation: 'updated', reference: expect.stringMatching(/^\d+$/) },
        changes: [{ field: 'Level', before: 'Fellow', after: 'Associate' }],
      },
      { line: 3, operation: 'created', reference: null },
      { line: 5, operation: 'rejected', error: { code: 'ambiguous_match', message: expect.any(String) } },
    ]);
    const { body } = await client.get(`${answer.body.links.self}/Preview?operation=updated`);
    expect(body).toMatchObject({ items: [{ line: 2 }], nextCursor: null });
    expect(inShort(preview)).toEqual(await outcomesOf(answer));
  });

  /** Break it: in `decodeCursor`, leave out `isPosition`; for the last one, in `PreviewService.page`, give HIGHEST_ID twice. */
  it('refuses a forged cursor', async () => {
    const answer = await upload([member(801)], await client.setUp());
    for (const text of [...FORGED_POSITIONS, '[1]', '["x",1]', '[1,1.5]', '[2147483648,1]']) {
      const { status, body } = await client.get(
        `${answer.body.links.self}/Preview?after=${sealed('Preview', text)}`,
      );
      expect([text, status, body.code]).toEqual([text, 400, 'invalid_cursor']);
    }
  });

  it('answers at most 500 records a page', async () => {
    const answer = await upload([member(802)], await client.setUp());
    const page = (limit: number) => client.get(`${answer.body.links.self}/Preview?limit=${limit}`);
    expect((await page(500)).status).toBe(200);
    expect(await page(501)).toMatchObject({ status: 400, body: { code: 'invalid_parameter' } });
  });

  it('has no effect at all', async () => {
    const importProcessId = await client.setUp();
    const answer = await upload([member(901), member(902)], importProcessId);
    await previewOf(answer);
    const found = await client.get('/API/Workflows/grant-role/Instances?:UniqueId=M-901');
    expect(found.body.items ?? []).toEqual([]);
    const first = await upload([member(903)], importProcessId);
    expect(inShort(await previewOf(first))).toEqual(await outcomesOf(first));
  });

  it('lets a record see the effects of earlier ones, across chunks', async () => {
    const importProcessId = await client.setUp();
    const fill = Array.from({ length: 11 }, (_, n) => member(2000 + n));
    const answer = await upload(
      [
        member(1001),
        ...fill.map((row) => ({
          ...row,
          ':UniqueId': `A${row[':UniqueId']}`,
          ':Email': `a.${row[':Email']}`,
        })),
        member(1001),
        ...fill.map((row) => ({
          ...row,
          ':UniqueId': `B${row[':UniqueId']}`,
          ':Email': `b.${row[':Email']}`,
        })),
        member(1001, { Level: 'Associate' }),
      ],
      importProcessId,
    );
    const preview = inShort(await previewOf(answer));
    expect([preview[0], preview[12], preview.at(-1)].map((each) => each?.operation)).toEqual([
      'created',
      'unchanged',
      'updated',
    ]);
    expect(preview).toEqual(await outcomesOf(answer));
  });

  /** Break it: in `previewChunk`, answer `false` to `recurs`. */
  it('lets a record see the effects of earlier ones of its chunk, which is previewed in pieces', async () => {
    const large = await startTestApp({ CHUNK_SIZE: '2000' });
    const small = client;
    client = new ImportClient(large.url);
    try {
      const importProcessId = await client.setUp();
      const rows = Array.from({ length: 1_300 }, (_, n) => {
        const { ':UniqueId': id, ':Email': email, ...values } = member(n % 700);
        // Some are found by the identifier that the earlier row had beside another one.
        if (n < 700) return { ':UniqueId': id, ':Email': email, ...values };
        return {
          ...(n % 2 === 0 ? { ':UniqueId': id } : { ':Email': email }),
          ...values,
          Level: n % 3 === 0 ? 'Fellow' : 'Associate',
        };
      });
      const answer = await upload(rows, importProcessId);
      const preview = inShort(await previewOf(answer));
      const { operations, sameThing } = answer.body.summary;
      expect(operations).toMatchObject({ create: 700, update: 400, unchanged: 200 });
      expect(sameThing[0]).toEqual({ identifier: ':UniqueId:M-0', lines: [1, 701] });
      expect(preview).toEqual(await outcomesOf(answer));
    } finally {
      client = small;
      await large.close();
    }
  });

  it.each<['create' | 'reject', 'update' | 'skip' | 'reject']>([
    ['create', 'update'],
    ['reject', 'update'],
    ['create', 'skip'],
    ['create', 'reject'],
  ])(
    'equals the outcome of a batch made to collide (%s, %s)',
    async (onNoMatch, onMatch) => {
      const random = numbers(onNoMatch.length * 100 + onMatch.length);
      const below = (bound: number) => random.next().value % bound;
      const base = 10_000 * (1 + ['create', 'reject', 'skip', 'update'].indexOf(onMatch));
      const rows = Array.from({ length: 400 }, () => ({
        ...(below(10) < 7 && { ':UniqueId': `U-${base + below(60)}` }),
        ...(below(10) < 5 && { ':Email': `${below(2) === 0 ? 'P' : 'p'}${base + below(60)}@example.org` }),
        'First Name': `Name ${below(3)}`,
        Level: below(2) === 0 ? 'Fellow' : 'Associate',
      }));
      // Some are there beforehand.
      const before = await upload(
        rows.slice(0, 60),
        await client.setUp(undefined, undefined, { ordered: true }),
      );
      expect(inShort(await previewOf(before))).toEqual(await outcomesOf(before));

      const importProcessId = await client.setUp(
        undefined,
        { onNoMatch, onMatch },
        // Line by line, so that only one outcome is possible.
        { ordered: true },
      );
      const answer = await upload(rows, importProcessId);
      const preview = inShort(await previewOf(answer));
      expect(new Set(preview.map(({ operation }) => operation)).size).toBeGreaterThan(1);
      expect(preview).toEqual(await outcomesOf(answer));
    },
    60_000,
  );

  it('does not exist for a running batch that was never previewed', async () => {
    const importProcessId = await client.setUp();
    const { body } = await client.createBatch(jsonl([member(5001)]), { importProcessId });
    expect(await client.get(`${body.links.self}/Preview`)).toMatchObject({
      status: 409,
      body: { code: 'state_conflict' },
    });
  });
});
