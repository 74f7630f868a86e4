import { WRONG_CELL_COUNT } from '../formats/csv/csv-reader.js';
import type { JsonObject } from '../platform/json/json-value.js';
import type { CompiledTarget, RowVerdict } from '../records/target.js';
import type { BatchWriter } from './batch-writer.js';
import type { RecordCollector } from './record-collector.js';
import type { StoredRecord } from './records.sql.js';

/** Records read at a time: bounds memory whatever the number of records. */
const PAGE_SIZE = 2000;

/**
 * Puts stored records into a new batch, under their own line numbers, checked by the rules of today.
 * @param select the next of them behind a line, in line order, at most so many
 */
export async function copyStoredRecords(
  select: (afterLine: number, limit: number) => Promise<StoredRecord[]>,
  compiled: CompiledTarget,
  rows: RecordCollector,
  writer: BatchWriter,
): Promise<void> {
  for (let after = 0; ;) {
    const records = await select(after, PAGE_SIZE);
    for (const record of records) {
      const { line, payload, originLine } = record;
      const { error, orderingKeys } = checkAgain(record, compiled);
      rows.add(line, payload, error, orderingKeys, originLine === undefined ? undefined : { originLine });
      after = line;
    }
    if (records.length < PAGE_SIZE) return writer.end();
    await writer.suspend();
  }
}

/** A row of a file that was too short or too long is still that, whatever the columns it has would say by themselves. */
function checkAgain(
  { payload, errorCode, errorMessage }: StoredRecord,
  compiled: CompiledTarget,
): RowVerdict {
  if (errorCode === WRONG_CELL_COUNT) {
    return { error: { code: errorCode, message: errorMessage ?? '' }, orderingKeys: [] };
  }
  return compiled.checkRow(JSON.parse(payload) as JsonObject, payload);
}
