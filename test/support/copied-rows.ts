import type { CopyInput } from '../../src/platform/database/copy-rows.js';

const BIGINTS = ['workflow_import_queue_batch_id'];
const INTEGERS = ['line_number', 'origin_line', 'row_number'];
const DOCUMENTS = ['errors'];

/** The rows of a binary COPY, each value as PostgreSQL would print it. */
export function copiedRows({ into, rows: bytes }: CopyInput): (string | null)[][] {
  const columns = /\(([^)]*)\)/.exec(into)?.[1]?.split(/,\s*/) ?? [];
  const rows: (string | null)[][] = [];
  let at = 0;
  while (at < bytes.length) {
    if (bytes.readInt16BE(at) !== columns.length) throw new Error('the row has another number of fields');
    at += 2;
    rows.push(
      columns.map((column) => {
        const length = bytes.readInt32BE(at);
        at += 4;
        if (length === -1) return null;
        at += length;
        return valueOf(column, bytes.subarray(at - length, at));
      }),
    );
  }
  return rows;
}

function valueOf(column: string, field: Buffer): string {
  if (BIGINTS.includes(column)) return String(field.readBigInt64BE());
  if (INTEGERS.includes(column)) return String(field.readInt32BE());
  return field.toString('utf8', DOCUMENTS.includes(column) ? 1 : 0);
}
