import type { ColumnKind, RowColumn } from '../records/target.js';
import { trimEnds, unnamedColumn } from '../records/rows.js';
import { type ColumnForm, DateSurvey, DecimalSurvey, STRICT_FORM } from './column-survey.js';
import {
  columnsAddedByDownloads,
  type CsvColumn,
  type CsvHeader,
  type HeaderRules,
  readHeader,
} from './csv/csv-columns.js';
import { headerRowMissing } from './format.errors.js';
import type { Reading } from './reading.js';
import type { TableCell, TableRow, TableSource } from './table.js';

/** Something about a file that the user should look at before confirming. */
export interface ReadingWarning {
  code:
    | 'encoding_guessed'
    | 'header_unclear'
    | 'date_order_unclear'
    | 'decimal_mark_unclear'
    | 'mapping_overridden'
    | 'spreadsheet_errors';
  message: string;
  /** The columns concerned, by their names in the file. */
  columns?: string[];
  /** Words or values as they were read. */
  samples?: string[];
}

/** One column of a file and how its cells are read. */
export interface SurveyedColumn extends CsvColumn {
  field: RowColumn | null;
  form: ColumnForm;
}

/** How the rows of a table are read, decided after all of them were seen. */
export interface TablePlan {
  /** The last row that is not a record; 0 without a header. */
  headerRow: number;
  columns: readonly SurveyedColumn[];
  isOurs: boolean;
  /** Columns that match no field and about which nothing was decided, by their names in the file. */
  unknown: readonly string[];
  /** Rows below the header that have a value. */
  records: number;
  warnings: ReadingWarning[];
}

export interface SurveyRules extends HeaderRules {
  /** The columns that rows may have, in the order of a template; empty if any are allowed. */
  columns: readonly RowColumn[];
  reading: Reading;
}

/** The header is looked for in so many rows. */
const SEARCHED_ROWS = 20;
const MOST_WORDS = 3;
const MOST_NAMED = 10;

/**
 * Reads all rows once to find the header and to learn how dates and numbers are written.
 * @throws DomainError if the file cannot be read, its header names a column twice, or it lacks the chosen header row
 */
export async function surveyTable(source: TableSource, rules: SurveyRules): Promise<TablePlan> {
  const survey = new TableSurvey(rules);
  for await (const block of source.rows()) {
    const isGuessed = rules.reading.encoding === null && source.facts.encoding === 'windows-1252';
    for (const row of block) {
      if (isGuessed) survey.lookForWords(row);
      survey.add(row);
    }
  }
  return survey.end(source);
}

/** Whether a row has no value: only white space, invisible characters, or the Ctrl-Z that ends DOS files. */
export function isBlankRow(cells: readonly TableCell[]): boolean {
  return cells.every((cell) => isBlankCell(cell));
}

export function isBlankCell(cell: TableCell): boolean {
  if (cell === null || cell === '') return true;
  const text = typeof cell === 'string' ? cell : cell.text;
  return text === '\u001a' || trimEnds(text) === '';
}

function headerTexts(cells: readonly TableCell[]): (string | null)[] {
  return cells.map((cell) => (cell === null || typeof cell === 'string' ? cell : cell.text));
}

class TableSurvey {
  private held: TableRow[] = [];
  private headerRow: number | null = null;
  private header: CsvHeader | null = null;
  private isHeaderUnclear = false;
  /** The most cells of a row. */
  private width = 0;
  private records = 0;
  private surveys: (DateSurvey | DecimalSurvey | null)[] = [];
  private readonly words: string[] = [];

  constructor(private readonly rules: SurveyRules) {
    if (rules.reading.headerRow === 'none') {
      this.header = headerByPlace(rules);
      this.headerRow = 0;
      this.begin();
    }
  }

  add(row: TableRow): void {
    if (this.header !== null) return this.see(row);
    const { headerRow } = this.rules.reading;
    if (typeof headerRow === 'number') {
      if (row.row >= headerRow) this.choose(row.row === headerRow ? row : null);
      return;
    }
    if (isBlankRow(row.cells)) return;
    this.held.push(row);
    if (this.rules.fields.areOpen || this.namesFields(row)) this.choose(row);
    else if (row.row >= SEARCHED_ROWS) this.chooseFirst();
  }

