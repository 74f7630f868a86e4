import { trimEnds, unnamedColumn } from '../records/rows.js';
import type { ColumnKind, RowColumn } from '../records/target.js';
import { type ColumnForm, DateSurvey, DecimalSurvey, STRICT_FORM } from './column-survey.js';
import {
  columnsAddedByDownloads,
  type CsvColumn,
  type CsvHeader,
  type HeaderRules,
  readHeader,
} from './csv/csv-columns.js';
import { headerRowMissing } from './format.errors.js';
import {
  type ColumnRecipe,
  DATE_QUESTION,
  DECIMAL_QUESTION,
  encodingGuessed,
  fieldsOf,
  headerUnclear,
  identifierRounded,
  mappingIgnoresFields,
  mappingOutdated,
  mappingOverridden,
  mentioned,
  MOST_WORDS,
  type Reading,
  type ReadingWarning,
  recipeOf,
  type SavedMapping,
  withChoicesOf,
} from './reading.js';
import type { TableCell, TableRow, TableSource } from './record-reader.js';

/** One column of a file and how its cells are read. */
export interface SurveyedColumn extends CsvColumn {
  field: RowColumn | null;
  form: ColumnForm;
  recipe?: ColumnRecipe;
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
  /** The saved mapping that applies. */
  saved: SavedMapping | null;
  /** The choices of the sender, and those of the saved mapping where the sender made none. */
  reading: Reading;
  /** Values of fields that the file does not have. */
  constants: readonly (readonly [field: string, value: string])[];
  /** The columns that rows may have. */
  fields: readonly RowColumn[];
}

/** The saved mappings of an import process. */
export interface SavedMappings {
  /** The headers that any of them names: they help to find the header row. */
  headers: ReadonlySet<string>;
  /** The mapping for a file with these headers. */
  choose(headers: readonly string[]): SavedMapping | null;
}

export interface SurveyRules extends Omit<HeaderRules, 'saved'> {
  /** The columns that rows may have, in the order of a template; empty if any are allowed. */
  columns: readonly RowColumn[];
  reading: Reading;
  saved: SavedMappings;
}

