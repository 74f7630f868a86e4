import type { ProblemDetail } from '../../platform/domain-error.js';
import { unnamedColumn } from '../../records/rows.js';
import { duplicateColumns, tooManyColumns, tooManyKeys } from '../format.errors.js';
import { visitMembers } from '../json/json-members.js';
import { MAX_DESCRIBED_ERRORS } from '../record-reader.js';
import { readDownloadedCell } from './csv-cells.js';

/**
 * The most columns of a file, and the most distinct keys in one download, so that every download can be uploaded again.
 */
const MAX_COLUMNS = 10_000;
const MAX_COLUMN_CHARACTERS = 1024 * 1024;
const MAX_SHOWN_CHARACTERS = 60;

/** The columns that downloads of a batch add to those that were sent. */
export const RESULT_COLUMNS = ['_line', '_status', '_error', '_batch'] as const;
/** The columns that downloads of instances add to identifiers and attributes. */
export const INSTANCE_COLUMNS = ['_id', '_status', '_step', '_createdAt', '_updatedAt'] as const;
const OF_RESULTS: ReadonlySet<string> = new Set(RESULT_COLUMNS);
const OF_INSTANCES: ReadonlySet<string> = new Set(INSTANCE_COLUMNS);

/** The target of one column of a file. */
export interface CsvColumn {
  /** The name in the header; for a column without a name, for example `(column 3)`. */
  header: string;
  /** The target column of the row; `null`: left out. */
  target: string | null;
}

/** Maps a header to a column of a row, or to `null` to leave the column out. */
export type ColumnMapping = ReadonlyMap<string, string | null>;

export interface CsvHeader {
  columns: CsvColumn[];
  /** Whether the file is one of our own downloads, which are read the way they were written. */
  isOurs: boolean;
}

/**
 * Decides the target of each column of a file.
 * @throws DomainError 400 `duplicate_columns`, `too_many_columns`
 */
export function readHeader(cells: readonly (string | null)[], mapping: ColumnMapping): CsvHeader {
  if (cells.length > MAX_COLUMNS) throw tooManyColumns(cells.length, MAX_COLUMNS);
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

/** The columns of a file that carry no value because one of our own downloads added them. */
export function columnsAddedByDownloads(columns: readonly CsvColumn[]): ReadonlySet<string> {
  const headers = columns.map(({ header }) => header);
  return addedColumns(headers, new Map(columns.map(({ header, target }) => [header, target]))) ?? OF_RESULTS;
}

/** White space is not a name, except in our own downloads, where it is the key of a record. */
function nameIn(cell: string | null): string | null {
  return cell === null || cell.trim() === '' ? null : cell;
}

/** The columns that we added, if the file is one of our downloads. Other programs also write a column `_id`. */
function addedColumns(cells: readonly (string | null)[], mapping: ColumnMapping): ReadonlySet<string> | null {
  if (cells.includes('_line')) return OF_RESULTS;
  const isExport =
    cells.includes('_id') && ['_step', '_createdAt', '_updatedAt'].some((name) => cells.includes(name));
  return isExport && typeof mapping.get('_id') !== 'string' ? OF_INSTANCES : null;
}

/** Refuses two columns for one value: either could be meant. @throws DomainError 400 `duplicate_columns` */
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
  const errors: ProblemDetail[] = duplicates.slice(0, MAX_DESCRIBED_ERRORS).map(([name, found]) => ({
    line: 1,
    code: 'duplicate_column',
    message: `the column ${quotedName(name)} occurs ${found.length} times, as columns ${found.join(', ')}`,
  }));
  const names = duplicates.slice(0, 5).map(([name]) => quotedName(name));
  throw duplicateColumns(names, errors, duplicates.length);
}

/**
 * The columns of a CSV download: those of the file that was sent, then all other keys of its records in the order of
 * their first occurrence. Each JSON record may have different keys, and a record of a file need not have every column,
 * so this function reads all records before the first line is written. It keeps only the distinct keys, at most 10,000
 * keys or a million characters.
 * @throws DomainError 400 `too_many_columns`
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
    if (columns.size > MAX_COLUMNS || characters > MAX_COLUMN_CHARACTERS) {
      throw tooManyKeys(MAX_COLUMNS);
    }
  };
  sent.forEach(add);
  for await (const rows of pages) {
    for (const { payload } of rows) visitMembers(payload, add);
  }
  return [...columns];
}

/** A name from a file, for a message: shortened, with control characters escaped. */
function quotedName(name: string): string {
  return JSON.stringify(
    name.length <= MAX_SHOWN_CHARACTERS ? name : `${name.slice(0, MAX_SHOWN_CHARACTERS)}…`,
  );
}
