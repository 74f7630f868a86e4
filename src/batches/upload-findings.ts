import type { UnderstoodFile } from '../formats/upload-reader.js';
import type { ErrorTallyGroup } from '../records/rows.js';

/** The columns of a file compared with those that its rows may have. */
export interface ColumnFindings {
  /** Columns that no row has; `nearest` is the column that was probably meant. */
  unknown: { header: string; nearest: string | null }[];
  /** Columns that a row must have and the file lacks. */
  missing: string[];
}

/** How an uploaded file was read, stored with its batch. */
export interface UploadFindings {
  understood: UnderstoodFile;
  /** `null` for JSON Lines, which have no columns. */
  columns: ColumnFindings | null;
  errorGroups: ErrorTallyGroup[];
  /** Empty cells that leave values as they are. Absent: read before they were counted. */
  emptyCells?: number;
  /** What a person stated that headers stand for; kept for later files once this one is confirmed. */
  mapping: [header: string, target: string | null][];
}
