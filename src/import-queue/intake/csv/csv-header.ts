import { DomainError, type ProblemDetail } from '../../../common/domain.error.js';
import { unnamedColumn } from '../../../common/unnamed-column.js';
import { cellOfOurs } from '../../results/csv-cells.js';
import { quotedName } from './quoted-name.js';

/** Columns of a file. The widest that a download of ours would write. */
const MOST_COLUMNS = 10_000;
/** What our own downloads add, of a batch (`results/result-lines.ts`) and of instances (`InstanceColumns`). */
const OF_RESULTS: ReadonlySet<string> = new Set(['_line', '_status', '_error']);
const OF_INSTANCES: ReadonlySet<string> = new Set(['_id', '_status', '_step', '_createdAt', '_updatedAt']);

/** What becomes of one column of a file. */
export interface CsvColumn {
  /** As the header has it; of a column without a name: `(column 3)`. */
  header: string;
  /** The column of a row it goes to; `null`: it is left out. */
  target: string | null;
}

/** Header to column of a row, or to nothing. */
export type ColumnMapping = ReadonlyMap<string, string | null>;

export interface CsvHeader {
  columns: CsvColumn[];
  /** The file was downloaded here, and is read the way it was written. */
  isOurs: boolean;
}

/**
 * What becomes of each column.
 * @throws DomainError 400 `duplicate_columns`, `too_many_columns`
 */
export function readHeader(cells: readonly (string | null)[], mapping: ColumnMapping): CsvHeader {
  if (cells.length > MOST_COLUMNS) throw tooManyColumns(cells.length);
  const added = addedColumns(cells, mapping);
  const columns = cells.map((cell, index): CsvColumn => {
    const header = (added === null ? nameIn(cell) : cell && cellOfOurs(cell)) ?? unnamedColumn(index + 1);
    if ((added ?? OF_RESULTS).has(header)) return { header, target: null };
    const mapped = mapping.get(header);
    return { header, target: mapped === undefined ? header : mapped };
  });
  refuseDuplicates(columns);
  return { columns, isOurs: added !== null };
}

/** The columns of a file that stand for nothing, since a download of ours has added them. */
export function columnsWeAdded(columns: readonly CsvColumn[]): ReadonlySet<string> {
  const headers = columns.map(({ header }) => header);
  return addedColumns(headers, new Map(columns.map(({ header, target }) => [header, target]))) ?? OF_RESULTS;
}

/** White space is no name, but where we wrote it: then a record had it. */
function nameIn(cell: string | null): string | null {
  return cell === null || cell.trim() === '' ? null : cell;
}

/** What we added, if the file is one of ours. `_id` alone is a usual name elsewhere too. */
function addedColumns(cells: readonly (string | null)[], mapping: ColumnMapping): ReadonlySet<string> | null {
  if (cells.includes('_line')) return OF_RESULTS;
  const isExport =
    cells.includes('_id') && ['_step', '_createdAt', '_updatedAt'].some((name) => cells.includes(name));
  return isExport && typeof mapping.get('_id') !== 'string' ? OF_INSTANCES : null;
}

/** Two columns for one value: nobody can say which is meant. */
export function refuseDuplicates(columns: readonly CsvColumn[]): void {
  const places = new Map<string, number[]>();
  for (const [index, { target }] of columns.entries()) {
    if (target === null) continue;
    const known = places.get(target);
    if (known === undefined) places.set(target, [index + 1]);
    else known.push(index + 1);
  }
  const duplicates = [...places].filter(([, found]) => found.length > 1);
  if (duplicates.length === 0) return;
  const errors: ProblemDetail[] = duplicates.slice(0, 100).map(([name, found]) => ({
    line: 1,
    code: 'duplicate_column',
    message: `the column ${quotedName(name)} is there ${found.length} times, as columns ${found.join(', ')}`,
  }));
  const names = duplicates.slice(0, 5).map(([name]) => quotedName(name));
  throw new DomainError(
    400,
    'duplicate_columns',
    'The header names a column more than once',
    `The header names ${names.join(', ')} more than once. Give each column a name of its own, or map all but one to nothing. Nothing was stored.`,
    { errors, errorCount: duplicates.length },
  );
}

function tooManyColumns(found: number): DomainError {
  return new DomainError(
    400,
    'too_many_columns',
    'The file has too many columns',
    `The header has ${found} columns; at most ${MOST_COLUMNS} are read. Nothing was stored.`,
    { limit: MOST_COLUMNS },
  );
}
