import { finished } from 'node:stream/promises';
import { copyField } from '../../../database/copy/copy-text.js';
import type { Transaction } from '../../../database/transaction.js';

/** COPY, not INSERT: the rows of a chunk need no array literals, whose quotes cost more than the insert. */
export async function copyRows<Row>(
  transaction: Transaction,
  table: string,
  rows: readonly Row[],
  fields: (row: Row) => readonly (string | number | null)[],
): Promise<void> {
  if (rows.length === 0) return;
  let text = '';
  for (const row of rows) text += `${fields(row).map(asField).join('\t')}\n`;
  const copy = transaction.copyFrom(`COPY ${table} FROM STDIN`);
  copy.end(text);
  await finished(copy);
}

function asField(value: string | number | null): string {
  return typeof value === 'number' ? String(value) : copyField(value);
}