  lookForWords({ cells }: TableRow): void {
    if (this.words.length === MOST_WORDS) return;
    for (const cell of cells) {
      if (typeof cell !== 'string' || !/[\u0080-\uffff]/.test(cell)) continue;
      const word = cell.split(/\s+/).find((each) => /[\u0080-\uffff]/.test(each));
      if (word !== undefined && this.words.length < MOST_WORDS && !this.words.includes(word))
        this.words.push(word);
    }
  }

  end(source: TableSource): TablePlan {
    const chosen = this.rules.reading.headerRow;
    if (this.header === null && typeof chosen === 'number') throw headerRowMissing(chosen);
    if (this.header === null) this.chooseFirst();
    const { isOurs, unknown, overridden, ...header } = this.header ?? NO_HEADER;
    const columns = chosen === 'none' ? asWideAs(this.width, header.columns) : header.columns;
    const forms = this.forms(source.facts.delimiter);
    return {
      headerRow: this.headerRow ?? 0,
      columns: columns.map((column, index) => ({
        ...column,
        field: this.fieldOf(column),
        form: forms[index] ?? STRICT_FORM,
      })),
      isOurs,
      unknown,
      records: this.records,
      warnings: [
        ...(this.words.length > 0 ? [encodingGuessed(this.words)] : []),
        ...(this.isHeaderUnclear ? [headerUnclear(columns)] : []),
        ...this.questions(forms),
        ...(overridden.length > 0 ? [mappingOverridden(overridden)] : []),
      ],
    };
  }

  private namesFields({ cells }: TableRow): boolean {
    const { fields, mapping, saved } = this.rules;
    const filled = headerTexts(cells).filter((cell) => cell !== null && trimEnds(cell) !== '') as string[];
    const added = columnsAddedByDownloads(filled.map((header) => ({ header, target: null })));
    const known = filled.filter(
      (name) => fields.find(name) !== null || mapping.has(name) || saved.has(name) || added.has(name),
    );
    return known.length > 0 && known.length * 2 >= filled.length;
  }

  private chooseFirst(): void {
    this.isHeaderUnclear = !this.rules.fields.areOpen && this.held.length > 0;
    const [first] = this.held;
    if (first !== undefined) this.choose(first);
  }

  /** @param row `null`: the chosen row is empty */
  private choose(row: TableRow | null): void {
    if (row === null || isBlankRow(row.cells)) throw headerRowMissing(Number(this.rules.reading.headerRow));
    this.headerRow = row.row;
    this.header = readHeader(headerTexts(row.cells), this.rules);
    this.begin();
    for (const later of this.held) if (later.row > row.row) this.see(later);
    this.held = [];
  }

  private begin(): void {
    this.surveys = (this.header?.columns ?? []).map((column) => surveyOf(this.fieldOf(column)?.kind));
  }

  private fieldOf({ target }: CsvColumn): RowColumn | null {
    return (target !== null && this.rules.columns.find(({ name }) => name === target)) || null;
  }

  private see({ cells }: TableRow): void {
    this.width = Math.max(this.width, cells.length);
    if (!isBlankRow(cells)) this.records += 1;
    for (const [index, survey] of this.surveys.entries()) {
      const cell = survey === null ? null : cells[index];
      if (typeof cell === 'string' && cell !== '') survey?.add(trimEnds(cell));
    }
  }

  /**
   * A file has one locale, so a number that needs a decimal point in any column speaks against decimal commas in all of
   * them.
   */
  private forms(delimiter: string | null): ColumnForm[] {
    const { dateOrder, decimalMark } = this.rules.reading;
    const decimals = this.surveys.filter((survey) => survey instanceof DecimalSurvey);
    const isCommaFile = delimiter === ';' && !decimals.some((survey) => survey.hasPoint);
    return this.surveys.map((survey) => {
      if (survey instanceof DateSurvey) return { ...STRICT_FORM, dateOrder: dateOrder ?? survey.order };
      if (!(survey instanceof DecimalSurvey)) return STRICT_FORM;
      if (decimalMark !== null) return { ...STRICT_FORM, decimalMark };
      if (survey.isUnclear && delimiter === ';') return { ...STRICT_FORM, decimalMark: 'unclear' };
      return isCommaFile && survey.hasOnlyCommas ? { ...STRICT_FORM, decimalMark: 'comma' } : STRICT_FORM;
    });
  }

