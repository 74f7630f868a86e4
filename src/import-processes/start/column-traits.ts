import { CsvTokenizer } from '../../formats/csv/csv-tokenizer.js';
import { LineLimitError, type TableCell, type TypedCell } from '../../formats/record-reader.js';
import { trimEnds } from '../../records/rows.js';
import type { AttributeType } from '../../workflows/definition.js';
import { booleanType, valueTypeOf } from '../../workflows/rows/values/attribute-values.js';
import { RowSource, ValueError } from '../../workflows/rows/values/value-type.js';

/** The types whose values can be recognized by their form, the most specific first. */
const MEASURED_TYPES = ['Email', 'Url', 'Date', 'DateTime', 'Numeric'] as const;
type MeasuredType = (typeof MEASURED_TYPES)[number];

/**
 * A day in one of the orders that an upload can read. A year of two digits is not recognized, because no one can know
 * its century. Whether the day exists does not matter: a wrong day is a mistake in a column of dates.
 */
const DAY = /^(\d{4}([-./])\d{1,2}\2\d{1,2}|\d{1,2}([-./])\d{1,2}\3\d{4})( 00:00(:00)?)?$/;
const TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?([Zz]|[+-]\d{2}(:?\d{2})?)?$/;
/** Without thousands separators. Zeros at the beginning and more digits than a double holds mark codes, not amounts. */
const NUMBER = /^[-+]?(0|[1-9]\d{0,14})([.,]\d{1,15})?$/;
const NOTHING = new RowSource('{}');
const EMAIL = valueTypeOf({ name: 'value', type: 'Email' });
const URL_TYPE = valueTypeOf({ name: 'value', type: 'Url' });

/** Whether a value, without white space at its ends, has the form of the type. */
function fitsType(type: MeasuredType, value: string): boolean {
  switch (type) {
    case 'Email':
      return value.includes('@') && !(EMAIL.parse(value, NOTHING) instanceof ValueError);
    case 'Url':
      return value.includes('://') && !(URL_TYPE.parse(value, NOTHING) instanceof ValueError);
    case 'Date':
      return value.length <= 20 && DAY.test(value);
    case 'DateTime':
      return value.length <= 40 && TIME.test(value);
    case 'Numeric':
      return value.length <= 40 && NUMBER.test(value);
  }
}

/** Whether the value is a word for yes or no. 1 and 0 are not words. */
function isBooleanWord(value: string): boolean {
  return !/^[01]$/.test(value) && typeof booleanType.parse(value, NOTHING) === 'boolean';
}

/** Delimiters that spreadsheets and databases write, most common first. */
const DELIMITERS = [',', ';', '\t', '|'];
const EXAMINED_ROWS = 500;

/**
 * The delimiter of a table below any number of title lines: the one with which most rows have the same number of cells,
 * above one. A comma if no delimiter cuts the rows.
 * @param sample the beginning of the text, which may end anywhere
 */
export function detectTableDelimiter(sample: string): string {
  let best = { delimiter: ',', agreeing: 0, width: 1 };
  for (const delimiter of DELIMITERS) {
    const { agreeing, width } = commonWidth(sample, delimiter);
    const isBetter = agreeing > best.agreeing || (agreeing === best.agreeing && width > best.width);
    if (width > 1 && isBetter) best = { delimiter, agreeing, width };
  }
  return best.delimiter;
}

/** The number of cells that most rows have, and how many rows have it. */
function commonWidth(sample: string, delimiter: string): { width: number; agreeing: number } {
  const widths = new Map<number, number>();
  let rows = 0;
  const tokenizer = new CsvTokenizer(delimiter.charCodeAt(0), sample.length + 1, {
    record: (_line, cells) => {
      rows += 1;
      if (rows <= EXAMINED_ROWS) widths.set(cells.length, (widths.get(cells.length) ?? 0) + 1);
    },
    fault: () => undefined,
  });
  try {
    tokenizer.push(sample);
    tokenizer.end();
  } catch (error) {
    if (!(error instanceof LineLimitError)) throw error;
  }
  return [...widths]
    .filter(([width]) => width > 1)
    .map(([width, agreeing]) => ({ width, agreeing }))
    .reduce((most, each) => (each.agreeing > most.agreeing ? each : most), { width: 1, agreeing: 0 });
}

export type TableCells = readonly TableCell[];

/** The row that names the columns of a table. */
export interface HeaderRow {
  /** Its index among the given rows. */
  index: number;
  /** It may be the first record: its cells look like values, or two of them are equal. */
  isDoubtful: boolean;
}

/** A header stands within the first rows, below titles and notes. */
const HEADER_WITHIN = 20;
/** A header names at least this share of the cells that a usual row fills. */
const NAMED_SHARE = 0.6;

