import { collectColumns } from './csv-columns.js';
import { csvLine } from './csv-cells.js';
import { jsonMembers, memberText } from './json-members.js';
import { recordJson } from './record-json.js';
import type { RecordSet } from './record-set.js';
import type { RecordRow } from './select-records.js';

/** What we add to the columns that were sent; they come last, and an upload leaves them aside. */
const OUR_COLUMNS = ['_line', '_status', '_error'] as const;

/** JSON Lines: one record each, with what became of it. */
export async function* jsonLines(records: RecordSet): AsyncGenerator<string, void, undefined> {
  for await (const rows of records.pages()) {
    yield rows.map((row) => `${recordJson(row, false)}\n`).join('');
  }
}

/**
 * CSV (RFC 4180): the columns that were sent, in their order, then ours.
 * @param sent columns of the file that the records come from; of JSON records only they themselves tell
 */
export async function* csvLines(
  records: RecordSet,
  sent: readonly string[],
): AsyncGenerator<string, void, undefined> {
  const columns = await collectColumns(sent, records.pagesToCome());
  yield csvLine([...columns, ...OUR_COLUMNS]);
  for await (const rows of records.pages()) {
    yield rows.map((row) => csvRecord(row, columns)).join('');
  }
}

function csvRecord(row: RecordRow, columns: readonly string[]): string {
  const members = jsonMembers(row.payload);
  const cells = columns.map((column) => memberText(members.get(column)));
  return csvLine([...cells, String(row.line), row.status, errorText(row)]);
}

/** For people: the code, where in the record, and the sentence. */
function errorText({ errorCode, errorMessage, errorPointer }: RecordRow): string | null {
  if (errorCode === null) return null;
  const place = errorPointer === null || errorPointer === '' ? '' : ` at ${errorPointer}`;
  return `${errorCode}${place}: ${errorMessage ?? ''}`;
}
