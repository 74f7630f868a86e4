import { integerArray, textArray } from '../../../database/array-literal.js';
import type { Transaction } from '../../../database/transaction.js';
import type { RecordError, RecordOutcome } from '../../../targets/target.js';
import { storableText } from '../storable-text.js';

/**
 * Writes the outcomes of pending records, all in one statement. @throws when one of them was pending no more
 *
 * The range of lines repeats what the join says. Without it PostgreSQL, which knows nothing yet of a batch that was
 * just loaded, reads the whole batch for every chunk: 350 ms instead of 5 in a batch of 300,000 records.
 */
export async function writeOutcomes(
  transaction: Transaction,
  batchId: number,
  outcomes: readonly RecordOutcome[],
): Promise<void> {
  const lines = outcomes.map(({ line }) => line);
  // Without a failure they stay empty: PostgreSQL fills the shorter lists up with NULL.
  const errors = outcomes.some(({ status }) => status === 'failed') ? outcomes.map(errorOf) : [];
  const { rowCount } = await transaction.query(
    `UPDATE import_queue_record r
        SET status = o.status, operation = o.operation, reference = o.reference, error_code = o.error_code,
            error_message = o.error_message, error_pointer = o.error_pointer, attempts = r.attempts + 1
       FROM unnest($4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
         AS o (line, status, operation, reference, error_code, error_message, error_pointer)
      WHERE r.workflow_import_queue_batch_id = $1 AND r.line_number BETWEEN $2 AND $3
        AND r.line_number = o.line AND r.status = 'pending'`,
    [
      batchId,
      lines.reduce((least, line) => Math.min(least, line)),
      lines.reduce((most, line) => Math.max(most, line)),
      integerArray(lines),
      textArray(outcomes.map(({ status }) => status)),
      textArray(outcomes.map(({ operation }) => operation)),
      textArray(outcomes.map(({ reference }) => reference && storableText(reference))),
      textArray(errors.map((error) => error && storableText(error.code))),
      textArray(errors.map((error) => error && storableText(error.message))),
      textArray(errors.map((error) => (error?.pointer === undefined ? null : storableText(error.pointer)))),
    ],
  );
  if (rowCount !== outcomes.length) {
    throw new Error(
      `${outcomes.length} outcomes were to be written, but only ${rowCount} records were pending`,
    );
  }
}

function errorOf(outcome: RecordOutcome): RecordError | null {
  return outcome.status === 'failed' ? outcome.error : null;
}
