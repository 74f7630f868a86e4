import { DomainError } from '../../common/domain.error.js';
import { visitMembers } from './json-members.js';
import type { RecordRow } from './select-records.js';

const MAX_COLUMNS = 10_000;
const MAX_COLUMN_CHARACTERS = 1024 * 1024;

/**
 * The columns of a CSV file: the keys of all its records, in the order in which they are first seen. JSON records may
 * each have keys of their own, so this takes a pass over the set before the first line is written. It keeps the
 * distinct keys and nothing else, and gives up beyond 10,000 of them or a million characters.
 * @throws DomainError 422 `too_many_columns`
 */
export async function collectColumns(pages: AsyncIterable<RecordRow[]>): Promise<string[]> {
  const columns = new Set<string>();
  let characters = 0;
  for await (const rows of pages) {
    for (const { payload } of rows) {
      visitMembers(payload, (key) => {
        if (columns.has(key)) return;
        columns.add(key);
        characters += key.length;
        if (columns.size > MAX_COLUMNS || characters > MAX_COLUMN_CHARACTERS) throw tooManyColumns();
      });
    }
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
