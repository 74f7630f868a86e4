import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TableCell } from '../record-reader.js';
import { columnLetters, tableCells } from './workbook-cells.js';
import { openWorkbook } from './workbook-worker.js';

/** Workbooks that other programs wrote from the same values (`scripts/interop.mjs`). */
const FOLDER = process.env.INTEROP_FOLDER ?? join(__dirname, '../../../test/fixtures/interop');

const typed = (kind: string, value: string, text = value) => ({ kind, value, text });

const EXPECTED: Record<string, unknown> = {
  B1: 'Name',
  B2: 'Zoë Müller\nline two',
  B3: typed('date', '2027-03-14'),
  B4: typed('dateTime', '1999-12-31T23:59:58'),
  B5: typed('time', '06:30:00'),
  B6: typed('time', '49:15:00'),
  B7: typed('number', '0.8'),
  B8: typed('number', '0.375'),
  B9: '00042',
  B10: typed('number', '987654321098765'),
  B11: typed('number', '501', '00501'),
  B12: typed('boolean', 'true', 'TRUE'),
  B13: typed('error', '', '#DIV/0!'),
  B14: 'xy',
  B15: typed('number', '-12.5'),
  B16: '  both  ',
  D20: 'far',
};

/** Where a program stores something else. */
const OTHERWISE: Record<string, Record<string, unknown>> = {
  // Formulas have no result before a spreadsheet program has calculated them.
  openpyxl: {
    B13: expect.objectContaining({ kind: 'unreadable' }),
    B14: expect.objectContaining({ kind: 'unreadable' }),
  },
  // ODS has no codes of formats in its cells, so leading zeros are not seen; a boolean may be a number.
  ods: {
    B11: typed('number', '501'),
    B12: expect.objectContaining({ kind: expect.stringMatching(/boolean|number/) as string }),
  },
};

async function cellsOf(file: string) {
  const bytes = readFileSync(join(FOLDER, file));
  const range = (start: number, end: number) => Promise.resolve(bytes.subarray(start, end));
  const workbook = await openWorkbook({ size: bytes.length, range }, new AbortController().signal);
  const cells: Record<string, TableCell> = {};
  for await (const rows of workbook.rows(0)) {
    for (const row of rows) {
      for (const [column, cell] of tableCells(row).entries()) {
        if (cell !== null && cell !== '') cells[`${columnLetters(column)}${row.row}`] = cell;
      }
    }
  }
  return { cells, sheets: await workbook.sheets() };
}

const FILES = readdirSync(FOLDER).filter((name) => /\.(xlsx|ods)$/.test(name));

it('has files of four programs', () => {
  const programs = new Set(FILES.map((name) => name.split(/[-.]/)[0]));
  expect(programs).toEqual(new Set(['exceljs', 'gnumeric', 'libreoffice', 'openpyxl']));
});

it.each(FILES)('reads every value of %s', async (file) => {
  const { cells, sheets } = await cellsOf(file);
  const otherwise = file.startsWith('openpyxl')
    ? OTHERWISE.openpyxl
    : file.endsWith('.ods')
      ? OTHERWISE.ods
      : {};
  expect(cells).toEqual({ ...EXPECTED, ...otherwise });
  expect(sheets.map(({ name }) => name)).toEqual(['Members', 'Notes']);
});
