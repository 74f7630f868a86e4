import type { FieldNames } from './csv/csv-columns.js';
import { CsvTable } from './csv/csv-table.js';
import { jsonArray, unsupportedFile } from './format.errors.js';
import type { ColumnRecipe, DateOrder, DecimalMark, HeaderMapping, Reading } from './reading.js';
import type { FileBytes, TableFacts, TableSource } from './record-reader.js';
import type { SurveyedColumn, TablePlan } from './table-survey.js';
import { detectText, statedText, utf16Without } from './text-encoding.js';
import { WorkbookTable } from './workbook/workbook-table.js';

/**
 * Distinguishes CSV from JSON Lines by the first bytes. JSON Lines begins with a brace; any other text is CSV.
 * @throws DomainError 400 for a JSON array
 */
function textFormat(start: Buffer): 'csv' | 'jsonl' {
  const bytes = start.toString('latin1');
  if (UTF16.some((mark) => bytes.startsWith(mark))) return 'csv';
  const text = bytes.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^\[\s*[[{\]]/.test(text)) throw jsonArray();
  return text.startsWith('{') ? 'jsonl' : 'csv';
}

const UTF16 = ['\xff\xfe', '\xfe\xff'];

/** The number of bytes that format and encoding detection examines. */
const EXAMINED_BYTES = 64 * 1024;

export interface OpenOptions {
  reading: Pick<Reading, 'encoding' | 'delimiter' | 'sheet'>;
  /** The fields that the delimiter detection looks for. */
  fields: FieldNames;
  /** The most bytes of one record. */
  maxLineBytes: number;
}

/** A file whose format is known. A table can be read several times: each call of `open` begins at its first row. */
export type OpenedUpload = { format: 'jsonl' } | { format: 'table'; open: () => TableSource };

/**
 * Decides by content, not by name, how a file is read.
 * @throws DomainError 415 for files that are no table, 422 for damaged workbooks, 400 for a JSON array
 */
export async function openUpload(file: FileBytes, options: OpenOptions): Promise<OpenedUpload> {
  const start = await file.range(0, Math.min(file.size, EXAMINED_BYTES));
  const { reading, fields, maxLineBytes } = options;
  if (isWorkbookStart(start)) {
    const workbook = await WorkbookTable.open(file, { sheet: reading.sheet });
    return { format: 'table', open: () => workbook };
  }
  refuseLookAlike(start);
  if (textFormat(start) === 'jsonl') return { format: 'jsonl' };
  const open = () => {
    const text = reading.encoding === null ? detectText(start) : statedText(reading.encoding, start);
    return new CsvTable(file.pieces(), text, { maxLineBytes, delimiter: reading.delimiter, known: fields });
  };
  return { format: 'table', open };
}

/** One column of a file as it was understood. */
interface UnderstoodColumn {
  header: string;
  /** `null`: not imported. */
  target: string | null;
  /** What becomes of its values. */
  recipe?: ColumnRecipe;
}

/** How a file was read: every choice of the reading with the value that applied. `null`: nothing decided it. */
export interface UnderstoodFile extends Omit<
  Reading,
  'dateOrder' | 'decimalMark' | 'mapping' | 'recipes' | 'constants' | 'savedMapping' | 'chosen'
> {
  format: 'csv' | 'jsonl' | 'xlsx' | 'ods';
  dateOrder: DateOrder | null;
  decimalMark: DecimalMark | null;
  /** What the sender decided about columns, or the name of the saved mapping that was applied. */
  mapping: HeaderMapping | string;
  /** The name of the saved mapping that applied. */
  savedMapping: string | null;
  /** Values of fields that the file does not have, by field. */
  constants: Readonly<Record<string, string>>;
  /** Tables only. */
  columns: UnderstoodColumn[] | null;
  /** Workbooks only: the names of all sheets. */
  sheets: string[] | null;
}

/** How a table was read, once all of its rows were. */
export function understoodTable(
  { format, encoding, delimiter, sheet, sheets }: TableFacts,
  plan: TablePlan,
): UnderstoodFile {
  const { reading, saved } = plan;
  const isDecided = Object.keys(reading.mapping).length > 0;
  return {
    format,
    encoding,
    delimiter,
    sheet,
    headerRow: plan.headerRow === 0 ? 'none' : plan.headerRow,
    trim: reading.trim,
    emptyCells: reading.emptyCells,
    shortRows: reading.shortRows,
    dateOrder: reading.chosen.includes('dateOrder') ? reading.dateOrder : commonDateOrder(plan),
    decimalMark: reading.chosen.includes('decimalMark')
      ? reading.decimalMark
      : commonDecimalMark(plan.columns),
    booleans: reading.booleans,
    apostrophes: reading.apostrophes,
    mapping: isDecided || saved === null ? reading.mapping : saved.name,
    savedMapping: saved?.name ?? null,
    constants: Object.fromEntries(plan.constants),
    columns: plan.columns.map(({ header, target, recipe }) => ({
      header,
      target,
      ...(recipe !== undefined && { recipe }),
    })),
    sheets: sheets === null ? null : [...sheets],
  };
}

/** JSON Lines are exact: of the reading only the columns apply to them. */
export function understoodJsonLines({
  mapping,
  trim,
  emptyCells,
  shortRows,
  booleans,
  apostrophes,
}: Reading): UnderstoodFile {
  return {
    ...{ trim, emptyCells, shortRows, booleans, apostrophes },
    format: 'jsonl',
    encoding: 'utf-8',
    delimiter: null,
    sheet: null,
    headerRow: 'none',
    dateOrder: 'iso',
    decimalMark: 'point',
    mapping,
    savedMapping: null,
    constants: {},
    columns: null,
    sheets: null,
  };
}

/** `null` if the columns differ, or if nobody knows the order of one. */
function commonDateOrder({ columns, warnings }: TablePlan): DateOrder | null {
  if (warnings.some(({ code }) => code === 'date_order_unclear')) return null;
  const orders = new Set(columns.flatMap(({ form }) => form.dateOrder ?? []));
  const [first = 'iso'] = orders;
  return orders.size > 1 ? null : first;
}

function commonDecimalMark(columns: readonly SurveyedColumn[]): DecimalMark | null {
  if (columns.some(({ form }) => form.decimalMark === 'unclear')) return null;
  return columns.some(({ form }) => form.decimalMark === 'comma') ? 'comma' : 'point';
}

/** What to upload instead of a file that is no table. */
const SEND_TABLE = 'Upload a CSV file (UTF-8) with a header, JSON Lines, or a workbook (.xlsx or .ods).';
const SAVE_AS_WORKBOOK = 'Open it, choose "Save as" and "Excel Workbook (*.xlsx)", and upload that file.';
const UNPACK = 'Unpack it and upload the file in it.';

const SIGNATURES: readonly (readonly [kind: string, signature: string | RegExp, advice: string])[] = [
  ['a gzip file', '\x1f\x8b', UNPACK],
  ['a 7-Zip file', '7z\xbc\xaf', UNPACK],
  ['a RAR archive', 'Rar!\x1a\x07', UNPACK],
  ['a Zstandard file', '\x28\xb5\x2f\xfd', UNPACK],
  ['an XZ file', '\xfd7zXZ\x00', UNPACK],
  ['a bzip2 file', 'BZh', UNPACK],
  [
    'a PDF file',
    '%PDF-',
    'Export the table from the program that made it, as CSV or XLSX, and upload that file.',
  ],
  ['a rich text document', '{\\rtf', SEND_TABLE],
  ['an image', '\x89PNG', SEND_TABLE],
  ['an image', '\xff\xd8\xff', SEND_TABLE],
  ['an image', 'GIF8', SEND_TABLE],
  ['an image', /^RIFF[^]{4}WEBP/, SEND_TABLE],
  ['an image', /^(II\*\x00|MM\x00\*)/, SEND_TABLE],
  ['an image', /^BM[^]{4}\x00{4}/, SEND_TABLE],
  ['a Parquet file', 'PAR1', SEND_TABLE],
  ['an SQLite file', 'SQLite format 3', SEND_TABLE],
  // Excel asks of any file that begins with ID whether it is SYLK; only the second line of a real one is another record.
  ['a SYLK file (.slk)', /^ID;P[^\r\n]*\r?\n[A-Z]{1,2};/, SAVE_AS_WORKBOOK],
  ['a DIF file', /^TABLE\r?\n0,1\r?\n"/, SAVE_AS_WORKBOOK],
  [
    'a web archive or a mail (MIME), which only looks like a spreadsheet',
    /^MIME-Version: 1\.0/i,
    SAVE_AS_WORKBOOK,
  ],
  ['a contact or calendar file', /^BEGIN:(VCARD|VCALENDAR)\r?\n/i, SEND_TABLE],
  ['text in UTF-32', /^(\xff\xfe\x00\x00|\x00\x00\xfe\xff)/, 'Save it as UTF-8 and upload that file.'],
];

const ZIP = ['PK\x03\x04', 'PK\x05\x06', 'PK\x07\x08'];
/** The container of the old binary Office formats and of password-protected workbooks. */
const COMPOUND_FILE = '\xd0\xcf\x11\xe0';
/** Control characters that text does not contain: all except tab, line ends, VT, form feed, NUL and 0x1C-0x1F. */
const CONTROL = /[\x01-\x08\x0e-\x1b\x7f]/g;

/** Whether a file may be a workbook, by its first bytes; reading it tells. */
function isWorkbookStart(start: Buffer): boolean {
  const bytes = start.toString('latin1', 0, 4);
  return bytes === COMPOUND_FILE || ZIP.includes(bytes);
}

/**
 * Refuses files that are not text, and text that is not a table, by what they are.
 * @param start the first bytes of a file that is no workbook
 * @throws DomainError 415 `unsupported_file`
 */
export function refuseLookAlike(start: Buffer): void {
  const bytes = start.toString('latin1');
  for (const [kind, signature, advice] of SIGNATURES) {
    const isIt = typeof signature === 'string' ? bytes.startsWith(signature) : signature.test(bytes);
    if (isIt) throw unsupportedFile(kind, advice);
  }
  const isUtf16 = UTF16.some((mark) => bytes.startsWith(mark)) || utf16Without(start) !== undefined;
  if (!isUtf16 && (bytes.match(CONTROL)?.length ?? 0) > bytes.length / 20) {
    throw unsupportedFile('a binary file', SEND_TABLE);
  }
  refuseMarkup(bytes);
}

const MARKUP = /^<(?:[?!]|([A-Za-z][\w:.-]*)[\s/>])/;

/** @param bytes as Latin-1: markup is ASCII, in UTF-16 with zeros between */
function refuseMarkup(bytes: string): void {
  const text = bytes
    .replace(/\x00/g, '')
    .replace(/^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)/, '')
    .trimStart();
  const match = MARKUP.exec(text);
  if (match === null) return;
  // A header may be written <Email>; markup closes its elements, declares something, or has attributes.
  const [opening, element] = match;
  const isMarkup =
    element === undefined ||
    text.includes(`</${element}`) ||
    !opening.endsWith('>') ||
    isKnownElement(element);
  if (!isMarkup) return;
  if (/urn:schemas-microsoft-com:office:spreadsheet|progid="Excel\.Sheet"/.test(text)) {
    throw unsupportedFile('an Excel 2003 XML file', SAVE_AS_WORKBOOK);
  }
  if (/<(!doctype html|html|head|body|table|meta)\b/i.test(text)) {
    throw /<table\b/i.test(text)
      ? unsupportedFile(
          'a web page with a table (HTML), which only looks like a spreadsheet',
          SAVE_AS_WORKBOOK,
        )
      : unsupportedFile('a web page (HTML)', `Perhaps a sign-in page was saved in its place. ${SEND_TABLE}`);
  }
  throw unsupportedFile('an XML file', SEND_TABLE);
}

function isKnownElement(name: string): boolean {
  return /^(html|head|body|table|thead|tbody|tr|td|meta|title|script|style|div|p|pre)$/i.test(name);
}
