import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { readTable, tableFile } from '../../../test/support/uploaded-table.js';
import { DomainError } from '../../platform/errors.js';
import type { FileBytes, TableRow } from '../record-reader.js';
import { WorkbookTable } from './workbook-table.js';
import { writeWorkbook } from './workbook-writer.js';

const FOLDER = join(__dirname, '../../../test/fixtures/corpora/xlsx');

function fileOf(name: string): FileBytes {
  const bytes = readFileSync(join(FOLDER, name));
  return {
    size: bytes.length,
    pieces: () => Readable.from([bytes]),
    range: (start, end) => Promise.resolve(bytes.subarray(start, end)),
  };
}

async function rowsOf(table: WorkbookTable): Promise<TableRow[]> {
  const rows: TableRow[] = [];
  for await (const block of table.rows()) rows.push(...block);
  return rows;
}

it('offers hidden sheets last and reads the first visible one', async () => {
  const table = await WorkbookTable.open(fileOf('gaps.xlsx'), { sheet: null });
  expect(table.facts).toEqual({
    format: 'xlsx',
    encoding: null,
    delimiter: null,
    sheet: 'Main',
    sheets: ['Main', 'Empty', 'Hidden', 'Very hidden'],
  });
});

it('reads the chosen sheet, as often as it is asked for', async () => {
  const table = await WorkbookTable.open(fileOf('gaps.xlsx'), { sheet: 'Very hidden' });
  const expected = [{ line: 1, row: 1, cells: [{ kind: 'number', text: '106', value: '106' }] }];
  expect(await rowsOf(table)).toEqual(expected);
  expect(await rowsOf(table)).toEqual(expected);
});

/** Break it: in `rows`, keep the rows also where they are left early. */
it.each([
  ['gaps.xlsx', undefined, false],
  ['dates-1904.xlsx', undefined, false],
  ['gaps.xlsx', 1, true],
])(
  'reads %s the second time as the first, with at most %p bytes kept',
  async (name, mostKept, isParsedAgain) => {
    const file = fileOf(name);
    const range = jest.spyOn(file, 'range');
    const table = await WorkbookTable.open(file, {
      sheet: null,
      ...(mostKept !== undefined && { mostKept }),
    });
    for await (const block of table.rows()) {
      expect(block.length).toBeGreaterThan(0);
      break;
    }
    const first = await rowsOf(table);
    expect(first.length).toBeGreaterThan(1);
    range.mockClear();
    expect(await rowsOf(table)).toEqual(first);
    expect(range.mock.calls.length > 0).toBe(isParsedAgain);
  },
);

it('gives hidden rows, and the number of each row as the spreadsheet shows it', async () => {
  const table = await WorkbookTable.open(fileOf('gaps.xlsx'), { sheet: null });
  expect((await rowsOf(table)).map(({ row }) => row)).toEqual([2, 7, 20]);
});

it.each([
  ['encrypted.xlsx', 415, 'unsupported_file', 'password-protected'],
  ['binary.xlsb', 415, 'unsupported_file', '.xlsb'],
  ['libreoffice.xls', 415, 'unsupported_file', 'old binary workbook (.xls)'],
  ['bad-crc.xlsx', 422, 'damaged_workbook', 'damaged'],
  ['bomb-one-cell.xlsx', 422, 'damaged_workbook', '300 times'],
])('refuses %s', async (name, status, code, phrase) => {
  const error: unknown = await WorkbookTable.open(fileOf(name), { sheet: null })
    .then(rowsOf)
    .catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(DomainError);
  expect(error).toMatchObject({ status, code });
  expect((error as DomainError).message).toContain(phrase);
});

it('names the sheets when a workbook has no sheet of the requested name', async () => {
  const opening = WorkbookTable.open(fileOf('gaps.xlsx'), { sheet: 'Members' });
  await expect(opening).rejects.toMatchObject({
    code: 'unknown_sheet',
    options: {
      errors: [{ message: 'sheet must be the name of a sheet: "Main", "Empty", "Hidden", "Very hidden"' }],
    },
  });
});

it('stops reading when its rows are left', async () => {
  const table = await WorkbookTable.open(fileOf('dimension-wrong.xlsx'), { sheet: null });
  for await (const block of table.rows()) {
    expect(block.length).toBeGreaterThan(0);
    break;
  }
  expect(await rowsOf(table)).toHaveLength(4);
});

/** Break it: in `give`, send the range itself, with all of the buffer that it shows a part of. */
it('sends the thread the bytes that it asks for, and no others', async () => {
  const sent: number[] = [];
  const postMessage = Reflect.get(Worker.prototype, 'postMessage');
  const spy = jest.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (
    this: Worker,
    ...[message, transferred]: Parameters<Worker['postMessage']>
  ) {
    if (message instanceof Uint8Array) sent.push(message.buffer.byteLength);
    postMessage.call(this, message, transferred);
  });
  const file = fileOf('libreoffice.xlsx');
  const asked = jest.spyOn(file, 'range');
  try {
    await rowsOf(await WorkbookTable.open(file, { sheet: null }));
  } finally {
    spy.mockRestore();
  }
  expect(sent.length).toBeGreaterThan(2);
  expect(sent).toEqual(asked.mock.calls.map(([start, end]) => end - start));
});

/** Break it: in `TableSurvey.forms`, ask for a semicolon only. */
it.each([
  [['37,5', '4,0'], ['37.5', '4.0'], 'comma'],
  [['37,5', '4.0'], ['37,5', '4.0'], 'point'],
  [['1,000', '2,500'], ['1,000', '2,500'], 'unclear'],
] as const)('reads the numbers %j, which are texts, as %j', async (texts, expected, mark) => {
  const rows = texts.map((text) => ({ cells: [text], marked: [] }));
  const sheet = {
    name: 'Sheet',
    columns: [{ header: 'Hours', kind: 'text' as const }],
    rows: (async function* () {
      yield await Promise.resolve(rows);
    })(),
  };
  const pieces: Buffer[] = [];
  for await (const piece of writeWorkbook(sheet)) pieces.push(piece);
  const { records, plan } = await readTable(tableFile(...pieces), {}, [{ name: 'Hours', kind: 'number' }]);
  expect(records.map(({ row }) => row.Hours)).toEqual(expected);
  expect(plan.columns[0]!.form.decimalMark).toBe(mark);
});
