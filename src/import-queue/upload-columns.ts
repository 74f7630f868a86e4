import type { ColumnFindings } from '../batches/upload-findings.js';
import { jsonMembers } from '../formats/json/json-members.js';
import type { UnderstoodFile } from '../formats/upload-reader.js';
import { nearestName } from '../platform/wording.js';
import { isUnnamedColumn } from '../records/rows.js';
import type { RowColumn } from '../records/target.js';

/** Columns that every row of a workflow may have. Templates omit them, because few users need them. */
const ALWAYS_KNOWN = [':WorkflowActionId', ':WorkflowActionName'];

/** The columns that a row of the import process may have. Empty if the target does not restrict them. */
export function knownColumns(columns: readonly RowColumn[]): ReadonlySet<string> {
  return new Set(columns.length === 0 ? [] : [...columns.map(({ name }) => name), ...ALWAYS_KNOWN]);
}

/** Compares the columns of a file with those of a row. */
export function findColumns(
  understood: UnderstoodFile,
  columns: readonly RowColumn[],
): ColumnFindings | null {
  if (understood.columns === null) return null;
  const known = knownColumns(columns);
  const targets = new Set(understood.columns.map(({ target }) => target));
  // A name in use is not suggested again, because the file would then have it twice.
  const free = [...known].filter((name) => !targets.has(name));
  const unknown =
    known.size === 0
      ? []
      : understood.columns
          .filter(({ target }) => target !== null && !known.has(target) && !isUnnamedColumn(target))
          .map(({ header }) => ({ header, nearest: nearestName(header, free) ?? null }));
  const missing = columns
    .filter(({ name, required }) => required && !targets.has(name))
    .map(({ name }) => name);
  return { unknown, missing };
}

/**
 * Renames the members of a JSON object. The values stay exactly the same, digit for digit.
 * @param names the new name of each member, or `null` to drop it; members that are not listed keep their names
 */
export function renameMembers(payload: string, names: ReadonlyMap<string, string | null>): string {
  const members: string[] = [];
  for (const [name, value] of jsonMembers(payload)) {
    const renamed = names.has(name) ? names.get(name) : name;
    if (typeof renamed === 'string') members.push(`${JSON.stringify(renamed)}:${value}`);
  }
  return `{${members.join(',')}}`;
}
