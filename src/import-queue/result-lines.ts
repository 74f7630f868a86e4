import type { RecordSet } from '../batches/record-pages.js';
import type { RecordRow } from '../batches/record-pages.sql.js';
import { csvLine } from '../formats/csv/csv-cells.js';
import { collectColumns, RESULT_COLUMNS } from '../formats/csv/csv-columns.js';
import { jsonMembers, memberText } from '../formats/json/json-members.js';
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

/** JSON Lines: one record per line, with its outcome. */
export async function* jsonLines(records: RecordSet): AsyncGenerator<string, void, undefined> {
  for await (const rows of records.pages()) {
    yield rows.map((row) => `${recordJson(row, false)}\n`).join('');
  }
}

/**
 * CSV (RFC 4180): the columns that were sent, in their order, then our columns.
 * @param sent the columns of the source file; empty for JSON records, whose keys become the columns
 */
export async function* csvLines(
  records: RecordSet,
  sent: readonly string[],
): AsyncGenerator<string, void, undefined> {
  const columns = await collectColumns(sent, records.pagesToCome());
  yield csvLine([...columns, ...RESULT_COLUMNS]);
  for await (const rows of records.pages()) {
    yield rows.map((row) => csvRecord(row, columns)).join('');
  }
}

function csvRecord(row: RecordRow, columns: readonly string[]): string {
  const members = jsonMembers(row.payload);
  const cells = columns.map((column) => memberText(members.get(column)));
  return csvLine([...cells, String(row.line), row.status, errorText(row)]);
}

/** The error as text: the code, the place in the record, and the message. */
function errorText({ errorCode, errorMessage, errorPointer }: RecordRow): string | null {
  if (errorCode === null) return null;
  const place = errorPointer === null || errorPointer === '' ? '' : ` at ${errorPointer}`;
  return `${errorCode}${place}: ${errorMessage ?? ''}`;
}
