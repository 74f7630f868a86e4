import type { JsonObject, JsonValue } from '../../../platform/json/json-value.js';
import type { RowSource } from './row-source.js';

/**
 * Every reason to refuse a row before any instance is looked up. The codes are part of the API: `error.code` of a record.
 * @public docs/errors.md is generated from it.
 */
export const ROW_ERROR_CODES = {
  /** The row has both `:WorkflowActionId` and `:WorkflowActionName`. */
  action_chosen_twice: 'The row names its action by id and by name',
  /** Neither the row nor the import process chooses an action, and the step has several. */
  ambiguous_action: 'No action is chosen',
  /** An identifier column is present, but holds null, nothing or only white space. */
  blank_identifier: 'An identifier has no value',
  not_a_boolean: 'Not yes or no',
  not_a_date: 'Not a calendar date',
  not_a_date_time: 'Not a date and time',
  not_a_number: 'Not a decimal number',
  not_a_url: 'Not an http or https URL',
  not_an_email: 'Not an e-mail address',
  not_an_option: 'Not one of the options',
  /** More digits than can be kept. */
  number_too_long: 'A number has too many digits',
  /** The import process's own JSON Schema (`recordSchema`) refuses the row. */
  record_schema: 'The schema of the import process refuses the row',
  required: 'A required value is missing',
  /** An identifier is `#N/A` or another error value of a spreadsheet. */
  spreadsheet_error: 'An identifier is the error value of a spreadsheet',
  /** HTML elements nested deeper than any author writes. */
  rich_text_too_deep: 'Rich text is nested too deeply',
  /** The row meets the `when` of one of the action's rules, but not its `require`. */
  rule_violated: 'A rule of the action is broken',
  too_large: 'A number is larger than allowed',
  too_long: 'A text is longer than allowed',
  too_small: 'A number is smaller than allowed',
  /** `:WorkflowActionId` or `:WorkflowActionName` names no action of the step. */
  unknown_action: 'The step has no such action',
  /** Neither an identifier, nor a `:Workflow…` column, nor an input of the action. */
  unknown_column: 'The action has no such input',
  /** PostgreSQL text holds neither U+0000 nor half of a surrogate pair. */
  unstorable_text: 'A text contains characters that the database cannot store',
  /** For example an object where a text is expected. */
  wrong_type: 'The value has the wrong type',
} as const;

export type RowErrorCode = keyof typeof ROW_ERROR_CODES;

/** Why a value is refused. `rule` continues after the column's name and states what is accepted: `must be …`. */
export class ValueError {
  constructor(
    readonly code: RowErrorCode,
    readonly rule: string,
    /** Whether the message ends with the value that was found. */
    readonly showsFound = true,
    /** Further help, after the value that was found. */
    readonly hint = '',
  ) {}
}

/** How the values of one column are read. Made once per attribute, used for every row. */
export interface ValueType {
  /**
   * The canonical value, `null` if nothing is left to store, or why the value is refused. Never called with `null` or
   * `''`, which clear the value for every type.
   */
  parse(value: JsonValue, source: RowSource): JsonValue | ValueError;
  /** JSON Schema of what `parse` accepts, as far as JSON Schema can say it: alternatives. */
  readonly schemas: readonly JsonObject[];
  /** The accepted form, for people who fill in a template. */
  readonly form: string;
  /** A sample value, as CSV text. */
  readonly example: string;
}
