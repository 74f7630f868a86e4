import type { RowErrorCode } from '../row-error-codes.js';

/** Why a value is refused. `rule` goes on after the column's name and says what is accepted: `must be …`. */
export class ValueError {
  constructor(
    readonly code: RowErrorCode,
    readonly rule: string,
    /** Whether the message is to end with what was found. */
    readonly showsFound = true,
    /** Further help, after what was found. */
    readonly hint = '',
  ) {}
}
