import { nearestName } from '../../common/nearest-name.js';
import { isUnnamedColumn } from '../../common/unnamed-column.js';
import type { RowColumn } from '../../targets/target.js';
import type { Understood } from '../intake/upload-reader.js';
import type { ColumnFindings } from '../upload-findings.js';

/** Columns that every row of a workflow may have; they are in no template, since few need them. */
const ALWAYS_KNOWN = [':WorkflowActionId', ':WorkflowActionName'];

/** The columns a row of the import process may have. Empty: the target does not say, so all may be there. */
export function knownColumns(columns: readonly RowColumn[]): ReadonlySet<string> {
  return new Set(columns.length === 0 ? [] : [...columns.map(({ name }) => name), ...ALWAYS_KNOWN]);
}

/** How the columns of a file fit those of a row. */
export function findColumns(understood: Understood, columns: readonly RowColumn[]): ColumnFindings | null {
  if (understood.columns === null) return null;
  const known = knownColumns(columns);
  const targets = new Set(understood.columns.map(({ target }) => target));
  // A name that is taken is not offered a second time: the file would then have it twice.
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
