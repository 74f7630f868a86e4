import type { RecordRow } from '../../import-queue/results/select-records.js';
import { excerpt } from '../../common/format.js';
import { recordLabel, type StatusLabel } from '../status-label.js';

/** Characters of a record, or of its error, that a table shows; its own page and the download have all of them. */
const SHOWN = 500;

export interface RecordView {
  line: number;
  path: string;
  status: StatusLabel;
  operation: string | null;
  reference: string | null;
  errorCode: string | null;
  errorMessage: string;
  errorPointer: string | null;
  payload: string;
}

export function recordView(row: RecordRow, batchPath: string): RecordView {
  return {
    line: row.line,
    path: `${batchPath}/records/${row.line}`,
    status: recordLabel(row.status),
    operation: row.operation,
    reference: row.reference,
    errorCode: row.errorCode,
    errorMessage: excerpt(row.errorMessage ?? '', SHOWN),
    errorPointer: row.errorPointer,
    payload: excerpt(row.payload, SHOWN),
  };
}
