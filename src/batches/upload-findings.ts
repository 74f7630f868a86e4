import type { UnderstoodFile } from '../formats/upload-reader.js';
import type { ErrorTallyGroup } from '../records/rows.js';

/** How the columns of a file differ from those that its rows may have. */
export interface ColumnFindings {
  /** Columns that rows do not have; `nearest` is the column that was probably meant. */
  unknown: { header: string; nearest: string | null }[];
  /** Required columns that the file lacks. */
  missing: string[];
}

/** How an uploaded file was read, stored with its batch. */
export interface UploadFindings {
  understood: UnderstoodFile;
  /** `null` for JSON Lines, which have no columns. */
  columns: ColumnFindings | null;
  errorGroups: ErrorTallyGroup[];
  /** Empty cells that leave values unchanged. Absent: the file was read by a version that did not count them. */
  emptyCells?: number;
  /** The meaning of headers as a user chose it; saved for later files when this one is confirmed. */
  mapping: [header: string, target: string | null][];
}