  private questions(forms: readonly ColumnForm[]): ReadingWarning[] {
    const { reading } = this.rules;
    const named = <Survey extends DateSurvey | DecimalSurvey>(
      isAsked: (survey: Survey, form: ColumnForm) => boolean,
      type: new () => Survey,
    ) =>
      this.surveys.flatMap((survey, index) => {
        const column = this.header?.columns[index];
        const form = forms[index];
        if (!(survey instanceof type) || column === undefined || form === undefined) return [];
        return isAsked(survey, form) ? [{ header: column.header, samples: survey.samples }] : [];
      });
    const dates = reading.dateOrder !== null ? [] : named((survey) => survey.isUnclear, DateSurvey);
    const decimals =
      reading.decimalMark !== null
        ? []
        : named(
            (survey, form) => survey.isUnclear || (survey.hasComma && form.decimalMark !== 'comma'),
            DecimalSurvey,
          );
    return [
      ...(dates.length > 0
        ? [{ code: 'date_order_unclear', message: DATE_QUESTION, ...mentioned(dates) } as const]
        : []),
      ...(decimals.length > 0
        ? [{ code: 'decimal_mark_unclear', message: DECIMAL_QUESTION, ...mentioned(decimals) } as const]
        : []),
    ];
  }
}

const NO_HEADER: CsvHeader = { columns: [], isOurs: false, unknown: [], overridden: [] };

function surveyOf(kind: ColumnKind | undefined): DateSurvey | DecimalSurvey | null {
  if (kind === 'date') return new DateSurvey();
  return kind === 'number' ? new DecimalSurvey() : null;
}

/** Without a header the columns match the fields by place. */
function headerByPlace({ columns, mapping }: SurveyRules): CsvHeader {
  const named = columns.map(({ name }, index): CsvColumn => {
    const header = unnamedColumn(index + 1);
    const mapped = mapping.get(header);
    return { header, target: mapped === undefined ? name : mapped };
  });
  return { ...NO_HEADER, columns: named };
}

/** Without a header, the file decides how many columns there are; those beyond the fields match nothing. */
function asWideAs(width: number, columns: readonly CsvColumn[]): CsvColumn[] {
  return Array.from(
    { length: width },
    (_, index) => columns[index] ?? { header: unnamedColumn(index + 1), target: null },
  );
}

const DATE_QUESTION =
  'Nothing in the file says whether the day or the month comes first, so these dates are invalid. Choose the order of dates.';
const DECIMAL_QUESTION =
  'These numbers can have a decimal point or a decimal comma: 1.000 is one, or one thousand. Choose the decimal mark of the file.';

function mentioned(columns: readonly { header: string; samples: readonly string[] }[]) {
  const shown = columns.slice(0, MOST_NAMED);
  return {
    columns: shown.map(({ header }) => header),
    samples: shown.flatMap(({ samples }) => samples).slice(0, MOST_WORDS),
  };
}

function encodingGuessed(words: readonly string[]): ReadingWarning {
  const message =
    'The encoding was guessed: the file does not state one. Check whether these words look right; if not, choose another encoding.';
  return { code: 'encoding_guessed', message, samples: [...words] };
}

function headerUnclear(columns: readonly CsvColumn[]): ReadingWarning {
  const message =
    'The first row names too few fields, so it may not be the header. Choose the header row, or say that the file has no header.';
  return {
    code: 'header_unclear',
    message,
    columns: columns.slice(0, MOST_NAMED).map(({ header }) => header),
  };
}

function mappingOverridden(headers: readonly string[]): ReadingWarning {
  const message =
    'A saved match was not applied to these columns, because the file has a column with the name of the field.';
  return { code: 'mapping_overridden', message, columns: headers.slice(0, MOST_NAMED) };
}
