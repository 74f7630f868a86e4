import type { Transaction } from '../../database/transaction.js';
import type { PreviewRun } from '../../targets/target.js';
import { selectPendingRecords } from '../processing/sql/select-pending-records.js';
import { countOperations, toStored } from './previewed-record.js';
import { LaterKeys } from './later-keys.js';

interface ChunkToPreview {
  chunkNumber: number;
  firstLine: number;
  lastLine: number;
  orderingKeys: Buffer | null;
}

/** Looks at every chunk in line order and stores what its records would turn into; all or nothing. */
export async function makePreview(transaction: Transaction, batchId: number, run: PreviewRun): Promise<void> {
  const { rows: chunks } = await transaction.query<ChunkToPreview>(
    `SELECT chunk_number AS "chunkNumber", first_line AS "firstLine", last_line AS "lastLine",
            ordering_keys AS "orderingKeys"
       FROM import_queue_chunk WHERE workflow_import_queue_batch_id = $1 ORDER BY chunk_number`,
    [batchId],
  );
  const keys = new LaterKeys(chunks.map(({ orderingKeys }) => orderingKeys));
  for (const [place, { chunkNumber, firstLine, lastLine }] of chunks.entries()) {
    const records = await selectPendingRecords(transaction, batchId, firstLine, lastLine);
    const outcomes = await run.chunk(records, (key) => keys.after(place, key));
    const previews = outcomes.sort((a, b) => a.line - b.line).map(toStored);
    const counts = countOperations(previews);
    await transaction.query(INSERT, [
      ...[batchId, chunkNumber, counts.create, counts.update, counts.unchanged, counts.skip, counts.reject],
      JSON.stringify(previews),
    ]);
  }
}

const INSERT = `
  INSERT INTO import_queue_preview (workflow_import_queue_batch_id, chunk_number, create_count, update_count,
    unchanged_count, skip_count, reject_count, outcomes)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`;
