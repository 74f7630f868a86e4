import { createHash } from 'node:crypto';
import { corpus } from '../support/corpora.js';
import { type Answer, ImportClient } from '../support/import-client.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

interface CsvCase {
  file: string;
  class: string;
  records: number;
  /** SHA-256 of the rows as compact JSON. */
  rowsSha256?: string;
  /** File of the expected rows, the header first; a blank line is a row without cells. */
  expected?: string;
}

interface RecordToInsert {
  line: number;
  status: string;
  error: { code: string } | null;
  record: Record<string, string>;
}

/** Files that are to be stored with exactly the cells that the manifest gives. */
const EXACT = [
  ...['plain', 'quotes', 'eol', 'eol-cr', 'bom', 'utf16', 'unicode', 'nul', 'blank-rows'],
  ...['big-cell', 'wide', 'types', 'duplicates', 'filename', 'volume', 'ragged'],
];

/** test/fixtures/corpora/MANIFEST.md lists the classes and the outcome expected of each. */
describe('third-party CSV hazards', () => {
  let test: TestApp;
  let client: ImportClient;
  let importProcessId: number;
  const cases = JSON.parse(corpus('csv/cases.json').toString()) as CsvCase[];
  const of = (...classes: string[]) =>
    cases.filter((each) => classes.includes(each.class) && !each.file.includes('empty_columns_long_row'));

  beforeAll(async () => {
    test = await startTestApp();
    client = new ImportClient(test.url);
    importProcessId = await client.setUp();
  });

  afterAll(() => test.close());

  /**
   * Every cell as it stands in the file: this is about the reading of CSV, not about fields. So each column is matched
   * to a field of its own name, whether there is one or not.
   */
  const upload = async (file: Buffer, more: Record<string, string> = {}): Promise<Answer> => {
    const answer = await client.upload(new Uint8Array(file), {
      importProcessId,
      emptyCells: 'clear',
      apostrophes: 'keep',
      ...more,
    });
    if (answer.status !== 202) return answer;
    const columns = answer.body.understood.columns as { header: string }[];
    const mapping = Object.fromEntries(columns.map(({ header }) => [header, header]));
    return client.post(`${answer.body.links.self}/Read`, { mapping });
  };
  const expectedRows = (path: string) => (JSON.parse(corpus(path).toString()) as string[][]).filter(hasValue);

  async function stored(answer: Answer): Promise<RecordToInsert[]> {
    expect(answer).toMatchObject({ status: 202, body: { status: 'awaiting_confirmation' } });
    const response = await fetch(`${test.url}${answer.body.links.results}?set=all&format=jsonl`, {
      headers: { authorization: `apikey ${test.config.bootstrapApiKey}` },
    });
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines).toHaveLength(answer.body.recordCounts.total);
    return lines.map((line) => JSON.parse(line) as RecordToInsert);
  }

  const rowsOf = async (answer: Answer): Promise<string[][]> => {
    const records = await stored(answer);
    const header = answer.body.understood.columns.map((column: { header: string }) => column.header);
    return [header, ...records.map(({ record }) => Object.values(record))];
  };

  it.each(of(...EXACT))('stores $file cell by cell', async ({ file, expected, rowsSha256, records }) => {
    const fileName = file.split('/').at(-1)!;
    const answer = await upload(corpus(file), { fileName });
    expect(answer.body.fileName).toBe(fileName);
    const rows = await rowsOf(answer);
    if (expected !== undefined) expect(rows).toEqual(expectedRows(expected));
    else {
      expect(rows).toHaveLength(records + 1);
      if (rowsSha256 !== undefined) expect(sha256(JSON.stringify(rows))).toBe(rowsSha256);
    }
  });

  it.each(of('ragged', 'preamble'))(
    'finds exactly the rows of $file that are too short or too long, with their lines',
    async ({ file, expected }) => {
      const [header, ...rows] = JSON.parse(corpus(expected!).toString()) as string[][];
      const text = corpus(file).toString();
      const answer = await upload(corpus(file));
      const records = await stored(answer);
      const wrong = records.filter(({ error }) => error?.code === 'wrong_cell_count');
      // Empty cells beyond the header hold nothing.
      const isRagged = (row: string[]) =>
        row.length < header!.length || row.slice(header!.length).some((cell) => cell !== '');
      const ragged = rows.filter((row) => hasValue(row) && isRagged(row));
      expect(wrong.map(({ record }) => Object.values(record))).toEqual(ragged);
      for (const { line, status, record } of wrong) {
        expect(status).toBe('invalid');
        expect(text.split('\n')[line - 1]).toContain(Object.values(record)[0]);
      }
    },
  );

  it.each(of('bad-quotes').filter(({ file }) => !file.includes('999751170')))(
    'refuses $file, naming the line of the wrong quote',
    async ({ file }) => {
      const { status, body } = await upload(corpus(file));
      expect([status, body.code]).toEqual([400, 'malformed_csv']);
      for (const { line, column } of body.errors) {
        const place: string = corpus(file).toString().split('\n')[line - 1]!.slice(0, column);
        expect(place).toMatch(/".?$/);
      }
    },
  );

  it('reads a file whose quotes are right only by its own delimiter', async () => {
    const answer = await upload(corpus('csv/bad-quotes/commons-csv__999751170.patch.csv'));
    expect(await rowsOf(answer)).toEqual([
      ['CHANELID', 'ADDRESS'],
      ['27', ''],
    ]);
  });

  it.each(of('bad-utf8'))(
    'reads $file correctly or refuses it, without U+FFFD',
    async ({ file, expected }) => {
      const answer = await upload(corpus(file));
      if (answer.status !== 202) {
        expect(answer).toMatchObject({ status: 400, body: { code: 'undecodable_text' } });
        return;
      }
      expect(answer.body.understood.encoding).toBe('windows-1252');
      const rows = await rowsOf(answer);
      expect(JSON.stringify(rows)).not.toContain('\ufffd');
      expect(rows.slice(1)).toEqual(expectedRows(expected!).slice(1));
    },
  );

  it('reads a Greek file if its encoding is stated', async () => {
    const file = 'csv/bad-utf8/frictionless__table-infer-iso-8859-7.csv';
    expect(await rowsOf(await upload(corpus(file), { encoding: 'iso-8859-7' }))).toEqual(
      expectedRows(`${file}.rows.json`),
    );
  });

  it.each(of('delimiter').filter(({ expected }) => expected !== undefined))(
    'detects the delimiter of $file, and uses another if it is stated',
    async ({ file, expected }) => {
      const told = await upload(corpus(file), { delimiter: 'comma' });
      expect(await rowsOf(told)).toEqual(expectedRows(expected!));
      const found = await upload(corpus(file));
      const { delimiter } = found.body.understood;
      expect(await rowsOf(found)).toEqual(expectedRows(expected!).map(([line]) => line!.split(delimiter)));
    },
  );

  it.each([
    ['csv/binary/frictionless__implicit-zip.csv', 415, 'unsupported_file'],
    ['csv/empty/frictionless__empty.csv', 400, 'empty_body'],
    ['csv/empty/frictionless__without-rows.csv', 400, 'empty_body'],
    ['csv/ragged/csvkit__test_empty_columns_long_row.csv', 400, 'empty_body'],
    ['csv/header/frictionless__duplicate-headers.csv', 400, 'duplicate_columns'],
    ['csv/delimiter/papaparse__malformed.tsv', 400, 'malformed_csv'],
  ])('refuses %s with %i %s', async (file, status, code) => {
    expect(await upload(corpus(file))).toMatchObject({ status, body: { code } });
  });

  it('names a column without a name by its position, and loses no cell of it', async () => {
    const rows = await rowsOf(await upload(corpus('csv/header/frictionless__blank-headers.csv')));
    expect(rows).toEqual([
      ['id', '(column 2)', 'age'],
      ['1101', 'John', '30'],
      ['1102', 'Julie', '26'],
    ]);
  });

  it('agrees with a strict reader on the cases of PapaParse', async () => {
    const wrong: string[] = [];
    const all = JSON.parse(corpus('csv/papaparse-cases.json').toString()) as {
      name: string;
      input: string;
      strictRows: string[][] | null;
      expect: string;
    }[];
    for (const { name, input, strictRows, expect: wanted } of all) {
      const answer = await upload(Buffer.from(input));
      if (answer.status >= 500) wrong.push(`${name}: ${answer.status}`);
      if (wanted === 'row-or-file-error' && answer.status === 202 && answer.body.recordCounts.invalid === 0) {
        wrong.push(`${name}: taken for valid`);
      }
      // One row is a header alone, and a header may not name a column twice.
      const rows = (strictRows ?? []).filter(hasValue);
      if (wanted !== 'accept' || rows.length < 2 || answer.body.code === 'duplicate_columns') continue;
      if (answer.status !== 202) wrong.push(`${name}: ${answer.body.code}`);
      else {
        const read = JSON.stringify((await rowsOf(answer)).slice(1));
        if (read !== JSON.stringify(rows.slice(1)))
          wrong.push(`${name}: ${read} instead of ${JSON.stringify(rows)}`);
      }
    }
    expect(all.length).toBeGreaterThan(40);
    expect(wrong).toEqual([]);
  });

  it('keeps every naughty string byte by byte', async () => {
    const strings = JSON.parse(corpus('strings/blns.json').toString()) as string[];
    const records = await stored(await upload(corpus('strings/blns.csv')));
    expect(records.map(({ record }) => Object.values(record).at(-1))).toEqual(strings);
  });
});

/** Rows without any value are not records. */
const hasValue = (row: readonly string[]) => row.some((cell) => cell.trim() !== '');
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
