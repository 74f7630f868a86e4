import { DomainError, type ProblemDetail } from '../../platform/domain-error.js';
import { unnamedColumn } from '../../records/unnamed-column.js';
import { visitMembers } from '../json/json-members.js';
import { readDownloadedCell } from './csv-cells.js';

const LONGEST = 60;

/** A name out of a file, for a message: shortened, control characters escaped. */
function quotedName(name: string): string {
  return JSON.stringify(name.length <= LONGEST ? name : `${name.slice(0, LONGEST)}…`);
}

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
    const header =
      (added === null ? nameIn(cell) : cell && readDownloadedCell(cell)) ?? unnamedColumn(index + 1);
    if ((added ?? OF_RESULTS).has(header)) return { header, target: null };
    const mapped = mapping.get(header);
    return { header, target: mapped === undefined ? header : mapped };
  });
  refuseDuplicates(columns);
  return { columns, isOurs: added !== null };
}

/** The columns of a file that stand for nothing, since a download of ours has added them. */
export function columnsAddedByDownloads(columns: readonly CsvColumn[]): ReadonlySet<string> {
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

const MAX_COLUMNS = 10_000;
const MAX_COLUMN_CHARACTERS = 1024 * 1024;

/**
 * The columns of a CSV file: those of the file that was sent, then all other keys of its records, in the order in which
 * they are first seen. JSON records may each have keys of their own, and a record of a file need not have every column,
 * so this takes a pass over the set before the first line is written. It keeps the distinct keys and nothing else, and
 * gives up beyond 10,000 of them or a million characters.
 * @throws DomainError 422 `too_many_columns`
 */
export async function collectColumns(
  sent: readonly string[],
  pages: AsyncIterable<readonly { payload: string }[]>,
): Promise<string[]> {
  const columns = new Set<string>();
  let characters = 0;
  const add = (key: string) => {
    if (columns.has(key)) return;
    columns.add(key);
    characters += key.length;
    if (columns.size > MAX_COLUMNS || characters > MAX_COLUMN_CHARACTERS) throw tooManyKeys();
  };
  sent.forEach(add);
  for await (const rows of pages) {
    for (const { payload } of rows) visitMembers(payload, add);
  }
  return [...columns];
}

function tooManyKeys(): DomainError {
  return new DomainError(
    422,
    'too_many_columns',
    'The records have too many different keys for a CSV file',
    `The records have more than ${MAX_COLUMNS} different keys. Take format=jsonl, which has no columns.`,
    { limit: MAX_COLUMNS },
  );
}
