import type { ProblemDetail } from '../../platform/errors.js';
import { foldedName, visiblyQuoted } from '../../platform/wording.js';
import { isUnnamedColumn, trimEnds, unnamedColumn } from '../../records/rows.js';
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
  /** The target column of the row; `null`: not imported. */
  target: string | null;
}

/** Maps a header to a column of a row, or to `null` for a column that is not imported. */
type ColumnMapping = ReadonlyMap<string, string | null>;

/** The fields that the rows of an import process may have. */
export class FieldNames {
  private readonly names: ReadonlySet<string>;
  /** By folded name; `null` if several fields fold to one name. */
  private readonly byFold = new Map<string, string | null>();

  /** @param names none: any column is a field */
  constructor(names: Iterable<string>) {
    this.names = new Set(names);
    for (const name of this.names) {
      const fold = foldedName(name);
      if (fold !== '') this.byFold.set(fold, this.byFold.has(fold) ? null : name);
    }
  }

  /** Whether every column is a field. */
  get areOpen(): boolean {
    return this.names.size === 0;
  }

  has(name: string): boolean {
    return this.names.has(name);
  }

  /** The field with this name, also when case, spaces, punctuation or accents differ. */
  find(header: string): string | null {
    return this.has(header) ? header : (this.byFold.get(foldedName(header)) ?? null);
  }

  all(): Iterable<string> {
    return this.names;
  }
}

export interface HeaderRules {
  fields: FieldNames;
  /** What the sender of this file decided. */
  mapping: ColumnMapping;
  /** What earlier files have left; it never takes the place of a column that has the name of a field. */
  saved: ColumnMapping;
}

export interface CsvHeader {
  columns: CsvColumn[];
  /** Whether the file is one of our own downloads, which are read the way they were written. */
  isOurs: boolean;
  /** Columns that match nothing and about which nothing was decided. */
  unknown: string[];
  /** Saved mappings that were not applied because the file has a column with the name of the field. */
  overridden: string[];
  /** Columns that the saved mapping leaves out although they are fields. */
  ignored: string[];
}

/**
 * Decides the target of each column of a file: what the sender decided, then an equal name, then a saved mapping, then
 * a name that is equal but for case, spaces, punctuation and accents. If several columns are similar to one field, none
 * is taken: either could be meant.
 * @throws DomainError 400 `duplicate_columns`, `too_many_columns`
 */
export function readHeader(cells: readonly (string | null)[], rules: HeaderRules): CsvHeader {
  if (cells.length > MAX_COLUMNS) throw tooManyColumns(cells.length, MAX_COLUMNS);
  const { fields, mapping, saved } = rules;
  const added = addedColumns(cells, mapping);
  const headers = cells.map(
    (cell, index) =>
      (added === null ? nameIn(cell) : cell && readDownloadedCell(cell)) ?? unnamedColumn(index + 1),
  );
  const ours = added ?? OF_RESULTS;
  const columns = headers.map((header): CsvColumn => {
    if (ours.has(header)) return { header, target: null };
    const mapped = mapping.get(header);
    if (mapped !== undefined) return { header, target: mapped };
    return { header, target: fields.areOpen || fields.has(header) ? header : null };
  });
  refuseDuplicates(columns);
  refuseEqualHeaders(headers, mapping);

  const open = columns.filter(
    ({ header, target }) => target === null && !mapping.has(header) && !ours.has(header),
  );
  const overridden = applySaved(columns, open, rules);
  const ignored = columns
    .filter(({ header }) => saved.get(header) === null && !mapping.has(header) && !ours.has(header))
    .filter(({ header }) => !fields.areOpen && fields.find(header) !== null)
    .map(({ header }) => header);
  applySimilar(
    columns,
    open.filter(({ header }) => saved.get(header) !== null),
    fields,
  );
  const unknown = open.filter(
    ({ header, target }) => target === null && saved.get(header) !== null && !isUnnamedColumn(header),
  );
  const unmatched = unknown.map(({ header }) => header);
  return { columns, isOurs: added !== null, unknown: unmatched, overridden, ignored };
}

