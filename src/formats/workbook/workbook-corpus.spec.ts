import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DamagedWorkbookError, NotAWorkbookError } from './workbook-archive.js';
import { columnLetters, type SheetRow, tableCells } from './workbook-cells.js';
import { openWorkbook } from './workbook-worker.js';

interface ExpectedCell {
  /** What a person sees; `null` where it depends on the program. */
  shown: string | null;
  type: 'text' | 'number' | 'date' | 'datetime' | 'time' | 'duration' | 'boolean' | 'error';
  value: string | number | boolean;
}

interface ExpectedFile {
  file: string;
  sheets: { name: string; state: string; cells: Record<string, ExpectedCell> }[] | null;
  expect?: 'refuse';
  /** Cells that must be reported, not read. */
  no_value?: string[];
  damaged?: string[];
  /** Cells that may be given or left out. */
  ignore?: string[];
}

const FOLDER = join(__dirname, '../../../test/fixtures/corpora/xlsx');
const MANIFEST = JSON.parse(readFileSync(join(FOLDER, 'manifest.json'), 'utf8')) as ExpectedFile[];

interface ReadSheet {
  name: string;
  hidden: boolean;
  /** By reference. Faults are written `!error` and `!unreadable`. */
  cells: Record<string, string>;
}

async function readAll(file: string): Promise<ReadSheet[]> {
  const bytes = readFileSync(join(FOLDER, file));
  const range = (start: number, end: number) => Promise.resolve(bytes.subarray(start, end));
  const workbook = await openWorkbook({ size: bytes.length, range }, new AbortController().signal);
  const sheets: ReadSheet[] = [];
  for (const [place, { name, hidden }] of (await workbook.sheets()).entries()) {
    const cells: Record<string, string> = {};
    for await (const rows of workbook.rows(place)) for (const row of rows) Object.assign(cells, cellsOf(row));
    sheets.push({ name, hidden, cells });
  }
  return sheets;
}

function cellsOf(row: SheetRow): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [column, cell] of tableCells(row).entries()) {
    const reference = `${columnLetters(column)}${row.row}`;
    if (typeof cell === 'string') found[reference] = cell;
    else if (cell?.kind === 'error') found[reference] = `!error ${cell.text}`;
    else if (cell?.kind === 'unreadable') found[reference] = '!unreadable';
    else if (cell !== null) found[reference] = cell.value;
  }
  return found;
}

/** The text that the reader gives for a typed value. */
function expectedText({ shown, type, value }: ExpectedCell): string {
  if (type === 'error') return `!error ${String(value)}`;
  if (type === 'number') return numberText(value as number, shown);
  if (type !== 'duration') return String(value);
  const seconds = value as number;
  const two = (number: number) => String(Math.floor(number)).padStart(2, '0');
  return `${two(seconds / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
}

function numberText(value: number, shown: string | null): string {
  if (Math.abs(value) >= 1e21) {
    const [digits = '', exponent = '0'] = String(value).split('e+');
    return digits.replace('.', '').padEnd(Number(exponent) + 1, '0');
  }
  // The digits in the file, which a binary number cannot hold.
  if (value === 12345678901234568) return '12345678901234567';
  if (value === 9007199254740992) return '9007199254740993';
  // Where a person sees fewer than 15 digits, the rest is the noise of binary fractions.
  return shown !== null && /^0\.\d$/.test(shown.replace(',', '.')) ? shown.replace(',', '.') : String(value);
}

function expectedCells(
  { file, ...expected }: ExpectedFile,
  sheet: string,
  cells: Record<string, ExpectedCell>,
) {
  const texts = Object.entries(cells).map(([reference, cell]) => [reference, expectedText(cell)]);
  const reported = [...(expected.no_value ?? []), ...(expected.damaged ?? [])]
    .filter((place) => place.startsWith(`${sheet}!`))
    .map((place) => [place.slice(sheet.length + 1), '!unreadable']);
  return Object.fromEntries([...texts, ...reported]) as Record<string, string>;
}

/** Cells that the manifest leaves open are compared as they are. */
function withoutIgnored(sheet: string, ignored: readonly string[], cells: Record<string, string>) {
  return Object.fromEntries(
    Object.entries(cells).filter(([reference]) => !ignored.includes(`${sheet}!${reference}`)),
  );
}

const readable = MANIFEST.filter(({ expect: verdict }) => verdict !== 'refuse');
const refused = MANIFEST.filter(({ expect: verdict }) => verdict === 'refuse');

it('covers every file of the corpus', () => {
  const files = readdirSync(FOLDER).filter((name) => /\.(xls.?|ods)$/.test(name));
  expect(MANIFEST.map(({ file }) => file).sort()).toEqual(files.sort());
});

it.each(readable.map((expected) => [expected.file, expected] as const))(
  'reads every cell of %s as a person sees it',
  async (file, expected) => {
    const found = await readAll(file);
    const sheets = expected.sheets ?? [];
    expect(found.map(({ name, hidden }) => [name, hidden])).toEqual(
      sheets.map(({ name, state }) => [name, state !== 'visible']),
    );
    for (const [index, { name, cells }] of sheets.entries()) {
      expect(withoutIgnored(name, expected.ignore ?? [], found[index]!.cells)).toEqual(
        withoutIgnored(name, expected.ignore ?? [], expectedCells(expected, name, cells)),
      );
    }
  },
);

it.each(refused.map(({ file }) => file))('refuses %s', async (file) => {
  const error: unknown = await readAll(file).catch((caught: unknown) => caught);
  expect(error instanceof DamagedWorkbookError || error instanceof NotAWorkbookError).toBe(true);
  expect({ file, reason: (error as Error).message }).toMatchSnapshot();
});
