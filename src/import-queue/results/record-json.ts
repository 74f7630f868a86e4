import type { JsonObject } from '../../common/json.js';
import type { RecordError } from '../../targets/target.js';
import type { RecordRow } from './select-records.js';

/** What the text says. */
export interface RecordResource extends Pick<
  RecordRow,
  'line' | 'status' | 'operation' | 'reference' | 'attempts'
> {
  originLine?: number;
  error: (Omit<RecordError, 'pointer'> & { pointer: string | null }) | null;
  record: JsonObject;
}

/**
 * A record as JSON text. The payload goes in as the characters that were sent: parsed and written again, 1e400 would
 * become null and 12345678901234567890 another number.
 */
export function recordJson(row: RecordRow, withAttempts: boolean): string {
  const head = JSON.stringify({
    line: row.line,
    // Most records have none, and need not say so.
    ...(row.originLine !== null && { originLine: row.originLine }),
    status: row.status,
    operation: row.operation,
    reference: row.reference,
    ...(withAttempts && { attempts: row.attempts }),
    error: errorOf(row),
  });
  return `${head.slice(0, -1)},"record":${row.payload}}`;
}

function errorOf(row: RecordRow) {
  if (row.errorCode === null) return null;
  return { code: row.errorCode, message: row.errorMessage, pointer: row.errorPointer };
}