function applySaved(
  columns: readonly CsvColumn[],
  open: readonly CsvColumn[],
  { fields, mapping, saved }: HeaderRules,
): string[] {
  const taken = takenFields(columns);
  const overridden = columns
    .filter(({ header, target }) => target === header && !mapping.has(header))
    .filter(({ header }) => (saved.get(header) ?? header) !== header)
    .map(({ header }) => header);
  for (const column of open) {
    const target = saved.get(column.header) ?? null;
    if (target === null || !(fields.areOpen || fields.has(target))) continue;
    if (taken.has(target)) overridden.push(column.header);
    else {
      column.target = target;
      taken.add(target);
    }
  }
  return overridden;
}

function applySimilar(columns: readonly CsvColumn[], open: readonly CsvColumn[], fields: FieldNames): void {
  const taken = takenFields(columns);
  const similar = new Map<string, CsvColumn[]>();
  for (const column of open) {
    const field = column.target === null ? fields.find(column.header) : null;
    if (field === null || taken.has(field)) continue;
    similar.set(field, [...(similar.get(field) ?? []), column]);
  }
  for (const [field, candidates] of similar) {
    const [only] = candidates;
    if (only !== undefined && candidates.length === 1) only.target = field;
  }
}

function takenFields(columns: readonly CsvColumn[]): Set<string> {
  return new Set(columns.flatMap(({ target }) => target ?? []));
}

/** The columns of a file that carry no value because one of our own downloads added them. */
export function columnsAddedByDownloads(columns: readonly CsvColumn[]): ReadonlySet<string> {
  const headers = columns.map(({ header }) => header);
  return addedColumns(headers, new Map(columns.map(({ header, target }) => [header, target]))) ?? OF_RESULTS;
}

/** White space is not a name, except in our own downloads, where it is the key of a record. */
function nameIn(cell: string | null): string | null {
  return cell === null || trimEnds(cell) === '' ? null : cell;
}

/** The columns that we added, if the file is one of our downloads. Other programs also write a column `_id`. */
function addedColumns(cells: readonly (string | null)[], mapping: ColumnMapping): ReadonlySet<string> | null {
  if (cells.includes('_line')) return OF_RESULTS;
  const isExport =
    cells.includes('_id') && ['_step', '_createdAt', '_updatedAt'].some((name) => cells.includes(name));
  return isExport && typeof mapping.get('_id') !== 'string' ? OF_INSTANCES : null;
}

/** Refuses two columns for one value: either could be meant. @throws DomainError 400 `duplicate_columns` */
function refuseDuplicates(columns: readonly CsvColumn[]): void {
  refuseRepeated(columns.map(({ target }) => target));
}

/** @throws DomainError 400 `duplicate_columns` */
function refuseEqualHeaders(headers: readonly string[], mapping: ColumnMapping): void {
  refuseRepeated(headers.map((header) => (mapping.get(header) === null ? null : header)));
}

function refuseRepeated(names: readonly (string | null)[]): void {
  const places = new Map<string, number[]>();
  for (const [index, name] of names.entries()) {
    if (name !== null) places.set(name, [...(places.get(name) ?? []), index + 1]);
  }
  const duplicates = [...places].filter(([, found]) => found.length > 1);
  if (duplicates.length === 0) return;
  const errors: ProblemDetail[] = duplicates.slice(0, MAX_DESCRIBED_ERRORS).map(([name, found]) => ({
    line: 1,
    code: 'duplicate_column',
    message: `the column ${quotedName(name)} occurs ${found.length} times, as columns ${found.join(', ')}`,
  }));
  const shown = duplicates.slice(0, 5).map(([name]) => quotedName(name));
  throw duplicateColumns(shown, errors, duplicates.length);
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
  return visiblyQuoted(
    name.length <= MAX_SHOWN_CHARACTERS ? name : `${name.slice(0, MAX_SHOWN_CHARACTERS)}…`,
  );
}
