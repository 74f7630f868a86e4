import type { JsonObject } from '../platform/json/json-value.js';
import { visiblyQuoted } from '../platform/wording.js';
import { unnamedColumn } from '../records/rows.js';
import type { RecordError } from '../records/target.js';
import { type CellCounts, CellReader } from './cell-reading.js';
import { readDownloadedCell, restoreFormula } from './csv/csv-cells.js';
import { columnsAddedByDownloads } from './csv/csv-columns.js';
import { cellJson, cellText } from './json/json-members.js';
import type { Reading } from './reading.js';
import type { TableCell, TableRow } from './record-reader.js';
import { isBlankCell, isBlankRow, type SurveyedColumn, type TablePlan } from './table-survey.js';

/** One record of a table. */
export interface ReadRecord {
  line: number;
  row: JsonObject;
  /** The row as JSON text: an object of texts (and of numbers, booleans and null, where columns hold `literal` values), with the columns in the order of the file. */
  payload: string;
  /** The facts that reading the row found out; empty if it has the shape of the header and every cell can be read. */
  errors: readonly RecordError[];
  /** Whether the row has another number of cells than the header, so that its values are not reliable. */
  isMisshapen: boolean;
  /** The row that a spreadsheet shows, if it differs from the line. */
  shownRow: number | null;
  originLine: number | null | undefined;
  /** The cells of columns that are not imported, as JSON text; `null` if all of them are empty. */
  leftOut: string | null;
}

/** The record from which a row of a download comes. */
export interface RecordPlace {
  batchId: number;
  line: number;
}

/** What the rows of a file had, for its summary. */
export interface ReadingCounts extends CellCounts {
  /** Rows without any value, which are not records. */
  blankRows: number;
  /** Rows with fewer cells than the header. */
  shortRows: number;
  /** Empty cells that leave a value unchanged. */
  emptyCells: number;
  /** Apostrophes that were removed before text that looks like a formula. */
  apostrophes: number;
}

/** The error code of a row with more or fewer cells than the header. Sending it again does not help. */
export const WRONG_CELL_COUNT = 'wrong_cell_count';

/**
 * Turns the rows of a table into records. Our own downloads are read the way they were written: neutralized formulas
 * are restored, and a completely empty cell, without quotes, is a column that the record lacked. In all other files, an
 * empty cell is an empty value. Formulas are restored there, too, because a user may have deleted our columns from one
 * of our downloads.
 */
export class TableRows {
  readonly counts: ReadingCounts = {
    blankRows: 0,
    shortRows: 0,
    emptyCells: 0,
    apostrophes: 0,
    keptSpaces: 0,
    errorsInText: 0,
  };
  private readonly columns: readonly SurveyedColumn[];
  private readonly names: readonly (string | null)[];
  private readonly readers: readonly CellReader[];
  private readonly lineColumn: number;
  private readonly batchColumn: number;
  /** The constants as members of a row. */
  private readonly constants: readonly string[];
  /** The places of the columns that are not imported and that the sender named. */
  private readonly leftOut: readonly number[];

  /** @param reading `shortRows` of a workbook is `fill`: its rows end with their last cell */
  constructor(
    private readonly plan: TablePlan,
    private readonly reading: Reading,
  ) {
    this.columns = plan.columns;
    this.names = plan.columns.map(({ target }) => (target === null ? null : JSON.stringify(target)));
    this.readers = plan.columns.map(
      ({ field, form, target, recipe }) =>
        new CellReader(
          field ?? { name: target ?? '' },
          form,
          { ...reading, recipe, isOurs: plan.isOurs },
          this.counts,
        ),
    );
    this.constants = plan.constants.map(([field, value]) => {
      const column = plan.fields.find(({ name }) => name === field);
      return `${JSON.stringify(field)}:${cellJson(value, column)}`;
    });
    this.lineColumn = plan.columns.findIndex(({ header }) => header === '_line');
    this.batchColumn = plan.columns.findIndex(({ header }) => header === '_batch');
    const added = columnsAddedByDownloads(plan.columns);
    this.leftOut = plan.columns.flatMap(({ header, target }, index) =>
      target === null && !added.has(header) ? [index] : [],
    );
  }

  /** Where a row of our downloads comes from; `null` if it does not say so. */
  placeOf({ cells }: TableRow): RecordPlace | null {
    if (!this.plan.isOurs || this.lineColumn === -1 || this.batchColumn === -1) return null;
    const line = originLineIn(textOf(cells[this.lineColumn] ?? null));
    const batchId = originLineIn(textOf(cells[this.batchColumn] ?? null));
    return line === null || batchId === null ? null : { line, batchId };
  }

  /**
   * `null` if the row is not a record.
   * @param sent the JSON of each value of the record from which the row comes, if it is known
   */
  read({ line, row, cells }: TableRow, sent?: ReadonlyMap<string, string>): ReadRecord | null {
    if (row <= this.plan.headerRow) return null;
    if (isBlankRow(cells)) {
      this.counts.blankRows += 1;
      return null;
    }
    const errors: RecordError[] = [];
    const misshapen = this.widthError(cells);
    const payload = this.payload(cells, misshapen !== null, errors, sent);
    return {
      line,
      // Parsed, not assembled, so that a column may have any name, even `__proto__`, and later passes see the same row.
      row: JSON.parse(payload) as JsonObject,
      payload,
      errors: misshapen === null ? errors : [misshapen],
      isMisshapen: misshapen !== null,
      shownRow: row === line ? null : row,
      originLine: this.lineColumn === -1 ? undefined : originLineIn(textOf(cells[this.lineColumn] ?? null)),
      leftOut: this.leftOutCells(cells),
    };
  }

