import type { JsonObject } from '../common/json.js';
import type { CompiledTarget, RowVerdict } from '../targets/target.js';
import { WRONG_CELL_COUNT } from './intake/csv/csv-rows.js';

/** A record that is stored already, with what was said of it the first time. */
export interface CheckedRecord {
  payload: string;
  errorCode: string | null;
  errorMessage: string | null;
}

/**
 * What pass 1 says of a record by the rules of today. A row of a file that was too short or too long is still that,
 * whatever the columns it has would say by themselves.
 */
export function checkAgain(
  { payload, errorCode, errorMessage }: CheckedRecord,
  compiled: CompiledTarget,
): RowVerdict {
  if (errorCode === WRONG_CELL_COUNT) {
    return { error: { code: errorCode, message: errorMessage ?? '' }, orderingKeys: [] };
  }
  return compiled.checkRow(JSON.parse(payload) as JsonObject, payload);
}
