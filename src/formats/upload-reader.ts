import type { FieldNames } from './csv/csv-columns.js';
import { CsvTable } from './csv/csv-table.js';
import { jsonArray } from './format.errors.js';
import { isWorkbookStart, refuseLookAlike } from './look-alikes.js';
import type { DateOrder, DecimalMark, HeaderMapping, Reading } from './reading.js';
import type { ColumnRecipe } from './recipes.js';
import type { FileBytes, TableFacts, TableSource } from './table.js';
import type { SurveyedColumn, TablePlan } from './table-survey.js';
import { detectText, statedText } from './text/text-encoding.js';
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
