import fc from 'fast-check';
import { readDownloadedCell, workbookText } from '../csv/csv-cells.js';
import type { TableCell } from '../record-reader.js';
import { tableCells } from './workbook-cells.js';
import { openWorkbook } from './workbook-worker.js';
import { type SheetColumn, writeWorkbook, type WrittenRow } from './workbook-writer.js';

async function written(columns: SheetColumn[], rows: WrittenRow[]): Promise<Buffer> {
  async function* blocks() {
    yield await Promise.resolve(rows);
  }
  const pieces: Buffer[] = [];
  for await (const piece of writeWorkbook({ name: 'Members', columns, rows: blocks() })) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function readBack(bytes: Buffer): Promise<TableCell[][]> {
  const range = (start: number, end: number) => Promise.resolve(bytes.subarray(start, end));
  const workbook = await openWorkbook({ size: bytes.length, range }, new AbortController().signal);
  const rows: TableCell[][] = [];
  for await (const block of workbook.rows(0)) rows.push(...block.map(tableCells));
  return rows;
}

const text = (header: string): SheetColumn => ({ header, kind: 'text' });

it('gives every text back, also those that XML cannot hold or that look like escapes and formulas', async () => {
  const part = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 5 }),
    fc.constantFrom(
      ...[
        '=1+1',
        "'=1",
        "'",
        '_x000D_',
        '_x005F_',
        '\r\n',
        '\t',
        '\u0000',
        '\ud800',
        '\udfff',
        '\\ud83d',
        '\ufffe',
      ],
      ...[' ', '<a&b>', ']]>', '"', '\u00a0', '007', '1e5', 'true', '2026-01-31', '-1'],
    ),
  );
  const texts = fc.array(
    fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
    { minLength: 1 },
  );
  await fc.assert(
    fc.asyncProperty(texts, async (values) => {
      const rows = values.map((value) => ({ cells: [`x`, workbookText(value)], marked: [] }));
      const [, ...found] = await readBack(await written([text('A'), text('B')], rows));
      expect(found.map((cells) => readDownloadedCell((cells[1] ?? '') as string))).toEqual(values);
    }),
    { numRuns: 200 },
  );
});

it('writes dates, numbers and booleans as such where they come back exactly, and as text elsewhere', async () => {
  const columns: SheetColumn[] = [
    { header: 'Number', kind: 'number' },
    { header: 'Day', kind: 'date' },
    { header: 'Yes', kind: 'boolean' },
  ];
  const rows = [
    ['4.5', '2026-01-31', 'true'],
    ['007', '1900-01-01', 'TRUE'],
    ['12345678901234567', '2026-02-30', 'yes'],
    ['-0.25', '9999-12-31', 'false'],
  ];
  const found = await readBack(
    await written(
      columns,
      rows.map((cells) => ({ cells, marked: [] })),
    ),
  );
  expect(found.slice(1)).toEqual([
    [
      { kind: 'number', value: '4.5', text: '4.5' },
      { kind: 'date', value: '2026-01-31', text: '2026-01-31' },
      { kind: 'boolean', value: 'true', text: 'TRUE' },
    ],
    ['007', '1900-01-01', 'TRUE'],
    ['12345678901234567', '2026-02-30', 'yes'],
    [
      { kind: 'number', value: '-0.25', text: '-0.25' },
      { kind: 'date', value: '9999-12-31', text: '9999-12-31' },
      { kind: 'boolean', value: 'false', text: 'FALSE' },
    ],
  ]);
});

it('keeps the place of cells when others of the row are empty', async () => {
  const rows: WrittenRow[] = [{ cells: [null, 'b', '', 'd'], marked: [{ column: 2, note: 'is required' }] }];
  const found = await readBack(await written([text('A'), text('B'), text('C'), text('D')], rows));
  expect(found).toEqual([
    ['A', 'B', 'C', 'D'],
    [null, 'b', null, 'd'],
  ]);
});
