import { columnsWeAdded } from '../../import-queue/intake/csv/csv-header.js';
import type { BatchResource } from '../../import-queue/results/batch-resource.js';

/** The most columns that a page asks about. */
const MOST = 100;
/** What a header of the file stands for, where somebody says so; this: for nothing. */
export const LEFT_OUT = '-';

/** A header of the file, and what somebody may say that it stands for. */
export interface NamedColumn {
  header: string;
  leftOut: boolean;
  targets: { name: string; selected: boolean }[];
  hint: string | null;
}

/**
 * The headers of the file that no row has, and those that stand for something else than their name says. What they
 * stand for was kept from an earlier file, or said of this one: it is seen here, and can be changed.
 * @param known columns of a row
 */
export function namedColumns(
  { understood, summary }: Pick<BatchResource, 'understood' | 'summary'>,
  known: readonly string[],
): NamedColumn[] {
  const nearest = new Map(summary?.columns?.unknown.map((column) => [column.header, column.nearest]));
  const columns = understood?.columns ?? [];
  const added = columnsWeAdded(columns);
  return columns
    .filter(({ header, target }) => !added.has(header) && (nearest.has(header) || target !== header))
    .slice(0, MOST)
    .map(({ header, target }) => {
      const isUnknown = nearest.has(header);
      const meant = target === header ? (nearest.get(header) ?? null) : target;
      // What it stands for may be none of the columns that templates have.
      const names = meant === null || known.includes(meant) ? known : [meant, ...known];
      return {
        header,
        leftOut: target === null,
        targets: names.filter((name) => name !== header).map((name) => ({ name, selected: name === meant })),
        hint:
          target === null ? 'Not stored: to have it back, send the file again.' : isUnknown ? UNKNOWN : null,
      };
    });
}

/** What headers stand for besides themselves, for the same file to be read once more. */
export function renamedColumns({ understood }: Pick<BatchResource, 'understood'>): [string, string | null][] {
  const columns = understood?.columns ?? [];
  const added = columnsWeAdded(columns);
  return columns
    .filter(({ header, target }) => header !== target && !added.has(header))
    .map(({ header, target }) => [header, target]);
}

const UNKNOWN = 'No row has such a column.';
