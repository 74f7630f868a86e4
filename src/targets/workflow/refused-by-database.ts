import { isUniqueViolation } from '../../database/postgres-error.js';
import type { RecordError, RecordOutcome } from '../target.js';

/** What becomes of a record that PostgreSQL refuses also when it comes alone. */
export function refusedByDatabase(line: number, cause: unknown): RecordOutcome {
  return { line, status: 'failed', operation: 'rejected', reference: null, error: describe(cause) };
}

function describe(cause: unknown): RecordError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (isUniqueViolation(cause)) {
    const message =
      'its identifiers kept being given to others while it was processed; look them up and send it again';
    return { code: 'identifier_taken', message };
  }
  return { code: 'not_storable', message: `the database refused the record: ${reason}` };
}
