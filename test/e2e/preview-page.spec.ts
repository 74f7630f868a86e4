import { type Answer, ImportClient, jsonl, member, MEMBER_WORKFLOW } from '../support/import-client.js';
import { signIn } from '../support/sign-in.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const HEADER = ':UniqueId,:Email,First Name,Level';

describe('what a file would change, on the page before confirmation', () => {
  let app: TestApp;
  let client: ImportClient;
  let cookie: string;
  let importProcessId: number;

  beforeAll(async () => {
    app = await startTestApp();
    client = new ImportClient(app.url);
    cookie = await signIn(app);
    importProcessId = await client.setUp();
  });
  afterAll(() => app?.close());

  const upload = async (rows: readonly string[], query: Record<string, string> = {}): Promise<Answer> => {
    const answer = await client.upload([HEADER, ...rows].join('\n'), {
      importProcessId,
      fileName: 'members.csv',
      ...query,
    });
    expect(answer.status).toBe(202);
    return answer;
  };
  const store = async (rows: unknown[]) => {
    const { body } = await client.createBatch(jsonl(rows), { importProcessId });
    await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
  };
  const open = async (path: string) => {
    const response = await fetch(app.url + path, { headers: { cookie } });
    return {
      status: response.status,
      html: (await response.text()).replace(/&#x27;/g, "'").replace(/&#x3D;/g, '='),
    };
  };
  const page = (answer: Answer, query = '') =>
    open(`/imports/${answer.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID}${query}`);
  /** The row numbers that the table shows. */
  const shownRows = (html: string) =>
    [...html.matchAll(/<td class="number" data-label="Row"><a[^>]*>([\d,]+)</g)].map(([, row]) => row);
  const cell = (html: string, column: string) =>
    [...html.matchAll(new RegExp(`<td data-label="${column}"[^>]*>([^]*?)</td>`, 'g'))].map(([, inner]) =>
      (inner ?? '')
        .replace(/<span class="visually-hidden">.*?<\/span>/g, '')
        .replace(/<(\/?(?:del|ins|em))>|<[^>]+>/g, (_, kept?: string) =>
          kept === undefined ? '' : `<${kept}>`,
        ),
    );

  /** Break it: in `rowView`, take the changes of created rows, too; or in `tabsOf`, leave out a count. */
  it('shows each row with what it would do, and the old value beside the new one', async () => {
    await store([member(1), member(2), member(3, { 'First Name': 'Cleo' })]);
    const answer = await upload([
      'M-1,person1@example.org,First 1,Associate',
      'M-2,person2@example.org,First 2,Fellow',
      'M-4,person4@example.org,First 4,Fellow',
      'M-5,person5@example.org,First 5,Knight',
      'M-1,person2@example.org,First 1,Fellow',
    ]);
    const { html } = await page(answer);
    expect(
      [...html.matchAll(/<a [^>]*#rows"[^>]*>(\w+) <small>(\d+)</g)].map(
        ([, tab, count]) => `${tab} ${count}`,
      ),
    ).toEqual(['All 5', 'Create 1', 'Update 1', 'Unchanged 1', 'Reject 1', 'Invalid 1']);
    expect(shownRows(html)).toEqual(['2', '3', '4', '5', '6']);
    expect(cell(html, 'Level')).toEqual([
      '<del>Fellow</del> <ins>Associate</ins>',
      'Fellow',
      'Fellow',
      expect.stringMatching(/^Knight .*Associate/),
      'Fellow',
    ]);
    expect(html).toContain('Level changes in 1 row');
    expect(cell(html, 'Email').at(-1)).toMatch(/^person2@example.org .*finds one and/);

    for (const [operation, rows] of Object.entries({
      created: ['4'],
      updated: ['2'],
      unchanged: ['3'],
      rejected: ['6'],
      invalid: ['5'],
    })) {
      const only = await page(answer, `?operation=${operation}`);
      expect([operation, shownRows(only.html)]).toEqual([operation, rows]);
    }
    expect((await page(answer, '?operation=nothing')).status).toBe(400);
  });

  /** Break it: in `rowsPath`, leave out the operation. */
  it('shows 50 rows a page, within one kind of effect', async () => {
    const rows = Array.from(
      { length: 130 },
      (_, n) => `P-${n},p${n}@example.org,First,${n % 2 ? 'Fellow' : 'Boss'}`,
    );
    const answer = await upload(rows);
    const first = await page(answer, '?operation=created');
    expect(shownRows(first.html)).toHaveLength(50);
    const [, next] = /rel="next" href="([^"#]+)#rows"/.exec(first.html.replace(/&amp;/g, '&')) ?? [];
    const second = await open(next!);
    expect(shownRows(second.html)).toHaveLength(15);
    expect(shownRows(second.html).at(-1)).toBe('131');
    expect(second.html).toContain('>First page</a>');
    expect(second.html).not.toContain('rel="next"');
    // A link from another list, or from before the preview, leads to the first rows.
    expect(shownRows((await page(answer, '?rows=abc')).html)).toHaveLength(50);
  });

  /** Break it: in `cellView`, show an empty cell where a value is cleared. */
  it('shows the values that would be cleared', async () => {
    await store([member(20, { Notes: 'Call first' }), member(21)]);
    const answer = await client.upload(
      [':UniqueId,First Name,Notes', 'M-20,First 20,', 'M-21,First 21,'].join('\n'),
      { importProcessId, fileName: 'members.csv', emptyCells: 'clear' },
    );
    const { html } = await page(answer);
    expect(html).toContain('1 stored value would be cleared, in 1 row.');
    expect(cell(html, 'Notes')).toEqual(['<del>Call first</del> <em>cleared</em>', '']);
  });

  /** Break it: in `sameThings`, name the lines instead of the rows. */
  it('names rows about the same thing', async () => {
    const answer = await upload([
      '"S-1",s1@example.org,"Ann\nMarie",Fellow',
      'S-2,s2@example.org,Bob,Fellow',
      'S-2,s2@example.org,Bobby,Fellow',
      'S-2,s2@example.org,Rob,Fellow',
    ]);
    const { html } = await page(answer);
    expect(html).toContain('Rows about the same thing');
    expect(html).toMatch(
      /<bdi>UniqueId:S-2<\/bdi>: <a [^>]+>row 3<\/a>, <a [^>]+>row 4<\/a>, <a [^>]+>row 5<\/a>/,
    );
    expect(html.match(/same as row 3/g)).toHaveLength(2);
    expect(cell(html, 'First Name').slice(2)).toEqual([
      '<del>Bob</del> <ins>Bobby</ins>',
      '<del>Bobby</del> <ins>Rob</ins>',
    ]);
  });

  /** Break it: in `unusualShare`, warn whatever the share is; or never. */
  it('warns if an unusual share of the things that exist would change', async () => {
    const own = await client.setUp({ ...MEMBER_WORKFLOW, name: 'share-of-things' });
    const people = Array.from({ length: 40 }, (_, n) => member(500 + n));
    const sent = await client.createBatch(jsonl(people), { importProcessId: own });
    await client.ended(sent.body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    const change = async (count: number) => {
      const rows = people.map((row, n) => (n < count ? { ...row, 'First Name': 'Other' } : row));
      return client.upload(jsonl(rows), { importProcessId: own });
    };
    const few = await change(11);
    expect(few.body.summary.warnings).toEqual([]);
    expect((await page(few)).html).not.toContain('things that exist');
    const many = await change(30);
    expect(many.body.summary.warnings).toMatchObject([{ code: 'many_changes' }]);
    expect((await page(many)).html).toContain('The file would change 30 of the 40 things that exist (75 %).');
    const first = await client.upload(
      jsonl(people.map((row) => ({ ...row, ':UniqueId': `${row[':UniqueId']}x`, ':Email': undefined }))),
      {
        importProcessId: own,
      },
    );
    expect(first.body.summary.warnings).toEqual([]);
  });

  it('shows the rows as they were checked if no row can be previewed', async () => {
    const answer = await upload(['M-1,person1@example.org,First 1,Boss']);
    const { html } = await page(answer);
    expect(shownRows(html)).toEqual(['2']);
    expect(html).not.toContain('What would change');
  });
});
