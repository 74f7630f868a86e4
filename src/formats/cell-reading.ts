import type { JsonObject } from '../platform/json/json-value.js';
import { jsonPointer, visiblyQuoted } from '../platform/wording.js';
import { escapeOption, splitOptions, trimEnds } from '../records/rows.js';
import type { ColumnKind, CompiledTarget, RecordError, RowColumn } from '../records/target.js';
import type { ColumnForm } from './column-survey.js';
import { dateRule, dayOf, ISO_DAY, momentOf, timeOf } from './local-dates.js';
import { type ColumnRecipe, type Reading, ValueRecipe } from './reading.js';
import type { TableCell, TypedCell } from './record-reader.js';

/** What the reading of cells changed, and what it left alone. */
export interface CellCounts {
  /** Texts whose white space at the ends was kept. */
  keptSpaces: number;
  /** Error values such as `#N/A` in columns of text. */
  errorsInText: number;
}

interface ValueChoices extends Pick<Reading, 'trim' | 'booleans'> {
  recipe?: ColumnRecipe | undefined;
  /** Whether the file is one of our downloads. */
  isOurs?: boolean;
}

/** The kinds whose cells are texts: kept as they are, and shown as a person sees them in a workbook. */
const TEXTS: ReadonlySet<ColumnKind> = new Set(['text']);
const TYPED: ReadonlySet<ColumnKind> = new Set(['number', 'boolean', 'date', 'dateTime']);
const SPREADSHEET_ERROR = /^#(N\/A|REF!|VALUE!|NAME\?|DIV\/0!|NUM!|NULL!|SPILL!|CALC!)$/;

/**
 * Reads the cells of one column: the local forms of numbers, dates, booleans and options become the form that rows of
 * the import process have. A cell in no known form stays as it is, and the check of the row says what is wrong with it.
 */
export class CellReader {
  private readonly kind: ColumnKind;
  private readonly options: ReadonlyMap<string, string> | null;
  private readonly isText: boolean;
  private readonly recipe: ValueRecipe | null;
  private readonly trims: Reading['trim'];

  constructor(
    private readonly column: Pick<RowColumn, 'name' | 'kind' | 'options' | 'timeZone'>,
    private readonly form: ColumnForm,
    private readonly choices: ValueChoices,
    private readonly counts: CellCounts,
  ) {
    this.kind = column.kind ?? 'text';
    this.isText = TEXTS.has(this.kind);
    const { recipe, isOurs = false } = choices;
    this.recipe = recipe === undefined ? null : new ValueRecipe(recipe, isOurs);
    // Text is trimmed only where a recipe says so.
    this.trims = recipe?.trim ?? (this.isText ? 'none' : choices.trim);
    this.options = choices.booleans === 'words' && column.options ? foldedOptions(column.options) : null;
  }

  /** The text of a cell that is not empty; `''` if nothing is left. @param errors receives why it cannot be read */
  read(cell: Exclude<TableCell, null>, errors: RecordError[]): string {
    const replaced = this.recipe?.replaced(typeof cell === 'string' ? cell : cell.text);
    if (replaced !== undefined) return replaced;
    if (typeof cell !== 'string') return this.readTyped(cell, errors);
    const text = this.prepared(cell);
    if (this.isText) {
      if (trimEnds(text) !== text) this.counts.keptSpaces += 1;
      if (text.startsWith('#') && SPREADSHEET_ERROR.test(text)) this.counts.errorsInText += 1;
      return text;
    }
    return this.converted(text, errors);
  }

  private prepared(text: string): string {
    const trimmed = this.trims === 'ends' ? trimEnds(text) : text;
    return this.recipe?.cased(trimmed) ?? trimmed;
  }

  private readTyped({ kind, text, value }: TypedCell, errors: RecordError[]): string {
    if (kind === 'error') {
      if (this.isText) {
        this.counts.errorsInText += 1;
        return '';
      }
      errors.push(
        this.error('spreadsheet_error', `is the error value of a spreadsheet; found ${visiblyQuoted(text)}`),
      );
      return text;
    }
    if (kind === 'unreadable') {
      errors.push(this.error('unreadable_cell', `cannot be read: the cell ${text}`));
      return '';
    }
    if (!TYPED.has(this.kind))
      return this.isText ? this.prepared(text) : this.converted(this.prepared(text), errors);
    if (this.kind === 'dateTime') return momentOf(value, kind, this.column.timeZone);
    return this.kind === 'date' ? dayOf(value, null) : value;
  }

  private converted(text: string, errors: RecordError[]): string {
    if (text === '') return '';
    switch (this.kind) {
      case 'number':
        return this.number(text, errors);
      case 'date':
        return this.date(text, errors);
      case 'dateTime':
        return timeOf(text, this.form.dateOrder, this.column.timeZone);
      case 'boolean':
        return this.choices.booleans === 'words' ? (BOOLEANS.get(text.toLowerCase()) ?? text) : text;
      case 'option':
        return this.options?.get(foldedOption(text)) ?? text;
      case 'options':
        return this.options === null ? text : optionsOf(text, this.options);
      default:
        return text;
    }
  }