  private payload(
    cells: readonly TableCell[],
    keepsExtra: boolean,
    errors: RecordError[],
    sent: ReadonlyMap<string, string> | undefined,
  ): string {
    let payload = '';
    const width = this.columns.length;
    for (let index = 0; index < width; index += 1) {
      const name = this.names[index];
      if (
        name === null ||
        name === undefined ||
        (index >= cells.length && this.reading.shortRows === 'reject')
      )
        continue;
      const cell = cells[index] ?? null;
      const json = sent === undefined ? undefined : this.kept(cell, index, sent);
      if (json === null) {
        this.counts.emptyCells += 1;
        continue;
      }
      const text = json === undefined ? this.cellText(cell, index, errors) : null;
      if (json === undefined && text === null) continue;
      payload += `${payload === '' ? '{' : ','}${name}:${json ?? cellJson(text ?? '', this.columns[index]?.field)}`;
    }
    for (let index = width; keepsExtra && index < cells.length; index += 1) {
      const extra = JSON.stringify(textOf(cells[index] ?? null) ?? '');
      payload += `${payload === '' ? '{' : ','}"${unnamedColumn(index + 1)}":${extra}`;
    }
    for (const constant of this.constants) payload += `${payload === '' ? '{' : ','}${constant}`;
    return payload === '' ? '{}' : `${payload}}`;
  }

  /**
   * The JSON of a cell of a download that no one edited, exactly as it was sent, or of one that was emptied; `null` if
   * the record lacked the column, `undefined` if the cell is to be read. Programs that rewrite a file do not keep the
   * quotes by which an empty value differs from none.
   */
  private kept(cell: TableCell, index: number, sent: ReadonlyMap<string, string>): string | null | undefined {
    const { target, recipe } = this.columns[index] ?? {};
    const json = typeof target === 'string' ? sent.get(target) : undefined;
    const written = textOf(cell) ?? '';
    const text = typeof cell === 'string' ? readDownloadedCell(written) : written;
    if (text === '' && recipe?.default !== undefined) return undefined;
    if (json === undefined) return text === '' ? null : undefined;
    if (text === (cellText(json) ?? '')) return json;
    return text === '' ? '""' : undefined;
  }

  /** `null` if the row does not have the column. */
  private cellText(cell: TableCell, index: number, errors: RecordError[]): string | null {
    if (cell === null || cell === '') return this.emptyText(cell, index);
    let text = cell;
    if (typeof text === 'string')
      text = this.plan.isOurs ? readDownloadedCell(text) : this.withoutApostrophe(text);
    const read = this.readers[index]?.read(text, errors) ?? '';
    // White space of a typed value is nothing; our downloads contain it only if it was sent.
    const isEmpty = read === '' && (!this.plan.isOurs || this.columns[index]?.recipe !== undefined);
    return isEmpty ? this.emptyText(cell, index) : read;
  }

  /**
   * A value that was never sent must not be cleared: an empty cell is a column that the row lacks, unless the reading
   * makes empty cells clear values. In our downloads, `""` is a value that was sent empty. Identifiers are checked
   * unchanged.
   */
  private emptyText(cell: TableCell, index: number): string | null {
    const { recipe } = this.columns[index] ?? {};
    if (recipe?.default !== undefined) return recipe.default;
    if ((recipe?.emptyCells ?? this.reading.emptyCells) === 'clear') return '';
    const isKept = this.plan.isOurs ? cell === null : this.columns[index]?.target?.startsWith(':') === false;
    if (!isKept) return '';
    this.counts.emptyCells += 1;
    return null;
  }

  private withoutApostrophe(cell: string): string {
    if (this.reading.apostrophes === 'keep') return cell;
    const restored = restoreFormula(cell);
    if (restored !== cell) this.counts.apostrophes += 1;
    return restored;
  }

  /** Empty cells beyond the header, and missing ones of a workbook, hold nothing and do no harm. */
  private widthError(cells: readonly TableCell[]): RecordError | null {
    const { columns } = this;
    if (cells.length < columns.length) {
      this.counts.shortRows += 1;
      return this.reading.shortRows === 'fill' ? null : widthError(cells.length, columns);
    }
    const hasMore = cells.slice(columns.length).some((cell) => !isBlankCell(cell));
    return hasMore ? widthError(cells.length, columns) : null;
  }

  private leftOutCells(cells: readonly TableCell[]): string | null {
    if (this.leftOut.length === 0) return null;
    const texts = this.leftOut.map((index) => textOf(cells[index] ?? null) ?? '');
    return texts.every((text) => text === '') ? null : JSON.stringify(texts);
  }
}

function textOf(cell: TableCell): string | null {
  return cell === null || typeof cell === 'string' ? cell : cell.text;
}

function originLineIn(cell: string | null): number | null {
  return cell !== null && /^[1-9]\d{0,8}$/.test(cell) ? Number(cell) : null;
}

function widthError(found: number, columns: readonly SurveyedColumn[]): RecordError {
  const expected = `${columns.length} ${columns.length === 1 ? 'column' : 'columns'}`;
  const missing = columns.slice(found).map(({ header }) => visiblyQuoted(header.slice(0, 60)));
  const hint =
    found > columns.length
      ? `the extra cells are kept as ${unnamedColumn(columns.length + 1)} and so on; perhaps a cell that contains the delimiter is not quoted`
      : `no cell for ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', …' : ''}`;
  return {
    code: WRONG_CELL_COUNT,
    message: `the row has ${found} ${found === 1 ? 'cell' : 'cells'}, the header ${expected}: ${hint}`,
  };
}
