import type { RecordRow } from '../batches/record-pages.sql.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { RecordError } from '../records/target.js';

type ErrorResource = Omit<RecordError, 'pointer'> & { pointer: string | null };

/** The structure of the JSON that `recordJson` writes. */
export interface RecordResource extends Pick<
  RecordRow,
  'line' | 'status' | 'operation' | 'reference' | 'attempts'
> {
  row: number;
  originLine?: number;
  error: ErrorResource | null;
  /** At most ten; the first is `error`. */
  errors: ErrorResource[];
  record: JsonObject;
}

/**
 * A record as JSON text. The payload is inserted with the exact characters that were sent. After parsing and
 * serializing, 1e400 would be null and 12345678901234567890 a different number.
 * @param inList adds what `GET …/Records` answers and a line of a download does not have
 */
export function recordJson(row: RecordRow, inList: boolean): string {
  const error = errorOf(row);
  const head = JSON.stringify({
    line: row.line,
    ...(inList && { row: row.row ?? row.line }),
    // Most records have no origin line, and omit the member.
    ...(row.originLine !== null && { originLine: row.originLine }),
    status: row.status,
    operation: row.operation,
    reference: row.reference,
    ...(inList && { attempts: row.attempts }),
    error,
    ...(inList && { errors: row.errors ?? (error === null ? [] : [error]) }),
  });
  return `${head.slice(0, -1)},"record":${row.payload}}`;
}

function errorOf(row: RecordRow) {
  if (row.errorCode === null) return null;
  return { code: row.errorCode, message: row.errorMessage, pointer: row.errorPointer };
}