/**
 * Finds the row with the names of the columns when no name is known: the first row that is as wide as the rows below
 * it and whose cells are different words. If no row is like that, it is the first wide row.
 * @param rows the beginning of the table, at least one row, without blank rows
 */
export function findHeader(rows: readonly TableCells[]): HeaderRow {
  const wanted = Math.max(1, Math.ceil(usualWidth(rows) * NAMED_SHARE));
  const wide = rows
    .slice(0, HEADER_WITHIN)
    .flatMap((cells, index) => (filledCells(cells).length >= wanted ? [{ cells, index }] : []));
  const named = wide.find(({ cells }) => areNames(filledCells(cells)));
  // A row of names far below the first wide row is a record that happens to consist of words.
  const first = wide[0]?.index ?? 0;
  if (named !== undefined && named.index <= first + 1) return { index: named.index, isDoubtful: false };
  return { index: first, isDoubtful: true };
}

/** The number of cells that the median row fills. */
function usualWidth(rows: readonly TableCells[]): number {
  const widths = rows.map((cells) => filledCells(cells).length).sort((a, b) => a - b);
  return widths[Math.floor(widths.length / 2)] ?? 0;
}

/** The cells that have a value, without white space at their ends. */
export function filledCells(cells: TableCells): string[] {
  return cells.flatMap((cell) => {
    const value = trimEnds(shownCell(cell));
    return value === '' ? [] : [value];
  });
}

function areNames(cells: readonly string[]): boolean {
  const isDifferent = new Set(cells.map((cell) => cell.toLowerCase())).size === cells.length;
  return isDifferent && cells.every((cell) => !MEASURED_TYPES.some((type) => fitsType(type, cell)));
}

/** The text of a cell that a person sees. */
export function shownCell(cell: TableCell | undefined): string {
  if (cell === null || cell === undefined) return '';
  return typeof cell === 'string' ? cell : cell.text;
}

/** What the values of one column suggest. A person can change all of it. */
export interface ColumnTraits {
  type: AttributeType;
  /** For lists, by name. */
  options: string[];
  /** Every row has a value. */
  required: boolean;
  /** The share of rows whose value is filled and occurs in no earlier row, from 0 to 1. */
  distinctShare: number;
  /** The first different values, shortened. */
  samples: string[];
  /** Values are objects or arrays of other things than texts, which no field can hold. */
  isNested: boolean;
}

/** A value that is not a text: an array of texts, or something that no field can hold. */
export type ValueParts = readonly string[] | 'nested';

const SAMPLES = 4;
const SAMPLE_CHARACTERS = 60;
/** A list has at most this many options, and each of them occurs three times on average. */
const MOST_OPTIONS = 30;
const FEWEST_LISTED = 6;
const USES_PER_OPTION = 3;
const LONGEST_OPTION = 60;
/** A longer text, or one of several lines, is a long text. */
const LONGEST_SHORT_TEXT = 200;
/** The share of values that may not fit the type of their column: a file may have a few wrong ones. */
const WRONG_SHARE = 0.1;

/** Values that all columns together may remember, to find those that occur twice. The limit bounds memory. */
export class SeenValues {
  private left = 2_000_000;

  take(): boolean {
    this.left -= 1;
    return this.left >= 0;
  }
}

/** The spellings of one option, by how often each occurs. */
type Spellings = Map<string, number>;

/** Collects what the values of one column have in common. */
export class ColumnSurvey {
  private readonly fitting: Record<MeasuredType, number> = {
    Email: 0,
    Url: 0,
    Date: 0,
    DateTime: 0,
    Numeric: 0,
  };
  private readonly samples = new Set<string>();
  private seen: Set<string> | null = new Set();
  private seenRows = 0;
  private distinct = 0;
  private rows = 0;
  private filled = 0;
  private listed = 0;
  private longest = 0;
  private hasLines = false;
  private hasElements = false;
  private isNested = false;
  /** `null` once there are too many different values for a list. */
  private options: Map<string, Spellings> | null = new Map();

  /** @param header a name such as "Phone" shows that digits are not a number to calculate with */
  constructor(
    private readonly header: string,
    private readonly budget: SeenValues,
  ) {}

