/** Writes the workbook of scripts/interop.mjs with exceljs: node scripts/interop-exceljs.cjs FOLDER, exceljs installed in FOLDER. */
const { createRequire } = require('node:module');
const { join, resolve } = require('node:path');

const folder = resolve(process.argv[2] ?? '.');
const ExcelJS = createRequire(join(folder, 'package.json'))('exceljs');

const book = new ExcelJS.Workbook();
const sheet = book.addWorksheet('Members');
const formats = {
  3: 'yyyy-mm-dd',
  4: 'dd.mm.yyyy hh:mm:ss',
  5: 'hh:mm',
  6: '[h]:mm:ss',
  8: '0.0%',
  11: '00000',
};
const values = [
  'Name',
  'Zoë Müller\nline two',
  new Date(Date.UTC(2027, 2, 14)),
  new Date(Date.UTC(1999, 11, 31, 23, 59, 58)),
  6.5 / 24,
  49.25 / 24,
  0.7 + 0.1,
  0.375,
  '00042',
  987654321098765,
  501,
  true,
  { formula: '1/0', result: { error: '#DIV/0!' } },
  { formula: '"x"&"y"', result: 'xy' },
  -12.5,
  '  both  ',
];
for (const [index, value] of values.entries()) {
  const cell = sheet.getCell(index + 1, 2);
  cell.value = value;
  if (formats[index + 1] !== undefined) cell.numFmt = formats[index + 1];
}
sheet.mergeCells('B16:C17');
sheet.getCell('D20').value = 'far';
book.addWorksheet('Notes', { state: 'hidden' }).getCell('A1').value = 'hidden';
book.xlsx.writeFile(join(folder, 'exceljs.xlsx'));
