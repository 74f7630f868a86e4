import { unnamedColumn } from '../../../common/unnamed-column.js';
import type { RecordError } from '../../../targets/target.js';
import { cellOfOurs } from '../../results/csv-cells.js';
import type { CsvColumn, CsvHeader } from './csv-header.js';
import type { Cells } from './csv-tokenizer.js';

/** One record of a file. */
export interface CsvRow {
  /** JSON object of strings, the columns in the order of the file. */
  payload: string;
  error: RecordError | undefined;
  originLine: number | null | undefined;
}

/**
 * Makes rows of cells. A file that was downloaded here is read the way it was written: formulas are what they were
 * before they were made harmless, and a cell with nothing in it, not even quotes, is a column the record
 * did not have. In all others an empty cell is an empty text.
 */
export class CsvRows {
  private readonly columns: readonly CsvColumn[];
  private readonly isOurs: boolean;
  private readonly names: readonly (string | null)[];
  private readonly lineColumn: number;

  constructor({ columns, isOurs }: CsvHeader) {
    this.columns = columns;
    this.isOurs = isOurs;
    this.names = columns.map(({ target }) => (target === null ? null : JSON.stringify(target)));
    this.lineColumn = columns.findIndex(({ header }) => header === '_line');
  }

  row(cells: Cells): CsvRow {
    const { columns, names, isOurs, lineColumn } = this;
    let payload = '';
    const width = Math.min(cells.length, columns.length);
    for (let index = 0; index < width; index += 1) {
      const name = names[index];
      const cell = cells[index] ?? null;
      if (name === null || name === undefined || (cell === null && isOurs)) continue;
      payload += `${payload === '' ? '{' : ','}${name}:${text(cell, isOurs)}`;
    }
    for (let index = width; index < cells.length; index += 1) {
      payload += `${payload === '' ? '{' : ','}"${unnamedColumn(index + 1)}":${text(cells[index] ?? null, isOurs)}`;
    }
    return {
      payload: payload === '' ? '{}' : `${payload}}`,
      error: cells.length === columns.length ? undefined : widthError(cells.length, columns),
      originLine: lineColumn === -1 ? undefined : readLine(cells[lineColumn] ?? null),
    };
  }
}

function text(cell: string | null, isOurs: boolean): string {
  if (cell === null) return '""';
  return JSON.stringify(isOurs ? cellOfOurs(cell) : cell);
}

function readLine(cell: string | null): number | null {
  return cell !== null && /^[1-9]\d{0,8}$/.test(cell) ? Number(cell) : null;
}

/** The code of a row of another width; it stays wrong however often it is sent again. */
export const WRONG_CELL_COUNT = 'wrong_cell_count';

function widthError(found: number, columns: readonly CsvColumn[]): RecordError {
  const expected = `${columns.length} ${columns.length === 1 ? 'column' : 'columns'}`;
  const missing = columns.slice(found).map(({ header }) => JSON.stringify(header.slice(0, 60)));
  const hint =
    found > columns.length
      ? `what is too much is kept as ${unnamedColumn(columns.length + 1)} and so on; is a cell with a delimiter in it not in quotes?`
      : `there is no cell for ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', …' : ''}`;
  return {
    code: WRONG_CELL_COUNT,
    message: `the row has ${found} ${found === 1 ? 'cell' : 'cells'}, the header ${expected}: ${hint}`,
  };
}