  /** The reason names the form of the file. A day that does not exist keeps the form in which people look for it. */
  private date(text: string, errors: RecordError[]): string {
    const { dateOrder } = this.form;
    const day = dayOf(text, dateOrder);
    const rule = day === text && !ISO_DAY.test(text) ? dateRule(text, dateOrder) : null;
    if (rule !== null) errors.push(this.error('not_a_date', `${rule}; found ${visiblyQuoted(text)}`));
    return day;
  }

  private number(text: string, errors: RecordError[]): string {
    const { decimalMark } = this.form;
    if (decimalMark === 'comma') {
      if (DECIMAL_COMMA.test(text)) return text.replace(',', '.');
      if (!WHOLE_NUMBER.test(text)) {
        errors.push(
          this.error(
            'not_a_number',
            `must be a decimal number such as 1234,5: digits, a comma, no thousands separators; found ${visiblyQuoted(text)}`,
          ),
        );
      }
    } else if (decimalMark === 'unclear' && ONE_MARK.test(text)) {
      errors.push(
        this.error(
          'not_a_number',
          `has two meanings: ${visiblyQuoted(text)} is a number with three decimals, or thousands. Say which decimal mark the file has`,
        ),
      );
    }
    return text;
  }

  private error(code: string, rule: string): RecordError {
    const { name } = this.column;
    return { code, message: `${visiblyQuoted(name)} ${rule}`, pointer: jsonPointer(name) };
  }
}

/**
 * What people type into the cells of a file that was read before: in the form that its columns have, and reasons that
 * name this form.
 */
export class LocalForms {
  private readonly readers: ReadonlyMap<string, CellReader>;

  constructor(
    private readonly target: CompiledTarget,
    form: ColumnForm,
  ) {
    const counts = { keptSpaces: 0, errorsInText: 0 };
    this.readers = new Map(
      target.columns
        .filter(({ kind }) => kind === 'date' || kind === 'dateTime' || kind === 'number')
        .map((column) => [
          column.name,
          new CellReader(column, form, { trim: 'ends', booleans: 'exact' }, counts),
        ]),
    );
  }

  /** The value in the form of rows; unchanged if it cannot be read. */
  read(field: string, text: string): string {
    return text === '' ? '' : (this.readers.get(field)?.read(text, []) ?? text);
  }

  /** The rules of the target, whose messages name the form of the file. */
  get rules(): CompiledTarget {
    return {
      ...this.target,
      checkRow: (row, raw) => {
        const { error, errors, orderingKeys } = this.target.checkRow(row, raw);
        return {
          error: error && this.localized(error, row),
          ...(errors && { errors: errors.map((each) => this.localized(each, row)) }),
          orderingKeys,
        };
      },
    };
  }

  private localized(error: RecordError, row: JsonObject): RecordError {
    for (const [field, reader] of this.readers) {
      const text = error.pointer === jsonPointer(field) ? row[field] : undefined;
      if (typeof text !== 'string' || text === '') continue;
      const reasons: RecordError[] = [];
      reader.read(text, reasons);
      return reasons.find(({ code }) => code === error.code) ?? error;
    }
    return error;
  }
}

const DECIMAL_COMMA = /^[+-]?\d*,\d+$/;
const WHOLE_NUMBER = /^[+-]?\d+([eE][+-]?\d+)?$/;
const ONE_MARK = /^[+-]?\d+[.,]\d{3}$/;

/** Words of the languages that spreadsheets write, and their usual abbreviations. No word has two meanings. */
const WORDS: readonly (readonly [value: string, words: string])[] = [
  [
    'true',
    'true t yes y wahr ja j vrai oui verdadero sí si vero sì verdadeiro sim waar prawda tak igaz igen sand sann on',
  ],
  ['false', 'false f no n falsch nein faux non falso não onwaar nee fałsz nie hamis nem falsk nej nei off'],
];
const BOOLEANS: ReadonlyMap<string, string> = new Map(
  WORDS.flatMap(([value, words]) => words.split(' ').map((word) => [word, value] as const)),
);

function foldedOption(text: string): string {
  return trimEnds(text).normalize('NFC').toLowerCase();
}

/** Options by folded name; options that differ only in case must be written exactly. */
function foldedOptions(options: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const repeated = new Set<string>();
  for (const option of options) {
    const fold = foldedOption(option);
    if (found.has(fold)) repeated.add(fold);
    found.set(fold, option);
  }
  for (const fold of repeated) found.delete(fold);
  for (const option of options) found.set(option, option);
  return found;
}

/** Removes white space around each option, empty ones, and differences in case. */
function optionsOf(text: string, options: ReadonlyMap<string, string>): string {
  if (text.startsWith('[') && !options.has(foldedOption(text))) return text;
  return splitOptions(text)
    .map((option) => options.get(option) ?? options.get(foldedOption(option)) ?? trimEnds(option))
    .filter((option) => option !== '')
    .map(escapeOption)
    .join(';');
}