  /** @param cell blank: the row has no value */
  add(cell: TableCell, parts?: ValueParts): void {
    this.rows += 1;
    const value = trimEnds(typeof cell === 'string' ? cell : shownText(cell));
    if (value === '') return;
    this.filled += 1;
    if (this.samples.size < SAMPLES) this.samples.add(shortened(value));
    this.noteSeen(value);
    const measured = typeof cell === 'string' ? value : exactText(cell);
    for (const type of MEASURED_TYPES) if (fitsType(type, measured)) this.fitting[type] += 1;
    this.longest = Math.max(this.longest, value.length);
    this.hasLines ||= /[\r\n]/.test(value);
    if (parts === 'nested') {
      this.isNested = true;
      return;
    }
    this.hasElements ||= parts !== undefined;
    for (const option of parts ?? [value]) this.noteOption(trimEnds(option));
  }

  traits(): ColumnTraits {
    const options = this.optionsOf();
    const type = this.typeOf(options);
    return {
      type,
      options: type === 'PickList' || type === 'MultiSelectList' ? options : [],
      required: this.rows > 0 && this.filled === this.rows,
      distinctShare: this.seenRows === 0 ? 0 : this.distinct / this.rowsWhileSeen(),
      samples: [...this.samples],
      isNested: this.isNested,
    };
  }

  private rowsWhileSeen(): number {
    // Blank cells count against a column: a row without a value cannot be found by it.
    return this.seenRows + (this.rows - this.filled);
  }

  private noteSeen(value: string): void {
    if (this.seen === null) return;
    this.seenRows += 1;
    const key = value.toLowerCase();
    if (this.seen.has(key)) return;
    this.distinct += 1;
    if (this.budget.take()) this.seen.add(key);
    else this.seen = null;
  }

  private noteOption(option: string): void {
    if (this.options === null || option === '') return;
    this.listed += 1;
    const key = option.toLowerCase();
    const spellings = this.options.get(key) ?? new Map<string, number>();
    spellings.set(option, (spellings.get(option) ?? 0) + 1);
    this.options.set(key, spellings);
    if (this.options.size > MOST_OPTIONS || option.length > LONGEST_OPTION) this.options = null;
  }

  /** Each option as it is written most often; no options if the values do not repeat. */
  private optionsOf(): string[] {
    if (this.options === null || this.listed < FEWEST_LISTED) return [];
    if (this.options.size < 2 || this.options.size * USES_PER_OPTION > this.listed) return [];
    return [...this.options.values()]
      .map(mostFrequent)
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  }

  private typeOf(options: readonly string[]): AttributeType {
    if (this.filled === 0) return 'ShortText';
    if (this.hasElements) return options.length > 0 ? 'MultiSelectList' : 'LongText';
    if (this.isBoolean()) return 'Boolean';
    const wrong = Math.max(this.filled * WRONG_SHARE, this.filled >= 4 ? 1 : 0);
    const fits = (type: MeasuredType) => this.fitting[type] >= this.filled - wrong && this.fitting[type] > 0;
    const measured = MEASURED_TYPES.find(
      (type) => fits(type) && !(type === 'Numeric' && isCodeName(this.header)),
    );
    if (measured !== undefined) return measured;
    if (options.length > 0) return 'PickList';
    return this.hasLines || this.longest > LONGEST_SHORT_TEXT ? 'LongText' : 'ShortText';
  }

  /** Two words at most, one for yes and one for no. 0 and 1 may as well be numbers. */
  private isBoolean(): boolean {
    if (this.options === null || this.options.size > 2) return false;
    return [...this.options.keys()].every(isBooleanWord);
  }
}

function mostFrequent(spellings: Spellings): string {
  const [first] = [...spellings].sort(([, a], [, b]) => b - a);
  return first?.[0] ?? '';
}

function shortened(value: string): string {
  const line = value.replace(/\s+/g, ' ');
  return line.length <= SAMPLE_CHARACTERS ? line : `${line.slice(0, SAMPLE_CHARACTERS).toWellFormed()}…`;
}

/** An error of a spreadsheet is not a value. */
function shownText(cell: TypedCell | null): string {
  if (cell === null || cell.value === '') return '';
  return cell.kind === 'boolean' ? cell.value : cell.text;
}

/** A number that is shown with zeros at its beginning is a code. */
function exactText(cell: TypedCell | null): string {
  if (cell === null) return '';
  return cell.kind === 'number' && /^0\d/.test(cell.text) ? cell.text : cell.value;
}

/** Words in the names of columns whose digits are names, not amounts: their zeros and their length matter. */
const CODES =
  /(^|[^\p{L}])(id|no|nr|nummer|number|num|code|key|plz|zip|postcode|postal|phone|tel|telefon|fax|mobile?|iban|bic|konto|account|isbn|ean|sku|uuid)([^\p{L}]|$)|(nummer|nr|id|code|phone|telefon)$/iu;

/** Whether a column of this name holds codes that happen to consist of digits. */
export function isCodeName(header: string): boolean {
  return CODES.test(header.replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2'));
}
