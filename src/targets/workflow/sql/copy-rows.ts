import { finished } from 'node:stream/promises';
import type { Transaction } from '../../../database/transaction.js';

/**
 * Rows that are ready to be written. They are bytes, not objects: several chunks wait for PostgreSQL at once, and what
 * waits in objects meanwhile is moved about by every collection of garbage.
 */
export interface CopyRows {
  /** Table and columns. */
  into: string;
  text: Buffer;
}

/** @param line the fields of a row as COPY text, their tabs between them */
export function rowsToCopy<Row>(into: string, rows: readonly Row[], line: (row: Row) => string): CopyRows {
  const lines = rows.map(line);
  return { into, text: Buffer.from(lines.length === 0 ? '' : `${lines.join('\n')}\n`) };
}

/** COPY, not INSERT: the rows of a chunk need no array literals, whose quotes cost more than the insert. */
export async function copyRows(transaction: Transaction, { into, text }: CopyRows): Promise<void> {
  if (text.length === 0) return;
  const copy = transaction.copyFrom(`COPY ${into} FROM STDIN`);
  copy.end(text);
  await finished(copy);
}
