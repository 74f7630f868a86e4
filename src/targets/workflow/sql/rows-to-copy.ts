import type { CopyRows } from '../../../database/copy/copy-together.js';

/** What a row usually takes; where rows take more, the memory grows. */
const ROW_BYTES = 512;
/** Of one UTF-16 unit in UTF-8. */
const MOST_UNIT_BYTES = 3;

/**
 * Rows as COPY takes them: a chunk then needs no array literals, whose quotes cost more than the insert.
 * @param line the fields of a row as COPY text, their tabs between them
 */
export function rowsToCopy<Row>(into: string, rows: readonly Row[], line: (row: Row) => string): CopyRows {
  let text = Buffer.allocUnsafe(rows.length * ROW_BYTES);
  let end = 0;
  for (const row of rows) {
    // Each line turns into bytes at once and is garbage before the next: nothing is left to be collected later.
    const written = `${line(row)}\n`;
    const needed = end + written.length * MOST_UNIT_BYTES;
    if (needed > text.length)
      text = Buffer.concat([text.subarray(0, end)], Math.max(needed, text.length * 2));
    end += text.write(written, end);
  }
  return { into, text: text.subarray(0, end) };
}
