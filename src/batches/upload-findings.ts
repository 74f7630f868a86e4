import type { Reading, ReadingWarning } from '../formats/reading.js';
import type { ReadingCounts } from '../formats/table-rows.js';
import type { UnderstoodFile } from '../formats/upload-reader.js';
import type { ErrorTallyGroup } from '../records/rows.js';

/** How the columns of a file differ from those that its rows may have. */
export interface ColumnFindings {
  /** Columns that match no field; `nearest` is the field that was probably meant. */
  unknown: { header: string; nearest: string | null }[];
  /** Required columns that the file lacks. */
  missing: string[];
}

/** How an uploaded file was read, stored with its batch. Older batches lack the optional members. */
export interface UploadFindings extends Partial<ReadingCounts> {
  understood: UnderstoodFile;
  /** `null` for JSON Lines, which have no columns. */
  columns: ColumnFindings | null;
  errorGroups: ErrorTallyGroup[];
  /** The choices that the sender made. */
  reading?: Reading;
  warnings?: ReadingWarning[];
}
