import { DomainError } from '../../common/domain.error.js';
import { visitMembers } from './json-members.js';
import type { RecordRow } from './select-records.js';

const MAX_COLUMNS = 10_000;
const MAX_COLUMN_CHARACTERS = 1024 * 1024;

/**
 * The columns of a CSV file: those of the file that was sent, then all other keys of its records, in the order in which
 * they are first seen. JSON records may each have keys of their own, and a record of a file need not have every column,
 * so this takes a pass over the set before the first line is written. It keeps the distinct keys and nothing else, and
 * gives up beyond 10,000 of them or a million characters.
 * @throws DomainError 422 `too_many_columns`
 */
export async function collectColumns(
  sent: readonly string[],
  pages: AsyncIterable<RecordRow[]>,
): Promise<string[]> {
  const columns = new Set<string>();
  let characters = 0;
  const add = (key: string) => {
    if (columns.has(key)) return;
    columns.add(key);
    characters += key.length;
    if (columns.size > MAX_COLUMNS || characters > MAX_COLUMN_CHARACTERS) throw tooManyColumns();
  };
  sent.forEach(add);
  for await (const rows of pages) {
    for (const { payload } of rows) visitMembers(payload, add);
  }
  return [...columns];
}

function tooManyColumns(): DomainError {
  return new DomainError(
    422,
    'too_many_columns',
    'The records have too many different keys for a CSV file',
    `The records have more than ${MAX_COLUMNS} different keys. Take format=jsonl, which has no columns.`,
    { limit: MAX_COLUMNS },
  );
}
