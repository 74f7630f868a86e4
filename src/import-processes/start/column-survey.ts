import type { TableCell, TypedCell } from '../../formats/table.js';
import { trimEnds } from '../../records/rows.js';
import type { AttributeType } from '../../workflows/definition.js';
import { fitsType, isBooleanWord, MEASURED_TYPES, type MeasuredType } from './survey-table.js';

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