const ROUNDED = /^\d([.,]\d+)?E\+\d+$/;
/** The header is looked for in so many rows. */
const SEARCHED_ROWS = 20;

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
  private saved: SavedMapping | null = null;
  private readonly words: string[] = [];
  /** Identifiers that a spreadsheet has rounded, by the place of their column. */
  private readonly rounded = new Map<number, string[]>();
  private identifiers: readonly number[] = [];

  constructor(private readonly rules: SurveyRules) {
    if (rules.reading.headerRow === 'none') {
      this.saved = rules.saved.choose([]);
      this.header = headerByPlace(rules, fieldsOf(this.saved));
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
    const { isOurs, unknown, overridden, ignored, ...header } = this.header ?? NO_HEADER;
    const columns = chosen === 'none' ? asWideAs(this.width, header.columns) : header.columns;
    const forms = this.forms(source.facts.delimiter);
    const { constants, owned, outdated } = this.constants(columns);
    return {
      headerRow: this.headerRow ?? 0,
      columns: columns.map((column, index) => {
        const recipe = recipeOf(this.recipesOf(column).recipe);
        return {
          ...column,
          field: this.fieldOf(column),
          form: forms[index] ?? STRICT_FORM,
          ...(recipe !== null && { recipe }),
        };
      }),
      isOurs,
      unknown,
      records: this.records,
      warnings: [
        ...(this.words.length > 0 ? [encodingGuessed(this.words)] : []),
        ...(this.isHeaderUnclear ? [headerUnclear(columns)] : []),
        ...(this.rounded.size > 0
          ? [
              identifierRounded(
                [...this.rounded].map(([index, samples]) => ({
                  header: columns[index]?.header ?? '',
                  samples,
                })),
              ),
            ]
          : []),
        ...this.questions(forms),
        ...(overridden.length + owned.length > 0 ? [mappingOverridden([...overridden, ...owned])] : []),
        ...mappingIgnoresFields(ignored, columns),
        ...(outdated.length > 0 ? [mappingOutdated(outdated)] : []),
      ],
      saved: this.saved,
      reading: this.reading,
      constants,
      fields: this.rules.columns,
    };
  }

  private get reading(): Reading {
    return withChoicesOf(this.rules.reading, this.saved?.reading ?? {});
  }

  /** The recipe of a column, and whether a saved mapping has it; its dates and numbers then yield to the file. */
  private recipesOf({ header, target }: CsvColumn): { recipe: ColumnRecipe; isSaved: boolean } {
    const { recipes } = this.rules.reading;
    const saved = this.saved?.columns[header];
    if (target === null) return { recipe: {}, isSaved: false };
    if (Object.hasOwn(recipes, header)) return { recipe: recipes[header] ?? {}, isSaved: false };
    return saved?.field === target ? { recipe: saved, isSaved: true } : { recipe: {}, isSaved: false };
  }

  /**
   * The constants of the sender and of the saved mapping. A column of the file takes precedence, and a field that no
   * longer exists takes no value, so that a mapping never makes a valid row invalid.
   */
  private constants(columns: readonly CsvColumn[]) {
    const { reading, fields } = this.rules;
    const targets = new Map(columns.map(({ header, target }) => [target, header]));
    const wanted = Object.entries({ ...this.saved?.constants, ...reading.constants });
    const given = wanted.filter((entry): entry is [string, string] => entry[1] !== null);
    const isKnown = (field: string) => fields.areOpen || fields.has(field);
    const savedFields = Object.values(this.saved?.columns ?? {}).flatMap(({ field }) => field ?? []);
    return {
      constants: given.filter(([field]) => isKnown(field) && !targets.has(field)),
      owned:
        this.header?.isOurs === true
          ? []
          : given.flatMap(([field]) => (isKnown(field) ? (targets.get(field) ?? []) : [])),
      outdated: [...savedFields, ...given.map(([field]) => field)].filter((field) => !isKnown(field)),
    };
  }

  private namesFields({ cells }: TableRow): boolean {
    const { fields, mapping, saved } = this.rules;
    const filled = headerTexts(cells).filter((cell) => cell !== null && trimEnds(cell) !== '') as string[];
    const added = columnsAddedByDownloads(filled.map((header) => ({ header, target: null })));
    const known = filled.filter(
      (name) => fields.find(name) !== null || mapping.has(name) || saved.headers.has(name) || added.has(name),
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
    const headers = headerTexts(row.cells);
    this.saved = this.rules.saved.choose(headers.filter((header) => header !== null));
    this.header = readHeader(headers, { ...this.rules, saved: fieldsOf(this.saved) });
    this.begin();
    for (const later of this.held) if (later.row > row.row) this.see(later);
    this.held = [];
  }

  private begin(): void {
    const columns = this.header?.columns ?? [];
    this.surveys = columns.map((column) => surveyOf(this.fieldOf(column)?.kind));
    this.identifiers = columns.flatMap((column, index) =>
      this.fieldOf(column)?.kind === 'identifier' ? [index] : [],
    );
  }

  private fieldOf({ target }: CsvColumn): RowColumn | null {
    return (target !== null && this.rules.columns.find(({ name }) => name === target)) || null;
  }

  private see({ cells }: TableRow): void {
    this.width = Math.max(this.width, cells.length);
    if (!isBlankRow(cells)) this.records += 1;
    for (const index of this.identifiers) {
      const cell = cells[index];
      if (typeof cell !== 'string' || !ROUNDED.test(cell)) continue;
      const samples = this.rounded.get(index) ?? [];
      if (samples.length < MOST_WORDS) this.rounded.set(index, [...samples, cell]);
    }
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
    const sent = this.rules.reading;
    const isOurs = this.header?.isOurs === true;
    const decimals = this.surveys.filter((survey) => survey instanceof DecimalSurvey);
    // The cells of a workbook are texts only where someone typed a local form; its numbers are typed cells.
    const isCommaFile =
      (delimiter === ';' || delimiter === null) && !decimals.some((survey) => survey.hasPoint);
    return this.surveys.map((survey, index) => {
      const { stated, saved } = this.statedForm(index);
      if (survey instanceof DateSurvey) {
        const order = stated.dateOrder ?? sent.dateOrder ?? survey.order ?? saved.dateOrder ?? null;
        return { ...STRICT_FORM, dateOrder: order };
      }
      if (!(survey instanceof DecimalSurvey)) return STRICT_FORM;
      const mark = stated.decimalMark ?? sent.decimalMark;
      if (mark !== null) return { ...STRICT_FORM, decimalMark: mark };
      if (saved.decimalMark != null) {
        return { ...STRICT_FORM, decimalMark: survey.confirmed(saved.decimalMark, isOurs) };
      }
      if (survey.isContradictory || (survey.isUnclear && (delimiter === ';' || delimiter === null)))
        return { ...STRICT_FORM, decimalMark: 'unclear' };
      return isCommaFile && survey.hasOnlyCommas ? { ...STRICT_FORM, decimalMark: 'comma' } : STRICT_FORM;
    });
  }

  /** How a column is written as its sender says, and as the saved mapping says. */
  private statedForm(
    index: number,
  ): Record<'stated' | 'saved', Pick<ColumnRecipe, 'dateOrder' | 'decimalMark'>> {
    const column = this.header?.columns[index];
    const { recipe, isSaved } =
      column === undefined ? { recipe: {}, isSaved: false } : this.recipesOf(column);
    const { dateOrder, decimalMark } = this.reading;
    const ofFile = { ...(dateOrder !== null && { dateOrder }), ...(decimalMark !== null && { decimalMark }) };
    return isSaved ? { stated: {}, saved: { ...ofFile, ...recipe } } : { stated: recipe, saved: ofFile };
  }

  private questions(forms: readonly ColumnForm[]): ReadingWarning[] {
    const named = <Survey extends DateSurvey | DecimalSurvey>(
      isAsked: (survey: Survey, form: ColumnForm, isStated: boolean) => boolean,
      type: new () => Survey,
    ) =>
      this.surveys.flatMap((survey, index) => {
        const column = this.header?.columns[index];
        const form = forms[index];
        if (!(survey instanceof type) || column === undefined || form === undefined) return [];
        const { stated, saved } = this.statedForm(index);
        const isStated = (stated.decimalMark ?? saved.decimalMark) !== undefined;
        return isAsked(survey, form, isStated) ? [{ header: column.header, samples: survey.samples }] : [];
      });
    const dates = named((survey, form) => survey.isUnclear && form.dateOrder === null, DateSurvey);
    const decimals = named(
      (survey, form, isStated) =>
        !isStated && (survey.isUnclear || (survey.hasComma && form.decimalMark !== 'comma')),
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

const NO_HEADER: CsvHeader = { columns: [], isOurs: false, unknown: [], overridden: [], ignored: [] };

function surveyOf(kind: ColumnKind | undefined): DateSurvey | DecimalSurvey | null {
  if (kind === 'date' || kind === 'dateTime') return new DateSurvey();
  return kind === 'number' ? new DecimalSurvey() : null;
}

/** Without a header the columns match the fields by place. */
function headerByPlace({ columns, mapping }: SurveyRules, saved: HeaderRules['saved']): CsvHeader {
  const named = columns.map(({ name }, index): CsvColumn => {
    const header = unnamedColumn(index + 1);
    const mapped = mapping.get(header) ?? saved.get(header);
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
