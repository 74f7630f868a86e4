import type { ErrorGroup } from './intake/error-tally.js';
import type { Understood } from './intake/upload-reader.js';

/** Columns of a file beside those of a row. */
export interface ColumnFindings {
  /** Columns that no row has; `nearest` is the one that was probably meant. */
  unknown: { header: string; nearest: string | null }[];
  /** Columns that a row must have and the file has not. */
  missing: string[];
}

/** What was understood of an uploaded file, stored with its batch. */
export interface UploadFindings {
  understood: Understood;
  /** `null` for JSON Lines, which have no columns. */
  columns: ColumnFindings | null;
  errorGroups: ErrorGroup[];
  /** What somebody said that headers stand for: kept for later files once this one is confirmed. */
  mapping: [header: string, target: string | null][];
}
